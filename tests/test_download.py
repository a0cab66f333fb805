"""A download from servers that are busy, break off or are wrong. See also test_corpus.py."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from snac_eval import download
from snac_eval.errors import DownloadError
from tests.file_server import serve

BODY = bytes(range(256)) * 40
SHA256 = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A folder with one file."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.zip").write_bytes(BODY)
    return tmp_path / "served"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were to be waited; nothing waits."""
    waited: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waited.append)
    return waited


def fetch(url: str, folder: Path, known_hash: str | None = SHA256) -> bytes:
    file = download.fetch(f"{url}/a.zip", known_hash, folder, False, "do without", backoff_s=2)
    assert [path.name for path in folder.iterdir()] == ["a.zip"]
    return file.read_bytes()


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_an_intact_file_is_fetched_once(served: Path, tmp_path: Path, algorithm: str) -> None:
    known = f"{algorithm}:{hashlib.new(algorithm, BODY).hexdigest()}"
    with serve(served) as (url, asked):
        assert fetch(url, tmp_path / "to", known) == BODY
        assert fetch(url, tmp_path / "to", known) == BODY
        assert asked == [""]
        (tmp_path / "to" / "a.zip").write_bytes(b"spoilt")
        assert fetch(url, tmp_path / "to", known) == BODY
    assert asked == ["", ""]


def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    served: Path, tmp_path: Path, waits: list[float]
) -> None:
    with serve(served, refusals=(503, 500, 502, 504)) as (url, asked):
        assert fetch(url, tmp_path / "to") == BODY
    assert len(asked) == 5
    assert waits == [2, 4, 8]


@pytest.mark.parametrize(("told", "waited"), [("7", 7), ("100000", 60)])
def test_a_server_says_how_long_to_wait_up_to_a_minute(
    served: Path, tmp_path: Path, waits: list[float], told: str, waited: float
) -> None:
    with serve(served, refusals=(429,), headers={"Retry-After": told}) as (url, asked):
        assert fetch(url, tmp_path / "to") == BODY
    assert len(asked) == 2
    assert waits == [waited]


@pytest.mark.parametrize(("status", "tries"), [(503, 5), (429, 5), (404, 1), (403, 1)])
def test_a_server_that_never_gives_it_is_one_line(
    served: Path, tmp_path: Path, waits: list[float], status: int, tries: int
) -> None:
    with (
        serve(served, refusals=(status,) * 20) as (url, asked),
        pytest.raises(DownloadError) as caught,
    ):
        fetch(url, tmp_path / "to")
    assert len(asked) == tries
    start, _, rest = str(caught.value).partition(f"the server answers {status}")
    assert start == f"{url}/a.zip: cannot be downloaded ("
    assert rest.endswith("); try again to go on, or do without")
    assert "\n" not in rest


def test_a_download_goes_on_where_it_broke_off_though_the_server_was_busy(
    served: Path, tmp_path: Path, waits: list[float]
) -> None:
    with serve(served, cut_first_at=1000) as (url, _), pytest.raises(DownloadError) as caught:
        fetch(url, tmp_path / "to")
    assert f"the connection ended after 1000 of {len(BODY)} bytes" in str(caught.value)
    assert (tmp_path / "to" / "a.zip.part").read_bytes() == BODY[:1000]
    with serve(served, refusals=(503,)) as (url, asked):
        assert fetch(url, tmp_path / "to") == BODY
    assert asked == ["bytes=1000-"] * 2


def test_without_a_digest_nothing_goes_on_where_another_stopped(
    served: Path, tmp_path: Path
) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a.zip.part").write_bytes(b"of another file")
    with serve(served) as (url, asked):
        assert fetch(url, tmp_path / "to", None) == BODY
    assert asked == [""]


def test_a_wrong_digest_keeps_nothing(served: Path, tmp_path: Path) -> None:
    with (
        serve(served) as (url, _),
        pytest.raises(DownloadError, match="checksum differs") as caught,
    ):
        fetch(url, tmp_path / "to", "sha256:00")
    assert str(caught.value).endswith("nothing was kept, try again or do without")
    assert list((tmp_path / "to").iterdir()) == []


def test_a_server_that_sends_next_to_nothing_is_given_up(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAC_EVAL_NETWORK_TIMEOUT", "0.3")
    with serve(served, drip_s=0.02) as (url, _), pytest.raises(DownloadError) as caught:
        fetch(url, tmp_path / "to")
    assert "bytes came in 0.3 s" in str(caught.value)
    kept = (tmp_path / "to" / "a.zip.part").read_bytes()
    assert kept
    assert BODY.startswith(kept)


def test_a_server_that_never_ends_its_headers_is_given_up(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAC_EVAL_NETWORK_TIMEOUT", "0.1")
    with (
        serve(served, drip_s=0.05, drip_headers=True) as (url, _),
        pytest.raises(DownloadError, match=r"only 0 bytes came in 0\.5 s"),
    ):
        fetch(url, tmp_path / "to")


def _bomb(path: Path, size: int) -> None:
    """A small archive of one file of zeros."""
    if path.suffix == ".zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made,
            made.open("a/b", "w") as file,
        ):
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
        return
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo("a/b")
        info.size = size
        tar.addfile(info, io.BufferedReader(_Zeros(size)))


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        count = min(self._left, len(buffer))
        buffer[:count] = bytes(count)
        self._left -= count
        return count


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(download, "_SMALL", 1 << 20)
    archive = tmp_path / f"bomb{suffix}"
    _bomb(archive, 8 << 20)
    assert archive.stat().st_size < 100_000
    with pytest.raises(DownloadError, match=r"unpacks to more than .*, far more than its size"):
        download.unpack(archive, tmp_path / "to" / "a", "a")
    assert list((tmp_path / "to").iterdir()) == []


def test_an_archive_that_breaks_its_reader_is_damaged(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("?", b"")
    archive.write_bytes(archive.read_bytes().replace(b"?", b"\0"))  # zipfile reads an empty name
    with pytest.raises(DownloadError, match=r"cannot be unpacked .*; it was removed"):
        download.unpack(archive, tmp_path / "to" / "a", "a")
    assert not archive.exists()


def test_an_archive_of_countless_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_MOST_MEMBERS", 10)
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for index in range(11):
            made.writestr(f"a/{index}", b"")
    with pytest.raises(DownloadError, match="holds more than 10 files"):
        download.unpack(archive, tmp_path / "to" / "a", "a")


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    archive = tmp_path / "good.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a/b", b"content")
    left, other = (tmp_path / "to" / f".unpacking-{name}-xyz" for name in ("a", "b"))
    for folder in (left, other):
        (folder / "content").mkdir(parents=True)
    download.unpack(archive, tmp_path / "to" / "a", "a")
    assert not left.exists()
    assert other.exists()  # of another archive, which another process may be at
    assert (tmp_path / "to" / "a" / "b").read_bytes() == b"content"
