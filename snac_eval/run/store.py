"""Where a run's codes and scores live: one SQLite file, keyed by content.

``reconstructions`` has a row for each :class:`ReconstructionKey`, its parts in columns, with codes
and timings where a codec made it. ``scores`` has a row for each reconstruction and row of
``metrics``, which holds what else a score depends on (:func:`snac_eval.run.keys.score_key`). A run
that starts again finds what is there and computes the rest. All that is put at once is one
transaction, so that a killed run loses the clips in hand and nothing else.

Every row has a checksum over all that it says, the names of what it points to included. A row that
does not match is as good as not there: a reader passes it over, a writer drops it and counts it in
:attr:`Store.num_dropped`, and it is computed anew.

``meta`` holds the schema's version, ``files`` what is known of a dataset's files, ``tokens`` how
often each token occurs in the codes that ``counted`` lists. What the run is of stands in
``manifest.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from sys import intern
from types import TracebackType
from typing import Any

from snac_eval.errors import CodecError, OutputError, StoreError
from snac_eval.run._database import Database, checksum, damaged, real
from snac_eval.run.keys import ReconstructionKey
from snac_eval.run.rows import PackedCodes, Row, Settled, StoredCodes
from snac_eval.types import Score, Timing

FILE_NAME = "store.sqlite"
_SCHEMA_VERSION = "6"
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT OR IGNORE INTO meta VALUES ('schema', '{_SCHEMA_VERSION}');
CREATE TABLE IF NOT EXISTS reconstructions (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    codec TEXT NOT NULL, clip TEXT NOT NULL, seed INTEGER NOT NULL, device TEXT NOT NULL,
    identity TEXT NOT NULL, taken TEXT NOT NULL,
    encode_s REAL, decode_s REAL, checksum INTEGER, codes BLOB
);
CREATE TABLE IF NOT EXISTS metrics (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS scores (
    reconstruction INTEGER NOT NULL REFERENCES reconstructions (number),
    metric INTEGER NOT NULL REFERENCES metrics (number),
    value REAL, status TEXT NOT NULL, reason TEXT NOT NULL, detail BLOB NOT NULL,
    weight REAL NOT NULL, version TEXT NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (reconstruction, metric)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    name BLOB PRIMARY KEY, stamp TEXT NOT NULL, found TEXT NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS counted (reconstruction INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS tokens (
    number INTEGER PRIMARY KEY CHECK (number = 0), counts BLOB NOT NULL, checksum INTEGER NOT NULL
);
COMMIT;
"""
# One parameter holds all ids, so that their number has no limit. CROSS JOIN keeps their order.
_WANTED = "FROM json_each(?) AS wanted CROSS JOIN reconstructions AS r ON r.id = wanted.value"
_SCORES = f"""
SELECT wanted.key, r.id, m.key, s.value, s.status, s.reason, s.detail, s.weight, s.version,
    s.checksum, s.reconstruction, s.metric {_WANTED}
    CROSS JOIN scores AS s ON s.reconstruction = r.number
    CROSS JOIN metrics AS m ON m.number = s.metric
"""
_SETTLED = """
SELECT reconstruction, group_concat(metric) FROM scores
    WHERE status = 'ok' OR status = 'undefined' AND version = ? GROUP BY reconstruction
"""
_INSERT_KEY = """
INSERT OR IGNORE INTO reconstructions (id, codec, clip, seed, device, identity, taken)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE_CODES = """
UPDATE reconstructions SET codes = ?, encode_s = ?, decode_s = ?, checksum = ? WHERE id = ?
"""
_FORGET_COUNT = """
DELETE FROM tokens WHERE EXISTS (
    SELECT 1 FROM counted AS c JOIN reconstructions AS r ON r.number = c.reconstruction
    WHERE r.id = ?)
"""
_INSERT_SCORE = """
INSERT OR REPLACE INTO scores
SELECT r.number, m.number, ?, ?, ?, ?, ?, ?, ? FROM reconstructions AS r, metrics AS m
WHERE r.id = ? AND m.key = ?
"""


class Store:
    """One run folder's database. Use as a context manager; one writer at a time.

    Raises OutputError where the folder cannot be written, StoreError where the file is damaged,
    locked by another run, or of another version.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self.num_dropped = 0
        """Rows that were damaged, and are to be computed anew."""
        self._db = Database(path, read_only)
        try:
            self._check_version()
        except BaseException:
            self._db.close()
            raise

    @property
    def database(self) -> Database:
        """The open file, for those who know its tables (:mod:`snac_eval.run.taking`)."""
        return self._db

    @property
    def damage(self) -> tuple[str, ...]:
        """What was found damaged, for people."""
        if not self.num_dropped:
            return ()
        return (
            f"{self.num_dropped} entries of {FILE_NAME} were damaged and were made anew; is the"
            " disk or the memory failing?",
        )

    @classmethod
    def open_run(cls, run_dir: Path) -> Store:
        """The store of an existing run, to read; its folder may be read-only. Raises StoreError
        where there is none."""
        path = run_dir / FILE_NAME
        if not path.is_file():
            raise StoreError(
                f"{run_dir}: no run here (no {FILE_NAME}); give a folder that run wrote"
            )
        return cls(path, read_only=True)

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
        """Keep scores by their keys, and codes where there are new ones, at once."""
        self.put_all([Row(key, scores, None if codes is None else codes.packed())])

    def put_all(self, rows: Sequence[Row]) -> None:
        """Keep what came of these reconstructions: all of it, or nothing."""
        made_by = _this_version()
        keys, codes, scores, forgotten = [], [], [], []
        for row in rows:
            key, id_ = row.key, row.key.id
            keys.append((id_, key.codec, key.clip, key.seed, key.device, key.identity, key.taken))
            if (made := row.codes) is not None:
                seconds = [real(made.timing.encode_s), real(made.timing.decode_s)]
                codes.append((made.blob, *seconds, checksum(id_, *seconds, blob=made.blob), id_))
                forgotten.append((id_,))
            scores += [
                (*said, checksum(id_, name, *said), id_, name)
                for name, score in row.scores.items()
                for said in [_said(score, made_by)]
            ]
        names = [(name,) for name in dict.fromkeys(name for row in rows for name in row.scores)]
        with self._db.errors(), self._db.transaction():
            self._db.executemany(_INSERT_KEY, keys)
            self._db.executemany(_FORGET_COUNT, forgotten)
            self._db.executemany(_UPDATE_CODES, codes)
            self._db.executemany("INSERT OR IGNORE INTO metrics (key) VALUES (?)", names)
            self._db.executemany(_INSERT_SCORE, scores)

    def settled(self, ids: Sequence[str]) -> Iterator[Settled]:
        """What each of these reconstructions needs not have computed again, in their order.

        No checksum is looked at: what rows say is not asked here.
        """
        with self._db.errors():
            names = dict(self._db.execute("SELECT number, key FROM metrics"))
            lists = dict(self._db.execute(_SETTLED, (_this_version(),)))
            there = {
                one: (lists.get(number, ""), bool(has_codes))
                for number, one, has_codes in self._db.execute(
                    "SELECT number, id, codes IS NOT NULL FROM reconstructions"
                )
            }
            sets = {
                numbers: frozenset(
                    names[int(number)] for number in numbers.split(",") if int(number) in names
                )
                for numbers in set(lists.values())
            }
        for one in ids:
            numbers, has_codes = there.get(one, ("", False))
            yield Settled(sets.get(numbers, frozenset()), has_codes)

    def scores(self, ids: Iterable[str]) -> Iterator[tuple[str, dict[str, Score]]]:
        """Each of these ids with its scores by their keys, in the order of ``ids``.

        One reconstruction's scores are in memory at a time.
        """
        ids = list(ids)
        broken: list[list[int]] = []
        asked = iter(enumerate(ids))
        with self._db.errors():
            rows = self._db.execute(_SCORES, (json.dumps(ids),))
            for place, group in groupby(rows, itemgetter(0)):
                found = self._verified(group, broken)
                index, one = next(asked)
                while index < place:
                    yield one, {}
                    index, one = next(asked)
                yield one, found
            yield from ((one, {}) for _, one in asked)
            self._drop("DELETE FROM scores WHERE reconstruction = ? AND metric = ?", broken)

    def codes(self, ids: Iterable[str]) -> Iterator[tuple[str, StoredCodes]]:
        """Key id, codes and timings of each reconstruction that has any, in the order of ``ids``.

        One clip's codes are in memory at a time.
        """
        for one, packed in self._packed(ids):
            try:
                yield one, packed.unpacked()
            except CodecError as error:
                raise StoreError(damaged(self.path, error)) from error

    def get_codes(self, id_: str) -> StoredCodes | None:
        """Codes and timings of one reconstruction, or None where it has none."""
        return next((codes for _, codes in list(self.codes([id_]))), None)

    def get_packed(self, id_: str) -> PackedCodes | None:
        """The same, not unpacked."""
        return next((codes for _, codes in list(self._packed([id_]))), None)

    def _packed(self, ids: Iterable[str]) -> Iterator[tuple[str, PackedCodes]]:
        query = (
            f"SELECT r.number, r.id, r.codes, r.encode_s, r.decode_s, r.checksum {_WANTED}"
            " WHERE r.codes IS NOT NULL"
        )
        broken: list[list[int]] = []
        with self._db.errors():
            rows = self._db.execute(query, (json.dumps(list(ids)),))
            for number, one, blob, *seconds, kept in rows:
                if kept != checksum(one, *seconds, blob=blob):
                    broken.append([number])
                    continue
                timing = Timing(*(math.nan if time is None else time for time in seconds))
                yield one, PackedCodes(blob, timing)
            self._drop("UPDATE reconstructions SET codes = NULL WHERE number = ?", broken)

    def files(self) -> dict[bytes, tuple[str, str]]:
        """What :meth:`remember_files` was given."""
        with self._db.errors():
            rows = self._db.execute("SELECT name, stamp, found, checksum FROM files")
            return {
                name: (stamp, found)
                for name, stamp, found, kept in rows
                if kept == checksum(name, stamp, found)
            }

    def remember_files(self, files: Mapping[bytes, tuple[str, str]]) -> None:
        """Keep what is known of files: by name a stamp, which changes with the file, and text."""
        rows = [(name, *known, checksum(name, *known)) for name, known in files.items()]
        with self._db.errors(), self._db.transaction():
            self._db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)

    def counted(self) -> tuple[set[str], bytes]:
        """The ids whose codes are in a count of tokens, and that count; both empty where there is
        none."""
        with self._db.errors():
            row = self._db.execute("SELECT counts, checksum FROM tokens").fetchone()
            ids = sorted(
                one
                for (one,) in self._db.execute(
                    "SELECT r.id FROM counted AS c JOIN reconstructions AS r"
                    " ON r.number = c.reconstruction"
                )
            )
        if row is None or row[1] != checksum(*ids, blob=row[0]):
            return set(), b""
        return set(ids), row[0]

    def keep_counted(self, ids: Iterable[str], counts: bytes) -> None:
        """Keep a count of the tokens in these codes, in place of an earlier one."""
        ids = sorted(ids)
        with self._db.errors(), self._db.transaction():
            self._db.execute("DELETE FROM counted")
            self._db.execute(
                f"INSERT OR IGNORE INTO counted SELECT r.number {_WANTED}", (json.dumps(ids),)
            )
            row = (0, counts, checksum(*ids, blob=counts))
            self._db.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?)", row)

    def _verified(
        self, rows: Iterable[tuple[Any, ...]], broken: list[list[int]]
    ) -> dict[str, Score]:
        found = {}
        for _, id_, name, value, status, reason, detail, weight, made_by, kept, *place in rows:
            if kept == checksum(id_, name, value, status, reason, detail, weight, made_by):
                # Interned: a million scores share a handful of texts.
                found[intern(name)] = Score(value, status, intern(reason), detail, weight)
            else:
                broken.append(place)
        return found

    def _drop(self, statement: str, broken: Sequence[Sequence[int]]) -> None:
        if broken and not self._db.read_only:
            with self._db.transaction():
                self._db.executemany(statement, broken)
        self.num_dropped += len(broken)

    def _check_version(self) -> None:
        with self._db.errors():
            found = self._version()
            if found is None and not self._db.read_only:
                self._db.connection.executescript(_SCHEMA)
                return
        if found is None:
            raise StoreError(damaged(self.path, "it holds no tables"))
        if found != _SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: written by another version of snac-eval (schema {found}, here"
                f" {_SCHEMA_VERSION}); choose another --output or use --overwrite. What the run"
                " left in scores.parquet stays readable"
            )

    def _version(self) -> str | None:
        """The schema that is there; None in a new file."""
        query = "SELECT 1 FROM sqlite_master WHERE name = 'meta'"
        if not self._db.execute(query).fetchone():
            return None
        row = self._db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        return str(row[0]) if row else "none"


@cache
def _this_version() -> str:
    return version("snac-eval")


def _said(score: Score, made_by: str) -> tuple[float | None, str, str, bytes, float, str]:
    # Names of files within a reason may hold bytes that are no UTF-8.
    reason = score.reason.encode("utf-8", "backslashreplace").decode("utf-8")
    return (real(score.value), score.status, reason, score.detail, float(score.weight), made_by)
