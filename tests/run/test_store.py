"""The store gives back what it was given, and says in one line when it cannot."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snac_eval.errors import OutputError, StoreError
from snac_eval.run.keys import ReconstructionKey
from snac_eval.run.rows import Settled, StoredCodes
from snac_eval.run.store import FILE_NAME, Store
from snac_eval.run.taking import take
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
        assert dict(store.scores([KEY.id, OTHER.id])) == {KEY.id: scores, OTHER.id: {}}


def test_a_weight_is_kept_and_taken_along(tmp_path: Path) -> None:
    scores = {"a": Score.ok(25.0, weight=12), "b": Score.ok(1.0)}
    with Store.create(tmp_path / "one", overwrite=False) as one:
        one.put(KEY, scores)
        with Store.create(tmp_path / "two", overwrite=False) as two:
            take(two, one, [KEY.id])
            assert dict(two.scores([KEY.id])) == {KEY.id: scores}


def test_any_other_part_makes_another_id() -> None:
    changes: list[dict[str, Any]] = [
        {"codec": "codec/2"}, {"clip": "b"}, {"seed": 4}, {"device": "cuda"}, {"identity": "d"},
        {"taken": "8000 Hz, 1"},
        {"codec": "codec/1|clip", "clip": ""},
    ]  # fmt: skip
    ids = {replace(KEY, **change).id for change in changes}
    assert len(ids | {KEY.id}) == len(changes) + 1
    assert (
        KEY.id
        == ReconstructionKey("codec/1", "clip", 3, "cpu").id
        == "81adc3dcdcb36aa56571be00edcea43e"
    )


def test_many_keys_are_one_query(tmp_path: Path) -> None:
    keys = [replace(KEY, clip=str(index)) for index in range(2000)]
    with Store.create(tmp_path, overwrite=False) as store:
        for key in keys[:20]:
            store.put(key, {"a": Score.ok(1.0), "b": Score.ok(2.0)}, MADE)
        store.put(keys[20], {"a": Score.ok(3.0)})
        queries: list[str] = []
        store._db.connection.set_trace_callback(queries.append)
        found = dict(store.scores(key.id for key in keys))
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
    broken = {"a": Score.ok(1.0), "b": Score(1.0, object())}  # type: ignore[arg-type]
    with Store.create(tmp_path, overwrite=False) as store:
        with pytest.raises(StoreError):
            store.put(KEY, broken, MADE)
        assert store.get_codes(KEY.id) is None
        assert dict(store.scores([KEY.id])) == {KEY.id: {}}
        store.put(KEY, {"a": Score.ok(1.0)}, MADE)
        store.put(KEY, {"b": Score.ok(2.0)})
        assert store.get_codes(KEY.id) is not None
        assert set(dict(store.scores([KEY.id]))[KEY.id]) == {"a", "b"}


def test_overwrite_forgets(tmp_path: Path) -> None:
    with Store.create(tmp_path, overwrite=False) as store:
        store.put(KEY, {"a": Score.ok(1.0)})
    with Store.create(tmp_path, overwrite=True) as store:
        assert dict(store.scores([KEY.id])) == {KEY.id: {}}


def test_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"store\.sqlite: damaged store .*--overwrite"):
        Store.open_run(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE reconstructions SET codes = substr(codes, 1, 40) || x'00' || substr(codes, 42)",
        "UPDATE reconstructions SET codes = 'text'",
        "UPDATE reconstructions SET encode_s = encode_s + 1e-9",
        "UPDATE reconstructions SET checksum = checksum + 1",
    ],
)
def test_damaged_codes_are_dropped_and_said(damage: str, tmp_path: Path) -> None:
    with Store.create(tmp_path, overwrite=False) as store:
        store.put(KEY, {"a": Score.ok(1.0)}, MADE)
    _execute(tmp_path, damage)
    with Store.open_run(tmp_path) as store:
        assert store.get_codes(KEY.id) is None
    with Store.create(tmp_path, overwrite=False) as store:
        assert next(store.settled([KEY.id])).has_codes
        assert store.get_codes(KEY.id) is None
        assert store.num_dropped == 1
        assert "1 entries of store.sqlite were damaged" in store.damage[0]
        assert next(store.settled([KEY.id])) == Settled(frozenset({"a"}), has_codes=False)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE scores SET value = value + 1e-12",
        "UPDATE scores SET value = NULL",
        "UPDATE scores SET status = 'undefined'",
        "UPDATE scores SET reason = 'silence'",
        "UPDATE scores SET reason = CAST(x'ff' AS TEXT)",
        "UPDATE scores SET detail = x'00'",
        "UPDATE scores SET detail = 7",
        "UPDATE scores SET version = ''",
        "UPDATE scores SET metric = 3 - metric",
        "UPDATE scores SET reconstruction = 3 - reconstruction",
        "UPDATE metrics SET key = 'c' WHERE key = 'a'",
        "UPDATE reconstructions SET id = replace(id, '1', '2')",
    ],
)
def test_a_damaged_score_is_as_good_as_none(damage: str, tmp_path: Path) -> None:
    scores = {"a": Score.ok(1.5), "b": Score.ok(2.5)}
    with Store.create(tmp_path, overwrite=False) as store:
        store.put(KEY, {"a": scores["a"]})
        store.put(OTHER, {"b": scores["b"]})
    _execute(tmp_path, damage)
    ids = [KEY.id, OTHER.id]
    for _ in range(2):  # the second time after the first has dropped what it found
        with Store.create(tmp_path, overwrite=False) as store:
            for _, found in store.scores(ids):
                assert found.items() <= scores.items()
            assert sum(len(found) for _, found in store.scores(ids)) < 2


def _execute(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        assert db.execute(statement).rowcount > 0
        db.commit()


def test_errors_and_undefined_scores_of_other_versions_are_not_settled(tmp_path: Path) -> None:
    scores = {"a": Score.ok(1.0), "b": Score.error("boom"), "c": Score.undefined("silence")}
    with Store.create(tmp_path, overwrite=False) as store:
        store.put(KEY, scores, MADE)
        settled = [Settled(frozenset(), False), Settled(frozenset({"a", "c"}), True)]
        assert list(store.settled([OTHER.id, KEY.id, OTHER.id])) == [*settled, settled[0]]
    _execute(tmp_path, "UPDATE scores SET version = '0.0.1'")
    with Store.create(tmp_path, overwrite=False) as store:
        assert next(store.settled([KEY.id])).scores == {"a"}


def test_a_count_of_tokens_is_of_exactly_its_codes(tmp_path: Path) -> None:
    with Store.create(tmp_path, overwrite=False) as store:
        assert store.counted() == (set(), b"")
        store.put(KEY, {}, MADE)
        store.put(OTHER, {}, MADE)
        store.keep_counted([KEY.id, OTHER.id], b"counts")
        assert store.counted() == ({KEY.id, OTHER.id}, b"counts")
        store.put(replace(KEY, clip="third"), {}, MADE)
        assert store.counted() == ({KEY.id, OTHER.id}, b"counts")
        store.put(KEY, {}, MADE)  # other codes, for all that the store knows
        assert store.counted()[0] == set()
        store.keep_counted([KEY.id, OTHER.id], b"counts")
    _execute(tmp_path, "DELETE FROM counted WHERE reconstruction = 1")
    with Store.create(tmp_path, overwrite=False) as store:
        assert store.counted() == (set(), b"")


def test_what_is_known_of_files_comes_back_unless_it_is_damaged(tmp_path: Path) -> None:
    known = {b"a.wav": ("1:2", "{}"), b"\xff.wav": ("3:4", "{}")}
    with Store.create(tmp_path, overwrite=False) as store:
        store.remember_files(known)
        assert store.files() == known
    _execute(tmp_path, "UPDATE files SET stamp = '5:6' WHERE stamp = '1:2'")
    with Store.open_run(tmp_path) as store:
        assert store.files() == {b"\xff.wav": ("3:4", "{}")}


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
