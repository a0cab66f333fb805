"""The file of answers: what it takes, and what a crash leaves of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from snac_eval.errors import OutputError, UsageError
from snac_eval.listening import answers as module
from snac_eval.listening.answers import collecting
from snac_eval.listening.shapes import Method
from snac_eval.results.listeners.answers import Key, read_key
from tests.listening.held import answer, make_key, write_test


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[Method, Key]:
    folder = tmp_path_factory.mktemp("keys")
    methods: tuple[Method, ...] = ("mushra", "abx", "mos")
    for method in methods:
        write_test(folder / method, make_key(method), seconds=0.01)
    return {method: read_key(folder / f"{method}.key.json") for method in methods}


def _keep(path: Path, key: Key, content: object) -> tuple[int, str]:
    with collecting(path, key) as file:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        reply = file.keep(body)
        return reply.status, reply.words


def test_an_answer_is_kept_once_however_often_it_comes(
    tmp_path: Path, keys: dict[Method, Key]
) -> None:
    path = tmp_path / "answers.jsonl"
    with collecting(path, keys["mushra"]) as file:
        assert [file.keep(json.dumps(answer(1)).encode()).status for _ in range(3)] == [200] * 3
        assert (file.num_answers, file.num_listeners) == (1, 1)
    # Another process, later, knows it as well.
    assert _keep(path, keys["mushra"], answer(1)) == (200, "kept")
    assert _keep(path, keys["mushra"], answer(1, seconds=9.0))[0] == 409
    line = json.loads(path.read_text())
    received = line.pop("received")
    assert line == answer(1)
    assert received.endswith("+00:00")


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (b"", "JSON"),
        (b"[" * 60_000, "JSON"),
        (b'{"id": NaN}', "id"),
        ([], "object"),
        (answer(test="other"), "test: these are answers to another test"),
        (answer(trial="t9"), "trial: 't9' is no trial"),
        (answer(trial="t0"), "trial: 't0' is no trial of this test that counts"),
        (answer(ratings={}), "ratings: 't1s0' has none"),
        (answer(ratings=answer()["ratings"] | {"x\n": 1}), "is no sound of this trial"),
        (answer(ratings=answer()["ratings"] | {"t1s0": 100.5}), "not within 0 to 100"),
        (answer(ratings=answer()["ratings"] | {"t1s0": True}), "valid number"),
        (answer(ratings=answer()["ratings"] | {"t1s0": float("nan")}), "ratings.t1s0"),
        (answer(listener="Jane Doe"), "listener"),
        (answer(id="short"), "id"),
        (answer(seconds=-1), "seconds"),
        (answer(place=1.5), "place"),
        (answer(name="Jane"), "name: Extra inputs"),
        (answer(correct=True), "only an ABX test"),
    ],
)
def test_what_does_not_fit_the_key_is_refused_with_a_reason(
    tmp_path: Path, keys: dict[Method, Key], spoilt: object, words: str
) -> None:
    status, said = _keep(tmp_path / "answers.jsonl", keys["mushra"], spoilt)
    assert status == 400
    assert words in said
    assert (tmp_path / "answers.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("abx", {"ratings": {}, "chosen": "t1s1", "correct": False}, 200),
        ("abx", {"ratings": {}, "chosen": "t1s1"}, 400),
        ("abx", {"ratings": {}, "chosen": "t1s9", "correct": True}, 400),
        ("abx", {"ratings": {"t1s0": 1}, "chosen": "t1s1", "correct": True}, 400),
        ("mos", {"ratings": {"t1s0": 5}}, 200),
        ("mos", {"ratings": {"t1s0": 0}}, 400),
    ],
)
def test_each_method_has_answers_of_its_own(
    tmp_path: Path, keys: dict[Method, Key], method: Method, fields: dict[str, Any], status: int
) -> None:
    given = answer(test=f"test-{method}", **fields)
    assert _keep(tmp_path / "answers.jsonl", keys[method], given)[0] == status


def test_a_torn_line_is_cut_off_and_others_stay(tmp_path: Path, keys: dict[Method, Key]) -> None:
    path = tmp_path / "answers.jsonl"
    _keep(path, keys["mushra"], answer(1))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-20])
    _keep(path, keys["mushra"], answer(2))
    assert path.read_bytes().startswith(whole)
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [
        "answer-0001",
        "answer-0002",
    ]


@pytest.mark.parametrize("content", ["my thesis\n", "my thesis", '{"id": 1}\n', "[]\n", "\n"])
def test_a_file_of_something_else_is_left_alone(
    tmp_path: Path, keys: dict[Method, Key], content: str
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"line( 1)?: no answer to a listening test; name another"):
        _keep(path, keys["mushra"], answer())
    assert path.read_text() == content


def test_answers_to_another_test_and_a_second_writer_are_refused(
    tmp_path: Path, keys: dict[Method, Key]
) -> None:
    path = tmp_path / "answers.jsonl"
    _keep(path, keys["mushra"], answer())
    with pytest.raises(UsageError, match="an answer to another test"):
        _keep(path, keys["mos"], answer())
    with (
        collecting(path, keys["mushra"]),
        pytest.raises(UsageError, match="another server is writing"),
    ):
        _keep(path, keys["mushra"], answer())
    with pytest.raises(OutputError, match="a folder"):
        _keep(tmp_path, keys["mushra"], answer())
    assert sorted(one.name for one in tmp_path.iterdir()) == ["answers.jsonl"]


def test_the_disk_is_bounded(
    tmp_path: Path, keys: dict[Method, Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "answers.jsonl"
    monkeypatch.setattr(module, "MAX_ANSWERS_PER_TRIAL", 1)
    with collecting(path, keys["mushra"]) as file:
        # Two trials, so two answers of one listener.
        said = [file.keep(json.dumps(answer(7 * number)).encode()) for number in range(3)]
        assert [reply.status for reply in said] == [200, 200, 400]
        monkeypatch.setattr(module, "MAX_FILE_BYTES", path.stat().st_size + 10)
        assert file.keep(json.dumps(answer(1)).encode()).status == 507
        path.unlink()
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 10**6)
        assert file.keep(json.dumps(answer(2)).encode()).status == 503


def test_a_line_that_only_half_fits_the_disk_leaves_nothing(
    tmp_path: Path, keys: dict[Method, Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "answers.jsonl"
    write = module.os.write
    with collecting(path, keys["mushra"]) as file:
        assert file.keep(json.dumps(answer(1)).encode()).status == 200
        whole = path.read_bytes()
        monkeypatch.setattr(module.os, "write", lambda to, line: write(to, line[:40]))
        assert file.keep(json.dumps(answer(2)).encode()).status == 503
        assert path.read_bytes() == whole
        monkeypatch.undo()
        assert file.keep(json.dumps(answer(2)).encode()).status == 200
    assert len(path.read_text().splitlines()) == 2
