"""Where a run's codes and scores live: one SQLite file, keyed by content.

``reconstructions`` holds codes and timings under (codec fingerprint, clip sha256, seed, device);
``scores`` holds one row per reconstruction and metric fingerprint. A run that starts again finds
what is there and computes the rest. Every write is one committed transaction, so a killed run
loses the clip in hand and nothing else.

``meta`` holds the schema's version. What the run is of stands in ``manifest.json``.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from snac_eval.errors import OutputError, StoreError
from snac_eval.types import Codes, Score, Timing

FILE_NAME = "store.sqlite"
_SCHEMA_VERSION = "3"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reconstructions (
    key TEXT PRIMARY KEY, codes BLOB NOT NULL, encode_s REAL, decode_s REAL
);
CREATE TABLE IF NOT EXISTS scores (
    key TEXT NOT NULL, fingerprint TEXT NOT NULL,
    value REAL, status TEXT NOT NULL, reason TEXT NOT NULL, detail BLOB NOT NULL,
    PRIMARY KEY (key, fingerprint)
);
"""


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
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (_SCHEMA_VERSION,))
            version = self._meta("schema")
        if version != _SCHEMA_VERSION:
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

    def put_codes(self, key: str, stored: StoredCodes) -> None:
        """Keep the codes and timings of one reconstruction."""
        timing = stored.timing
        row = (key, _pack(stored.codes), timing.encode_s, timing.decode_s)
        with self._errors():
            self._db.execute("INSERT OR REPLACE INTO reconstructions VALUES (?, ?, ?, ?)", row)

    def get_codes(self, key: str) -> StoredCodes | None:
        """Codes and timings, or None where this reconstruction has not been made."""
        query = "SELECT codes, encode_s, decode_s FROM reconstructions WHERE key = ?"
        with self._errors():
            row = self._db.execute(query, (key,)).fetchone()
        if row is None:
            return None
        nan = float("nan")
        timing = Timing(nan if row[1] is None else row[1], nan if row[2] is None else row[2])
        return StoredCodes(_unpack(row[0], self.path), timing)

    def put_scores(self, key: str, scores: Mapping[str, Score]) -> None:
        """Keep all scores of one reconstruction, by metric fingerprint, in one transaction."""
        rows = [
            (key, fingerprint, score.value, score.status, score.reason, score.detail)
            for fingerprint, score in scores.items()
        ]
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")

    def scores(self, keys: Iterable[str]) -> dict[str, dict[str, Score]]:
        """Reconstruction key to metric fingerprint to score, for those that exist."""
        query = "SELECT fingerprint, value, status, reason, detail FROM scores WHERE key = ?"
        with self._errors():
            return {
                key: {row[0]: Score(*row[1:]) for row in self._db.execute(query, (key,))}
                for key in keys
            }

    def _meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

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


def _damaged(path: Path, error: Exception) -> str:
    return f"{path}: damaged store ({error}); move it away, or start anew with --overwrite"


def _pack(codes: Codes) -> bytes:
    arrays: dict[str, Any] = {f"stream_{i}": stream for i, stream in enumerate(codes.streams)}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        num_samples=np.int64(codes.num_samples),
        codebook_sizes=np.array(codes.codebook_sizes, dtype=np.int64),
        packet_lengths=np.array([len(packet) for packet in codes.packets], dtype=np.int64),
        packets=np.frombuffer(b"".join(codes.packets), dtype=np.uint8),
        packet_bits=np.int64(codes.packet_bits),
        side_info=np.frombuffer(codes.side_info, dtype=np.uint8),
        header=np.frombuffer(codes.header, dtype=np.uint8),
        **arrays,
    )
    return buffer.getvalue()


def _unpack(blob: bytes, path: Path) -> Codes:
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as data:
            sizes = tuple(int(size) for size in data["codebook_sizes"])
            ends = np.cumsum(data["packet_lengths"])
            payload = data["packets"].tobytes()
            starts = [0, *ends[:-1]]
            return Codes(
                num_samples=int(data["num_samples"]),
                streams=tuple(data[f"stream_{i}"] for i in range(len(sizes))),
                codebook_sizes=sizes,
                packets=tuple(payload[a:b] for a, b in zip(starts, ends, strict=False)),
                packet_bits=int(data["packet_bits"]),
                side_info=data["side_info"].tobytes(),
                header=data["header"].tobytes(),
            )
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise StoreError(_damaged(path, error)) from error
