"""A download from servers that are busy, break off or are wrong. See also test_corpus.py."""

from __future__ import annotations

import hashlib
from pathlib import Path

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
