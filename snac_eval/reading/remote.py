"""Files that lie elsewhere, through fsspec: listed, fetched, told apart by what their stores say.

A file is fetched whole into a temporary one that has no name, so that every decoder reads it as it
reads any other and memory stays what it is. Packages for a protocol (``s3fs``, ``gcsfs``, for the
web ``aiohttp``) are the user's to install, and credentials are found as those packages find them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from io import FileIO
from typing import TYPE_CHECKING, Any, TypeVar

from snac_eval.errors import DatasetError, UsageError, detail
from snac_eval.locations import Url

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_Got = TypeVar("_Got")
_CHUNK = 1 << 20
_PAUSES_S = (0.5, 2.0)
_LARGEST_TEXT = 1 << 30
# What a store says of a file that changes when its content does.
_STAMPS = (
    *("ETag", "etag", "md5Hash", "blob_id", "mtime", "LastModified", "Last-Modified"),
    *("last_modified", "last_commit", "created"),
)
_FINAL = (
    *(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError),
    *(UsageError, ImportError, ValueError),
)
"""Errors that another attempt does not mend."""
_NOT_FOUND, _DENIED = 404, (401, 403)


@contextmanager
def fetched(url: Url) -> Iterator[FileIO]:
    """The file's content, in a temporary file that goes with the block. Raises OSError and whatever
    the protocol's package raises."""
    system, path = _system(url)
    with tempfile.TemporaryFile(buffering=0) as file:

        def fetch() -> None:
            file.seek(0)
            file.truncate()
            with system.open(path, "rb") as source:
                while chunk := source.read(_CHUNK):
                    file.write(chunk)

        _tried(fetch)
        file.seek(0)
        yield file


def text_of(url: Url) -> bytes:
    """The content of a list. Raises DatasetError."""
    try:
        with fetched(url) as file:
            return file.read(_LARGEST_TEXT)
    except Exception as error:
        raise DatasetError(f"{url}: cannot be read: {why(error)}") from error


def stamp_of(url: Url) -> str:
    """What changes with the file's content; empty where its store says nothing, or nothing now."""
    if url.stamp:
        return url.stamp
    try:
        system, path = _system(url)
        return _stamp(system.info(path))
    except Exception:  # noqa: BLE001 - whoever reads it says why it cannot be read
        return ""


def listed(folder: Url) -> dict[str, Url]:
    """Every file below a folder by its path there, with its stamp. Raises UsageError for a protocol
    that cannot be spoken here, DatasetError where there is no such folder or no way to it."""
    system, path = _system(folder)

    def find() -> Mapping[str, Mapping[str, Any]]:
        system.ls(path, detail=False)  # which says what find passes over: nobody there, no access
        found: Mapping[str, Mapping[str, Any]] = system.find(path, detail=True)
        return found

    try:
        found = _tried(find)
    except Exception as error:
        raise DatasetError(f"{folder}: cannot be listed: {why(error)}") from error
    root = str(path).rstrip("/") + "/"
    below = {}
    for name, info in sorted(found.items()):
        if name.startswith(root):
            relative = name.removeprefix(root)
            below[relative] = Url(f"{folder.full.rstrip('/')}/{relative}", _stamp(info))
    return below


def why(error: Exception) -> str:
    """What went wrong, for people, without passwords and tokens."""
    root, status = _root(error), _status(error)
    if isinstance(root, FileNotFoundError) or status == _NOT_FOUND:
        return "there is no such file or folder"
    kind = type(root).__name__
    if isinstance(root, PermissionError) or status in _DENIED or "Credentials" in kind:
        return f"access denied, {kind}: {detail(root)}; where are the credentials?"
    return f"{kind}: {detail(root)}"


def _tried(act: Callable[[], _Got]) -> _Got:
    """What ``act`` gives at the first attempt or after a pause: networks stumble."""
    for pause_s in _PAUSES_S:
        try:
            return act()
        except Exception as error:
            if isinstance(_root(error), _FINAL) or _status(error) in (_NOT_FOUND, *_DENIED):
                raise
            time.sleep(pause_s)
    return act()


def _root(error: Exception) -> BaseException:
    """Over the web, whatever goes wrong is called a missing file; the cause says what it was."""
    is_missing = isinstance(error, FileNotFoundError)
    return error.__cause__ if is_missing and error.__cause__ is not None else error


def _status(error: Exception) -> int:
    """What a web server answered; 0 where it is not that."""
    status = getattr(_root(error), "status", 0)
    return status if isinstance(status, int) else 0


def _system(url: Url) -> tuple[AbstractFileSystem, str]:
    """Who serves this address, and as what path. Raises UsageError where nobody here does."""
    if "::" in url.full:
        raise UsageError(f"{url}: addresses within addresses (::) are not read; unpack it first")
    try:
        return _opened(url.full)
    except ImportError as error:
        raise UsageError(_lacking(url, error)) from error
    except ValueError as error:
        raise UsageError(f"{url}: {detail(error)}; use s3://, gs://, hf:// or https://") from error


@lru_cache(maxsize=256)
def _opened(full: str) -> tuple[AbstractFileSystem, str]:
    from fsspec.core import url_to_fs

    system, path = url_to_fs(full)
    return system, str(path)


def _lacking(url: Url, error: ImportError) -> str:
    from fsspec.registry import known_implementations

    known = known_implementations.get(url.scheme, {}).get("class", "").partition(".")[0]
    package = {"fsspec": "aiohttp" if url.scheme in ("http", "https") else ""}.get(known, known)
    install = f"pip install {package}" if package else "install what it names"
    return f"{url}: {url.scheme}:// needs a package ({detail(error)}); {install}"


def _stamp(info: Mapping[str, Any]) -> str:
    said = [f"{key}={info[key]}" for key in _STAMPS if info.get(key)]
    return f"{info.get('size')} {' '.join(said)}" if said else ""
