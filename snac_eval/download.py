"""Download an archive, go on where a download stopped, check it, and unpack it safely.

pooch picks the place, checks the digest and reports progress; it does not resume, so it is given
a downloader that does: what has arrived is kept in a ``.part`` file and asked for no second time.
"""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from snac_eval.errors import DownloadError

_CHUNK = 1 << 20
_TIMEOUT_S = 30
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
    """Where corpora are kept: ``SNAC_EVAL_CACHE``, else the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("SNAC_EVAL_CACHE")
    return Path(chosen) if chosen else user_cache_path("snac-eval")


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

    Zenodo's ``.../files/NAME/content`` counts as NAME.
    """

    path = url.partition("?")[0].removesuffix("/content")
    return path.rpartition("/")[2]


def fetch(
    url: str, known_hash: str | None, folder: Path, show_progress: bool, ways_out: str
) -> Path:
    """The file at ``url`` in ``folder``, downloaded unless it is there already and intact.

    ``known_hash`` is ``md5:...``, ``sha1:...`` or ``sha256:...``; None: nobody published one, so
    nothing is resumed. Raises DownloadError, ending with ``ways_out``, when the file cannot be had
    or is not what was expected; a damaged download is removed, an unfinished one kept for the next
    attempt.
    """
    import pooch
    import requests
    import urllib3

    name = archive_name(url)
    part = folder / f"{name}.part"

    def download(url: str, output_file: Any, _: Any) -> None:  # noqa: ANN401 - pooch's protocol
        if known_hash is None:
            part.unlink(missing_ok=True)
        _download_rest(url, part, show_progress)
        shutil.move(part, output_file)

    pooch.get_logger().setLevel("ERROR")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(pooch.retrieve(url, known_hash, name, folder, downloader=download))
    # First: some of requests' own exceptions are ValueErrors too.
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        detail = " ".join(str(error).split())[:200]
        raise DownloadError(
            f"{url}: cannot be downloaded ({detail}); try again to go on, or {ways_out}"
        ) from error
    except ValueError as error:
        (folder / name).unlink(missing_ok=True)
        raise DownloadError(
            f"{url}: checksum differs from the published {known_hash}; nothing was kept, try again"
            f" or {ways_out}"
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
    detail = " ".join(str(error).split())[:200] or type(error).__name__
    return DownloadError(
        f"{archive}: cannot be unpacked ({detail}); it was removed, run again to download it anew"
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


def _download_rest(url: str, part: Path, show_progress: bool) -> None:
    import requests
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # the bytes that the checksum is of
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it had arrived; the checksum decides
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        have = have if resumed else 0
        left = int(response.headers.get("Content-Length", 0))
        bar = tqdm(
            total=have + left or None,
            initial=have,
            unit="B",
            unit_scale=True,
            desc=part.stem,
            disable=not show_progress,
        )
        with bar, part.open("ab" if resumed else "wb") as file:
            # read1 gives what has arrived: where the connection breaks, none of it is lost.
            while chunk := response.raw.read1(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        if left and part.stat().st_size < have + left:
            raise OSError(
                f"the connection ended after {part.stat().st_size} of {have + left} bytes"
            )
