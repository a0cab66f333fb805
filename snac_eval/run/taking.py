"""Rows of one store put into another as they are: nothing is unpacked, nothing made anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from snac_eval.errors import StoreError
from snac_eval.run._database import checksum
from snac_eval.run.store import Store

_Row = Sequence[Any]
# One parameter holds all ids, so that their number has no limit.
_WANTED = "FROM json_each(?) AS wanted CROSS JOIN reconstructions AS r ON r.id = wanted.value"
_KEYS = f"SELECT r.id, r.codec, r.clip, r.seed, r.device, r.identity, r.taken {_WANTED}"
_CODES = f"""
SELECT r.codes, r.encode_s, r.decode_s, r.checksum, r.id {_WANTED} WHERE r.codes IS NOT NULL
"""
_SCORES = f"""
SELECT r.id, m.key, s.value, s.status, s.reason, s.detail, s.weight, s.version,
    s.checksum {_WANTED}
    CROSS JOIN scores AS s ON s.reconstruction = r.number
    CROSS JOIN metrics AS m ON m.number = s.metric
"""
_PUT_KEY = """
INSERT OR IGNORE INTO reconstructions (id, codec, clip, seed, device, identity, taken)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_PUT_CODES = """
UPDATE reconstructions SET codes = ?, encode_s = ?, decode_s = ?, checksum = ? WHERE id = ?
"""
_PUT_SCORE = """
INSERT OR REPLACE INTO scores
SELECT r.number, m.number, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM reconstructions AS r, metrics AS m
WHERE r.id = ?1 AND m.key = ?2 AND (?4 <> 'error' OR NOT EXISTS (
    SELECT 1 FROM scores AS s WHERE s.reconstruction = r.number AND s.metric = m.number))
"""


@contextmanager
def all_or_nothing(store: Store) -> Iterator[None]:
    """What is put into the store within the block is kept as one."""
    with store.database.errors(), store.database.transaction():
        yield


def take(store: Store, other: Store, ids: Iterable[str]) -> None:
    """Put what the other store has of these reconstructions into the first: codes, all scores.

    What is there already is replaced, but never by an error. Raises StoreError where a row of the
    other store is damaged.
    """
    wanted = json.dumps(list(ids))
    put = store.database.executemany
    with all_or_nothing(store):
        put(_PUT_KEY, _rows(other, _KEYS, wanted))
        put(_PUT_CODES, _rows(other, _CODES, wanted, _are_codes_whole))
        put("INSERT OR IGNORE INTO metrics (key) VALUES (?)", _names(other))
        put(_PUT_SCORE, _rows(other, _SCORES, wanted, _is_score_whole))
        # What was counted may have been other codes.
        store.database.execute("DELETE FROM tokens")


def _names(store: Store) -> Iterator[_Row]:
    with store.database.errors():
        yield from store.database.execute("SELECT key FROM metrics")


def _rows(
    store: Store, query: str, wanted: str, is_whole: Callable[[_Row], bool] = lambda _: True
) -> Iterator[_Row]:
    with store.database.errors():
        for row in store.database.execute(query, (wanted,)):
            if not is_whole(row):
                raise StoreError(
                    f"{store.path}: some of it is damaged; run the command that wrote it again,"
                    " which makes that anew"
                )
            yield row


def _are_codes_whole(row: _Row) -> bool:
    blob, *seconds, kept, id_ = row
    return bool(kept == checksum(id_, *seconds, blob=blob))


def _is_score_whole(row: _Row) -> bool:
    *said, kept = row
    return bool(kept == checksum(*said))
