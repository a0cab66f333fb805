"""Download an archive, go on where a download stopped, check it, and unpack it safely.

A server that hardly sends anything is given up: less than 1 KiB a second over
``SNAC_EVAL_NETWORK_TIMEOUT`` seconds (60). An archive may not unpack to more than 50 times its size
or 1 GiB, whichever is more, nor to more than 5 million files.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from snac_eval.errors import DownloadError, UsageError, detail
from snac_eval.reading.names import user_path

if TYPE_CHECKING:
    import requests
    import urllib3

_T = TypeVar("_T")

_CHUNK = 1 << 20
_SLOWEST = 1024
"""Bytes a second, below which a download is given up."""
_LARGEST_RATIO = 50
_SMALL = 1 << 30
_MOST_MEMBERS = 5_000_000
_TIMEOUT_S = 30
_REPETITIONS = 4
_LONGEST_WAIT_S = 60.0  # a server may ask for hours
_BUSY = (429, 500, 502, 503, 504)


def cache_dir() -> Path:
    """Where corpora are kept: ``SNAC_EVAL_CACHE``, else the user's cache folder.

    Raises DownloadError where the user has none.
    """
    from platformdirs import user_cache_path

    chosen = os.environ.get("SNAC_EVAL_CACHE")
    if chosen:
        return user_path(chosen)
    try:
        folder = user_cache_path("snac-eval")
    except RuntimeError:
        folder = Path("~")
    if not folder.is_absolute():  # as older platformdirs leave it
        raise DownloadError("no home folder to keep data in; set SNAC_EVAL_CACHE to a folder")
    return folder


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold the lock ``name`` of the cache: two processes never write one download together.

    Raises DownloadError where the cache cannot be written.
    """
    from filelock import FileLock

    folder = cache_dir() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock")
        lock.acquire()
    except OSError as error:
        raise DownloadError(
            f"{folder}: cannot be written ({error.strerror}); set SNAC_EVAL_CACHE to a folder"
            " that can"
        ) from error
    try:
        yield
    finally:
        lock.release()


def network_timeout_s() -> float:
    """``SNAC_EVAL_NETWORK_TIMEOUT``: seconds for which a server may send next to nothing (60).

    Raises UsageError where that is no number above zero.
    """
    given = os.environ.get("SNAC_EVAL_NETWORK_TIMEOUT") or "60"
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise UsageError(f"SNAC_EVAL_NETWORK_TIMEOUT is '{given}'; give seconds, such as 60")
    return seconds


class Pace:
    """Watches that something arrives."""

    def __init__(self, limit_s: float, so_far: int = 0) -> None:
        self._limit_s, self._before, self._since = limit_s, so_far, time.monotonic()

    def check(self, so_far: int) -> None:
        """Raise TimeoutError where less than 1 KiB a second came in the last ``limit_s``."""
        now = time.monotonic()
        if now - self._since < self._limit_s:
            return
        if (came := so_far - self._before) < _SLOWEST * self._limit_s:
            raise TimeoutError(
                f"only {came} bytes came in {self._limit_s:g} s, which"
                " SNAC_EVAL_NETWORK_TIMEOUT can change"
            )
        self._before, self._since = so_far, now


def while_it_arrives(work: Callable[[], _T], limit_s: float, size: Callable[[], int]) -> _T:
    """What ``work`` gives, where another library does it and waits as long as it likes.

    Raises TimeoutError where ``size`` grows too slowly; the work is then left to itself.
    """
    done: list[_T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    pace = Pace(limit_s, size())
    thread.join(0.01)
    while thread.is_alive():
        pace.check(size())
        thread.join(min(0.1, limit_s / 10))
    if failed:
        raise failed[0]
    return done[0]


def archive_name(url: str) -> str:
    """File name of an address, without its query: ``musdb18hq.zip`` of ``.../musdb18hq.zip?x=1``.

    It is NAME for Zenodo's ``.../files/NAME/content``.
    """
    path = url.partition("?")[0].removesuffix("/content")
    return path.rpartition("/")[2]


def fetch(
    url: str,
    known_hash: str | None,
    folder: Path,
    show_progress: bool,
    ways_out: str,
    backoff_s: float = 2.0,
) -> Path:
    """The file at ``url`` in ``folder``, downloaded unless it is there already and intact.

    A download that broke off goes on where it stopped: what has arrived is kept in a ``.part``
    file. A server that is busy or broken for a moment is asked again a few times.

    Args:
        url: address of the file, whose name it keeps.
        known_hash: ``md5:...``, ``sha1:...`` or ``sha256:...``; None: nobody published one, so that
            no download goes on where another stopped.
        folder: made if need be.
        show_progress: draw a bar of the bytes.
        ways_out: what the user can do instead, as the end of an error message.
        backoff_s: seconds before the second repetition; each further one waits twice as long.

    Raises:
        DownloadError: the file cannot be had, or is not what was expected. What does not match its
            checksum is removed; what is unfinished is kept for the next attempt.
    """
    import requests
    import urllib3

    file = folder / archive_name(url)
    part = folder / f"{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if file.is_file() and _matches(file, known_hash):
            return file
        if known_hash is None:
            part.unlink(missing_ok=True)
        _download_rest(url, part, show_progress, backoff_s)
        if not _matches(part, known_hash):
            part.unlink()
            raise DownloadError(
                f"{url}: checksum differs from the published {known_hash}; nothing was kept, try"
                f" again or {ways_out}"
            )
        return part.replace(file)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise DownloadError(
            f"{url}: cannot be downloaded ({detail(error)}); try again to go on, or {ways_out}"
        ) from error


def unpack(archive: Path, folder: Path, inner: str) -> Path:
    """Unpack a tar or zip archive and move its folder ``inner`` to ``folder``, whole or not at all.

    ``inner`` may be ``.``: the archive has no folder of its own. Raises DownloadError for a damaged
    archive or one whose members would land outside; such an archive is removed, for no later run
    could use it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".unpacking-{folder.name}-"
    # What a killed process left: the caller holds the lock of this archive.
    for left in folder.parent.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as temporary:
        content = Path(temporary) / "content"
        content.mkdir()
        try:
            _extract(archive, content)
            if not (content / inner).is_dir():
                raise tarfile.TarError(f"it holds no folder {inner}")
            (content / inner).replace(folder)
        except OSError as error:
            if error.errno is None:  # what gzip and bz2 raise for damaged data
                raise _damaged(archive, error) from error
            raise DownloadError(
                f"{archive}: cannot be unpacked to {folder} ({error.strerror}); mend that and run"
                " again"
            ) from error
        except Exception as error:  # what tarfile and zipfile make of damage, they raise
            raise _damaged(archive, error) from error
    return folder


def _damaged(archive: Path, error: Exception) -> DownloadError:
    archive.unlink(missing_ok=True)
    return DownloadError(
        f"{archive}: cannot be unpacked ({detail(error)}); it was removed, run again to download"
        " it anew"
    )


class _Budget:
    """What an archive may unpack to. Raises TarError beyond."""

    def __init__(self, archive: Path) -> None:
        self._left = max(_SMALL, _LARGEST_RATIO * archive.stat().st_size)
        self._limit, self._members = self._left, 0

    def take(self, size: int) -> None:
        """Count one more member of so many bytes."""
        self._left -= size
        self._members += 1
        if self._left < 0 or size < 0:
            limit = f"{self._limit / 2**30:.1f} GiB"
            raise tarfile.TarError(f"it unpacks to more than {limit}, far more than its size says")
        if self._members > _MOST_MEMBERS:
            raise tarfile.TarError(f"it holds more than {_MOST_MEMBERS} files")


def _extract(archive: Path, folder: Path) -> None:
    budget = _Budget(archive)

    def allowed(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        budget.take(member.size)
        return tarfile.data_filter(member, path)  # PEP 706: refuses what lands outside

    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                _refuse_escape(member)
                budget.take(member.file_size)
            file.extractall(folder)
    elif archive.suffix.lower() == ".zip":
        raise zipfile.BadZipFile("it is no complete zip file")
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter=allowed)
            # The compressor's own checksum comes after the last member.
            while tar.fileobj is not None and (rest := tar.fileobj.read(_CHUNK)):
                budget.take(len(rest))


def _refuse_escape(member: zipfile.ZipInfo) -> None:
    # zipfile would quietly drop "..": an archive that tries it is not the one that we know.
    name = member.filename.replace("\\", "/")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts[0] if path.parts else ""):
        raise zipfile.BadZipFile(f"member {member.filename!r} would land outside")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise zipfile.BadZipFile(f"member {member.filename!r} is a link")


def _matches(file: Path, known_hash: str | None) -> bool:
    """Whether the file has this digest; True where none is known."""
    if known_hash is None:
        return True
    algorithm, _, digest = known_hash.partition(":")
    with file.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest() == digest.lower()


def _download_rest(url: str, part: Path, show_progress: bool, backoff_s: float) -> None:
    """Append to ``part`` what it lacks; an empty or missing one gets all."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # the bytes that the checksum is of
    if have:
        headers["Range"] = f"bytes={have}-"

    def ask() -> requests.Response:
        return session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S)

    # The time that all repetitions may take: a server may send its headers byte by byte too.
    limit_s = (1 + _REPETITIONS) * network_timeout_s()
    with _session(backoff_s) as session, while_it_arrives(ask, limit_s, lambda: 0) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it had arrived; the checksum decides
        if not response.ok:
            raise OSError(f"the server answers {response.status_code} {response.reason}")
        resumed = response.status_code == requests.codes.partial_content
        _save(response, part, have if resumed else 0, show_progress)


def _session(backoff_s: float) -> requests.Session:
    """A session that asks again, few times and in minutes at most, where that may help."""
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=_retry(backoff_s)))
    return session


def _retry(backoff_s: float) -> urllib3.Retry:
    import urllib3

    class Retry(urllib3.Retry):
        def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, _LONGEST_WAIT_S)

    return Retry(
        total=_REPETITIONS,
        connect=1,
        status_forcelist=_BUSY,
        # urllib3 doubles from the first repetition on, before which it does not wait.
        backoff_factor=backoff_s / 2,
        raise_on_status=False,
    )


def _save(response: requests.Response, part: Path, have: int, show_progress: bool) -> None:
    """Write what comes behind the ``have`` bytes that are there. Raises OSError where it stops."""
    from tqdm import tqdm
    from urllib3.exceptions import ProtocolError

    left = int(response.headers.get("Content-Length", 0))
    bar = tqdm(
        total=have + left or None,
        initial=have,
        unit="B",
        unit_scale=True,
        desc=part.stem,
        disable=not show_progress,
    )
    broken: ProtocolError | None = None
    arrived, pace = 0, Pace(network_timeout_s())
    with bar, part.open("ab" if have else "wb") as file:
        try:
            # read1 gives what has arrived: where the connection breaks, none of it is lost.
            while chunk := response.raw.read1(_CHUNK):
                file.write(chunk)
                arrived += len(chunk)
                bar.update(len(chunk))
                pace.check(arrived)
        except ProtocolError as error:
            broken = error
    there = part.stat().st_size
    if broken or there < have + left:
        whole = f" of {have + left}" if left else ""
        raise OSError(f"the connection ended after {there}{whole} bytes") from broken
