"""Where a run's codes and scores live: one SQLite file, keyed by content.

``reconstructions`` has a row for each :class:`ReconstructionKey`, its parts in columns, with codes
and timings where a codec made it. ``scores`` has a row for each reconstruction and row of
``metrics``, which holds what else a score depends on: the metric's fingerprint. A run that starts
again finds what is there and computes the rest. All that is put at once is one transaction, so that
a killed run loses the clips in hand and nothing else.

``meta`` holds the schema's version. What the run is of stands in ``manifest.json``.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from sys import intern
from types import TracebackType

from snac_eval.codecs.packing import pack, unpack
from snac_eval.errors import CodecError, OutputError, StoreError
from snac_eval.types import Codes, Score, Timing

FILE_NAME = "store.sqlite"
_SCHEMA_VERSION = "4"
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT OR IGNORE INTO meta VALUES ('schema', '{_SCHEMA_VERSION}');
CREATE TABLE IF NOT EXISTS reconstructions (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    codec TEXT NOT NULL, clip TEXT NOT NULL, seed INTEGER NOT NULL, device TEXT NOT NULL,
    identity TEXT NOT NULL, codes BLOB, encode_s REAL, decode_s REAL
);
CREATE TABLE IF NOT EXISTS metrics (
    number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS scores (
    reconstruction INTEGER NOT NULL REFERENCES reconstructions (number),
    metric INTEGER NOT NULL REFERENCES metrics (number),
    value REAL, status TEXT NOT NULL, reason TEXT NOT NULL, detail BLOB NOT NULL,
    PRIMARY KEY (reconstruction, metric)
);
COMMIT;
"""
# One parameter holds all ids, so that their number has no limit. CROSS JOIN keeps their order.
_WANTED = "FROM json_each(?) AS wanted CROSS JOIN reconstructions AS r ON r.id = wanted.value"


@dataclass(frozen=True, slots=True)
class ReconstructionKey:
    """Identity of one clip's reconstruction: equal keys mean equal audio.

    Whoever needs a part of it takes the field. :attr:`id` is not to be taken apart.
    """

    codec: str
    """The fingerprint of the codec or of the source."""
    clip: str
    """The clip's sha256."""
    seed: int = 0
    """The run's seed; 0 where reconstructions are read from files, which draw nothing."""
    device: str = ""
    """Where the codec computed; empty where reconstructions are read from files."""
    identity: str = ""
    """What the source says of the file that it reads; empty for a codec."""

    def __str__(self) -> str:
        """For people, and for the digest that names a run."""
        if not self.device:
            return f"{self.codec}:sha256={self.identity}|{self.clip}"
        return f"{self.codec}|{self.clip}|seed={self.seed}|{self.device}"

    @property
    def id(self) -> str:
        """32 hex digits that stand for the key in files: equal keys, and no others, have equal
        ones."""
        return hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class StoredCodes:
    """Codes of one reconstruction and what making them took."""

    codes: Codes
    timing: Timing


class Store:
    """One run folder's database. Use as a context manager; one writer at a time.

    Raises OutputError where the folder cannot be written, StoreError where the file is damaged,
    locked by another run, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            version = self._version()
            if version is None:
                self._db.executescript(_SCHEMA)
        if version not in (None, _SCHEMA_VERSION):
            self._db.close()
            raise StoreError(
                f"{path}: written by another version of snac-eval (schema {version}, here"
                f" {_SCHEMA_VERSION}); choose another --output or use --overwrite"
            )

    @classmethod
    def open_run(cls, run_dir: Path) -> Store:
        """The store of an existing run. Raises StoreError where there is none."""
        path = run_dir / FILE_NAME
        if not path.is_file():
            raise StoreError(
                f"{run_dir}: no run here (no {FILE_NAME}); give a folder that run wrote"
            )
        return cls(path)

    @classmethod
    def create(cls, run_dir: Path, overwrite: bool) -> Store:
        """The store of a new or continued run."""
        path = run_dir / FILE_NAME
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            if overwrite:
                for old in run_dir.glob(f"{FILE_NAME}*"):
                    old.unlink()
        except OSError as error:
            raise OutputError(f"{run_dir}: cannot write here: {error.strerror}") from error
        return cls(path)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def put(
        self, key: ReconstructionKey, scores: Mapping[str, Score], codes: StoredCodes | None = None
    ) -> None:
        """Keep scores by metric fingerprint, and codes where there are new ones, at once."""
        row = (key.id, *astuple(key))
        metrics = [(fingerprint,) for fingerprint in scores]
        rows = [
            (score.value, score.status, score.reason, score.detail, key.id, fingerprint)
            for fingerprint, score in scores.items()
        ]
        with self._errors(), self._transaction():
            self._db.execute(_INSERT_KEY, row)
            if codes is not None:
                timing = codes.timing
                made = (pack(codes.codes), timing.encode_s, timing.decode_s, key.id)
                self._db.execute(_UPDATE_CODES, made)
            self._db.executemany("INSERT OR IGNORE INTO metrics (fingerprint) VALUES (?)", metrics)
            self._db.executemany(_INSERT_SCORE, rows)

    def scores(self, ids: Iterable[str]) -> dict[str, dict[str, Score]]:
        """Key id to metric fingerprint to score, for those that exist; every id is there."""
        query = (
            f"SELECT r.id, m.fingerprint, s.value, s.status, s.reason, s.detail {_WANTED}"
            " CROSS JOIN scores AS s ON s.reconstruction = r.number"
            " JOIN metrics AS m ON m.number = s.metric"
        )
        found: dict[str, dict[str, Score]] = {one: {} for one in ids}
        with self._errors():
            rows = self._db.execute(query, (json.dumps(list(found)),))
            for one, fingerprint, value, status, reason, detail in rows:
                # Interned: a million scores share a handful of texts.
                score = Score(value, status, intern(reason), detail)
                found[one][intern(fingerprint)] = score
        return found

    def codes(self, ids: Iterable[str]) -> Iterator[tuple[str, StoredCodes]]:
        """Key id, codes and timings of each reconstruction that has any, in the order of ``ids``.

        One clip's codes are in memory at a time.
        """
        query = f"SELECT r.id, r.codes, r.encode_s, r.decode_s {_WANTED} WHERE r.codes IS NOT NULL"
        with self._errors():
            for one, blob, *seconds in self._db.execute(query, (json.dumps(list(ids)),)):
                timing = Timing(*(math.nan if time is None else time for time in seconds))
                yield one, StoredCodes(self._unpacked(blob), timing)

    def get_codes(self, id_: str) -> StoredCodes | None:
        """Codes and timings of one reconstruction, or None where it has none."""
        return next((codes for _, codes in self.codes([id_])), None)

    def keys(self, ids: Iterable[str]) -> dict[str, ReconstructionKey]:
        """Key id to key, for those that exist."""
        query = f"SELECT r.id, r.codec, r.clip, r.seed, r.device, r.identity {_WANTED}"
        with self._errors():
            rows = self._db.execute(query, (json.dumps(list(ids)),))
            return {row[0]: ReconstructionKey(*row[1:]) for row in rows}

    def _meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _version(self) -> str | None:
        """The schema that is there; None in a new file."""
        query = "SELECT 1 FROM sqlite_master WHERE name = 'meta'"
        return self._meta("schema") if self._db.execute(query).fetchone() else None

    def _unpacked(self, blob: bytes) -> Codes:
        try:
            return unpack(blob)
        except CodecError as error:
            raise StoreError(_damaged(self.path, error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(
                f"{self.path}: cannot be read or written ({error}); another run may hold it, the"
                " folder may be read-only or the disk full"
            ) from error
        except (sqlite3.DatabaseError, ValueError) as error:
            raise StoreError(_damaged(self.path, error)) from error


_INSERT_KEY = """
INSERT OR IGNORE INTO reconstructions (id, codec, clip, seed, device, identity)
VALUES (?, ?, ?, ?, ?, ?)
"""
_UPDATE_CODES = "UPDATE reconstructions SET codes = ?, encode_s = ?, decode_s = ? WHERE id = ?"
_INSERT_SCORE = """
INSERT OR REPLACE INTO scores
SELECT r.number, m.number, ?, ?, ?, ? FROM reconstructions AS r, metrics AS m
WHERE r.id = ? AND m.fingerprint = ?
"""


def _damaged(path: Path, error: Exception) -> str:
    return f"{path}: damaged store ({error}); move it away, or start anew with --overwrite"
