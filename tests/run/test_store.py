"""The store gives back what it was given, and says in one line when it cannot."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snac_eval.errors import OutputError, StoreError
from snac_eval.run.store import FILE_NAME, ReconstructionKey, Store, StoredCodes
from snac_eval.types import Codes, Score, Timing

CODES = Codes(
    num_samples=1000,
    streams=(np.arange(3, dtype=np.int32), np.arange(6, dtype=np.int32)),
    codebook_sizes=(16, 32),
    packets=(b"ab", b"", b"cde"),
    side_info=b"s",
    header=b"head",
)


KEY = ReconstructionKey("codec/1", "clip", seed=3, device="cpu")
OTHER = replace(KEY, clip="other")
MADE = StoredCodes(CODES, Timing(0.5, math.nan))


def test_codes_round_trip(tmp_path: Path) -> None:
    with Store.create(tmp_path, overwrite=False) as store:
        store.put(KEY, {}, MADE)
    with Store.open_run(tmp_path) as store:
        stored = store.get_codes(KEY.id)
        assert store.get_codes(OTHER.id) is None
    assert stored is not None
    assert stored.timing.encode_s == 0.5
    assert math.isnan(stored.timing.decode_s)
    assert stored.codes.packets == CODES.packets
    assert (stored.codes.side_info, stored.codes.header) == (b"s", b"head")
    for mine, theirs in zip(stored.codes.streams, CODES.streams, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert stored.codes.num_bits == CODES.num_bits == 3 * 4 + 6 * 5 + 8 * (5 + 1)


def test_scores_keep_status_and_reason(tmp_path: Path) -> None:
    scores = {"a": Score.ok(1.5), "b": Score.undefined("silence"), "c": Score.partial(b"kept")}
    with Store.create(tmp_path, overwrite=False) as store:
        store.put(KEY, {"a": Score.error("boom")})
        store.put(KEY, scores)
        assert store.scores([KEY.id, OTHER.id]) == {KEY.id: scores, OTHER.id: {}}


def test_any_other_part_makes_another_id() -> None:
    changes: list[dict[str, Any]] = [
        {"codec": "codec/2"}, {"clip": "b"}, {"seed": 4}, {"device": "cuda"}, {"identity": "d"},
        {"codec": "codec/1|clip", "clip": ""},
    ]  # fmt: skip
    ids = {replace(KEY, **change).id for change in changes}
    assert len(ids | {KEY.id}) == len(changes) + 1
    assert (
        KEY.id
        == ReconstructionKey("codec/1", "clip", 3, "cpu").id
        == "cbc3e709333c021c32746330fbdc7458"
    )


def test_keys_come_back_in_parts(tmp_path: Path) -> None:
    source = ReconstructionKey("files/1", "clip", identity="digest")
    with Store.create(tmp_path, overwrite=False) as store:
        for key in (KEY, source):
            store.put(key, {"a": Score.ok(1.0)})
        keys = store.keys([source.id, OTHER.id, KEY.id])
    assert keys == {source.id: source, KEY.id: KEY}


def test_many_keys_are_one_query(tmp_path: Path) -> None:
    keys = [replace(KEY, clip=str(index)) for index in range(2000)]
    with Store.create(tmp_path, overwrite=False) as store:
        for key in keys[:20]:
            store.put(key, {"a": Score.ok(1.0), "b": Score.ok(2.0)}, MADE)
        store.put(keys[20], {"a": Score.ok(3.0)})
        queries: list[str] = []
        store._db.set_trace_callback(queries.append)
        found = store.scores(key.id for key in keys)
        assert len(queries) == 1
        assert [len(found[key.id]) for key in keys] == [2] * 20 + [1] + [0] * 1979
        # In the order that was asked for, and as often; what has no codes is left out.
        wanted = [keys[20], keys[7], keys[3], keys[500], keys[7]]
        codes = [one for one, _ in store.codes(key.id for key in wanted)]
        assert codes == [keys[7].id, keys[3].id, keys[7].id]
        assert len(queries) == 2


def test_codes_are_read_one_by_one(tmp_path: Path) -> None:
    keys = [replace(KEY, clip=str(index)) for index in range(3)]
    with Store.create(tmp_path, overwrite=False) as store:
        for key in keys:
            store.put(key, {}, MADE)
        codes = store.codes(key.id for key in keys)
        next(codes)
        # The store can be written to between two of them.
        store.put(OTHER, {"a": Score.ok(1.0)})
        assert len(list(codes)) == 2


def test_codes_and_scores_are_kept_together_or_not_at_all(tmp_path: Path) -> None:
    broken = {"a": Score.ok(1.0), "b": Score(object())}  # type: ignore[arg-type]
    with Store.create(tmp_path, overwrite=False) as store:
        with pytest.raises(StoreError):
            store.put(KEY, broken, MADE)
        assert store.get_codes(KEY.id) is None
        assert store.scores([KEY.id]) == {KEY.id: {}}
        store.put(KEY, {"a": Score.ok(1.0)}, MADE)
        store.put(KEY, {"b": Score.ok(2.0)})
        assert store.get_codes(KEY.id) is not None
        assert set(store.scores([KEY.id])[KEY.id]) == {"a", "b"}


def test_overwrite_forgets(tmp_path: Path) -> None:
    with Store.create(tmp_path, overwrite=False) as store:
        store.put(KEY, {"a": Score.ok(1.0)})
    with Store.create(tmp_path, overwrite=True) as store:
        assert store.scores([KEY.id]) == {KEY.id: {}}


def test_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"store\.sqlite: damaged store .*--overwrite"):
        Store.open_run(tmp_path)


def test_damaged_codes_are_named(tmp_path: Path) -> None:
    with Store.create(tmp_path, overwrite=False) as store:
        store.put(KEY, {}, MADE)
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("UPDATE reconstructions SET codes = x'00'")
    db.close()
    with Store.open_run(tmp_path) as store, pytest.raises(StoreError, match="damaged store"):
        store.get_codes(KEY.id)


def test_other_version_is_refused(tmp_path: Path) -> None:
    Store.create(tmp_path, overwrite=False).__exit__(None, None, None)
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    db.close()
    with pytest.raises(StoreError, match="schema 99"):
        Store.open_run(tmp_path)


def test_no_run_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run here"):
        Store.open_run(tmp_path)
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(OutputError, match="cannot write here"):
        Store.create(blocker / "run", overwrite=False)
