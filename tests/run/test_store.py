"""The store gives back what it was given, and says in one line when it cannot."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from snac_eval.errors import OutputError, StoreError
from snac_eval.run.store import FILE_NAME, Store, StoredCodes
from snac_eval.types import Codes, Score, Timing

CODES = Codes(
    num_samples=1000,
    streams=(np.arange(3, dtype=np.int32), np.arange(6, dtype=np.int32)),
    codebook_sizes=(16, 32),
    packets=(b"ab", b"", b"cde"),
    side_info=b"s",
    header=b"head",
)


def test_codes_round_trip(tmp_path: Path) -> None:
    with Store.create(tmp_path, overwrite=False) as store:
        store.put_codes("key", StoredCodes(CODES, Timing(0.5, math.nan)))
    with Store.open_run(tmp_path) as store:
        stored = store.get_codes("key")
        assert store.get_codes("other") is None
    assert stored is not None
    assert stored.timing.encode_s == 0.5
    assert math.isnan(stored.timing.decode_s)
    assert stored.codes.packets == CODES.packets
    assert (stored.codes.side_info, stored.codes.header) == (b"s", b"head")
    for mine, theirs in zip(stored.codes.streams, CODES.streams, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert stored.codes.num_bits == CODES.num_bits == 3 * 4 + 6 * 5 + 8 * (5 + 1)


def test_scores_keep_status_and_reason(tmp_path: Path) -> None:
    scores = {"a": Score.ok(1.5), "b": Score.undefined("silence"), "c": Score.error("boom")}
    with Store.create(tmp_path, overwrite=False) as store:
        store.put_scores("key", scores)
        assert store.scores(["key", "none"]) == {"key": scores, "none": {}}


def test_overwrite_forgets(tmp_path: Path) -> None:
    with Store.create(tmp_path, overwrite=False) as store:
        store.put_scores("key", {"a": Score.ok(1.0)})
    with Store.create(tmp_path, overwrite=True) as store:
        assert store.scores(["key"]) == {"key": {}}


def test_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"store\.sqlite: damaged store .*--overwrite"):
        Store.open_run(tmp_path)


def test_damaged_codes_are_named(tmp_path: Path) -> None:
    with Store.create(tmp_path, overwrite=False) as store:
        store.put_codes("key", StoredCodes(CODES, Timing()))
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("UPDATE reconstructions SET codes = x'00'")
    db.close()
    with Store.open_run(tmp_path) as store, pytest.raises(StoreError, match="damaged store"):
        store.get_codes("key")


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
