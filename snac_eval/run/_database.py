"""A SQLite file whose reader needs no writable folder and whose errors are one clear line."""

from __future__ import annotations

import math
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from snac_eval.errors import OutputError, StoreError

# What has nothing to do with what the file holds.
_OF_THE_PLACE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


class Database:
    """One file, open for one process. ``execute`` and ``executemany`` are those of sqlite3."""

    def __init__(self, path: Path, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._release = ExitStack()
        with self.errors():
            self.connection = _connect_to_read(path, self._release) if read_only else _connect(path)
        self.execute = self.connection.execute
        self.executemany = self.connection.executemany

    def close(self) -> None:
        """Close the file. The last writer leaves it in one piece, to be read where nothing can be
        written."""
        if not self.read_only:
            # Somebody may be reading: its log stays beside it then.
            with suppress(sqlite3.Error):
                self.connection.execute("PRAGMA journal_mode=DELETE")
        self.connection.close()
        self._release.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done within is kept, or nothing. One within another is a part of that."""
        is_within = self.connection.in_transaction
        if is_within:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise OutputError for what the place is to blame for, StoreError for what the file is."""
        try:
            yield
        except (sqlite3.Error, ValueError, OverflowError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_PLACE:
                raise OutputError(
                    f"{self.path}: cannot be read or written ({error}); another run may hold it,"
                    " the folder may be read-only or the disk full"
                ) from error
            raise StoreError(damaged(self.path, error)) from error


def damaged(path: Path, error: object) -> str:
    """What is wrong with a store's file, and what to do."""
    return f"{path}: damaged store ({error}); move it away, or start anew with --overwrite"


def real(value: float | None) -> float | None:
    """As SQLite gives it back: NULL for NaN, and no negative zero."""
    return None if value is None or math.isnan(value) else float(value) + 0.0


def checksum(*said: object, blob: object = b"") -> int:
    """CRC-32 of a row: a flipped bit anywhere in it changes this."""
    if not isinstance(blob, bytes):  # a flipped bit can make text of it
        return checksum(*said, blob)
    return zlib.crc32(blob, zlib.crc32(repr(said).encode("utf-8", "backslashreplace")))


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    db.text_factory = _text
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    return db


def _connect_to_read(path: Path, release: ExitStack) -> sqlite3.Connection:
    """A connection that writes nothing, whether or not the folder could be written."""
    try:
        return _opened(path, "mode=ro")
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if not log.is_file() or not log.stat().st_size:
            return _opened(path, "immutable=1")
    # A killed run left a log, which must be worked in to be read.
    copy = Path(release.enter_context(tempfile.TemporaryDirectory(prefix="snac-eval-")))
    for one in (path, log):
        shutil.copyfile(one, copy / one.name)
    return _opened(copy / path.name, "mode=rw")


def _opened(path: Path, how: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.resolve().as_uri()}?{how}", uri=True, isolation_level=None, timeout=5.0
    )
    try:
        db.text_factory = _text
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _text(data: bytes) -> str:
    # A flipped bit may be no UTF-8; the row's checksum says so.
    return data.decode("utf-8", "replace")
