"""The server: what it gives out, what it takes, and that a kill loses and doubles nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from snac_eval.cli.main import main
from snac_eval.listening import serving as module
from snac_eval.listening.serving import asked_range, readable_file
from snac_eval.listening.shapes import answers_file
from tests.listening.held import Held, answer, held, make_key, write_test

Got = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_test(tmp_path_factory.mktemp("tests") / "mine", make_key("mushra"))


@pytest.fixture
def served(folder: Path) -> Iterator[Held]:
    answers_file(folder).unlink(missing_ok=True)
    with held(folder) as one:
        yield one


def ask(
    port: int,
    place: str,
    content: dict[str, Any] | bytes | None = None,
    method: str = "",
    **headers: str,
) -> Got:
    """One request on a connection of its own; content is posted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps(content).encode() if isinstance(content, dict) else content
        if body is not None:
            sent = {"Content-Type": "application/json"} | sent
        connection.request(method or ("GET" if body is None else "POST"), place, body, sent)
        reply = connection.getresponse()
        return reply.status, dict(reply.headers), reply.read()
    finally:
        connection.close()


def test_gives_out_the_folder_with_types_and_ranges(served: Held) -> None:
    status, headers, content = ask(served.port, "/?again=1")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert content == (served.folder / "index.html").read_bytes()
    assert headers["X-Content-Type-Options"] == "nosniff"
    sound = (served.folder / "audio" / "t1s0.wav").read_bytes()
    assert ask(served.port, "/audio/t1s0.wav")[2] == sound
    status, headers, content = ask(served.port, "/audio/t1s0.wav", Range="bytes=10-19")
    assert (status, content) == (206, sound[10:20])
    assert headers["Content-Range"] == f"bytes 10-19/{len(sound)}"
    assert ask(served.port, "/audio/t1s0.wav", Range=f"bytes={len(sound)}-")[0] == 416
    status, headers, content = ask(served.port, "/audio/t1s0.wav", method="HEAD")
    assert (status, headers["Content-Length"], content) == (200, str(len(sound)), b"")
    facts = json.loads(ask(served.port, "/serve.json")[2])
    assert facts == {"test": "test-mushra", "answers": "answers"}


def test_byte_ranges() -> None:
    asked = ("", "bytes=0-", "bytes=5-9", "bytes=5-999", "bytes=-3", "bytes=9-5", "bytes=1-2,4-5")
    assert [asked_range(header, 20) for header in asked] == [
        (0, 19),
        (0, 19),
        (5, 9),
        (5, 19),
        (17, 19),
        (0, 19),
        (0, 19),
    ]
    assert asked_range("bytes=20-", 20) is None
    assert asked_range("bytes=-0", 20) is None


@pytest.mark.parametrize(
    "place",
    [
        "/../mine.key.json",
        "/%2e%2e/mine.key.json",
        "/audio/..%2f..%2fmine.key.json",
        "/..%5cmine.key.json",
        "/audio/../../mine.key.json",
        "//etc/passwd",
        "/%00/index.html",
        "/index.html%00.wav",
        "/index.html/",
        "/audio",
        "/audio/",
        "/",
        "/.hidden.html",
        "/out.txt",
        "/way/mine.key.json",
        "/%ff",
        "/data.bin",
        "/C:/index.html",
        "/" + "a" * 5000,
        "",
        "*",
    ],
)
def test_nothing_outside_of_the_folder_can_be_read(folder: Path, place: str) -> None:
    root = folder.resolve()
    (root / ".hidden.html").write_text("hidden")
    (root / "data.bin").write_text("of no kind that tests have")
    for name, target in (("out.txt", root.parent / "mine.key.json"), ("way", root.parent)):
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)
    found = readable_file(root, place)
    assert found == (root / "index.html" if place == "/" else None)


def test_raw_paths_reach_the_same_check(served: Held) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        raw.sendall(b"GET /%2e%2e/mine.key.json HTTP/1.1\r\nConnection: close\r\n\r\n")
        said = b"".join(iter(lambda: raw.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 404 ")
    assert b"secret_codec" not in said


def test_two_hundred_posts_at_once_are_all_kept(served: Held) -> None:
    gate = threading.Barrier(200, timeout=60)

    def post(number: int) -> int:
        gate.wait()
        return ask(served.port, "/answers", answer(number))[0]

    with ThreadPoolExecutor(200) as pool:
        assert set(pool.map(post, range(200))) == {200}
    assert sorted(line["id"] for line in served.lines) == [f"answer-{n:04d}" for n in range(200)]


def test_what_cannot_be_an_answer_is_refused_early(served: Held) -> None:
    """Ten megabytes are refused when only their length was said."""
    head = "POST /answers HTTP/1.1\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        raw.sendall(f"{head}Content-Length: {10_000_000}\r\n\r\n".encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        raw.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 10000000\r\n\r\n".encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert ask(served.port, "/answers", b"{}", Transfer_Encoding="chunked")[0] == 411
    assert ask(served.port, "/answers", b"{}", Content_Type="text/plain")[0] == 415
    assert ask(served.port, "/other", answer())[0] == 404
    status, headers, content = ask(served.port, "/answers", answer(listener="Jane Doe"))
    assert status == 400
    assert "listener" in json.loads(content)["error"]
    assert headers["Cache-Control"] == "no-store"
    assert ask(served.port, "/", method="DELETE")[0] == 501
    assert ask(served.port, "/", X_Long="a" * 20_000)[0] == 431
    assert served.lines == []


def test_a_page_that_lies_elsewhere_may_post(served: Held) -> None:
    status, headers, _ = ask(served.port, "/answers", method="OPTIONS", Origin="null")
    assert (status, headers["Access-Control-Allow-Headers"]) == (204, "Content-Type")
    status, headers, _ = ask(served.port, "/answers", answer(), Origin="null")
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")


def test_who_sends_too_slowly_is_cut_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_S", 0.1)
    with held(folder) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
            raw.sendall(b"POST /answers HTT")
            assert raw.recv(100) == b""
        assert ask(served.port, "/serve.json")[0] == 200


def test_a_kill_loses_no_answer_and_doubles_none(folder: Path) -> None:
    file = answers_file(folder)
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "snac_eval", "listen", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        said = server.stdout.readline().decode()
        port = int(said.split("/ ")[0].rsplit(":", 1)[1])
        kept: list[str] = []

        def post(first: int) -> None:
            for number in range(first, 240, 8):
                try:
                    status, _, _ = ask(port, "/answers", answer(number))
                except (OSError, http.client.HTTPException):
                    return
                if status == 200:
                    kept.append(f"answer-{number:04d}")
                if len(kept) == 60:
                    os.kill(server.pid, signal.SIGKILL)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(post, range(8)))
    assert 60 <= len(kept) < 240
    with file.open("ab") as torn:
        torn.write(b'{"id": "answer-9999", "te')
    # The pages send again whatever they have no word of; some send what was kept, too.
    with held(folder) as served:
        found = {line["id"] for line in served.lines}
        assert found >= set(kept)
        for number in range(100):
            assert ask(served.port, "/answers", answer(number))[0] == 200
        counts = Counter(line["id"] for line in served.lines)
    assert set(counts) == found | {f"answer-{number:04d}" for number in range(100)}
    assert set(counts.values()) == {1}


def test_bad_use_is_said_on_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: object) -> str:
        assert main(["listen", "serve", *map(str, arguments)]) == 2
        lines = capsys.readouterr().err.splitlines()
        return next(line for line in lines if line.startswith("snac-eval: "))

    assert "no listening test" in said(tmp_path)
    assert "everybody can read" in said(folder, "--answers", folder / "audio" / "answers.jsonl")
    (tmp_path / "index.html").write_text("a page without a key")
    assert f"{tmp_path.name}.key.json" in said(tmp_path)
    answers_file(folder).unlink(missing_ok=True)
    with held(folder) as served:
        other = ("--answers", tmp_path / "answers.jsonl")
        assert "is taken" in said(folder, "--port", served.port, *other)
        assert "another server" in said(folder, "--port", 0)
    assert "no address" in said(folder, "--port", 99999, *other)
