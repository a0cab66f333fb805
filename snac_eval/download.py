"""Download an archive, go on where a download stopped, check it, and unpack it safely."""

from __future__ import annotations

import hashlib
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from snac_eval.errors import DownloadError, detail
from snac_eval.reading.names import user_path

if TYPE_CHECKING:
    import requests
    import urllib3

_CHUNK = 1 << 20
_TIMEOUT_S = 30
_REPETITIONS = 4
_LONGEST_WAIT_S = 60.0  # a server may ask for hours
_BUSY = (429, 500, 502, 503, 504)
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # an encrypted member
    ValueError,
)


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
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as temporary:
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
        except _DAMAGED as error:
            raise _damaged(archive, error) from error
    return folder


def _damaged(archive: Path, error: Exception) -> DownloadError:
    archive.unlink(missing_ok=True)
    return DownloadError(
        f"{archive}: cannot be unpacked ({detail(error)}); it was removed, run again to download"
        " it anew"
    )


def _extract(archive: Path, folder: Path) -> None:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                _refuse_escape(member)
            file.extractall(folder)
    elif archive.suffix.lower() == ".zip":
        raise zipfile.BadZipFile("it is no complete zip file")
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")  # PEP 706: refuses what lands outside
            # The compressor's own checksum comes after the last member.
            while tar.fileobj is not None and tar.fileobj.read(_CHUNK):
                pass


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
    with (
        _session(backoff_s) as session,
        session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response,
    ):
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
    with bar, part.open("ab" if have else "wb") as file:
        try:
            # read1 gives what has arrived: where the connection breaks, none of it is lost.
            while chunk := response.raw.read1(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        except ProtocolError as error:
            broken = error
    there = part.stat().st_size
    if broken or there < have + left:
        whole = f" of {have + left}" if left else ""
        raise OSError(f"the connection ended after {there}{whole} bytes") from broken
