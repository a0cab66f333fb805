"""Files appear whole or not at all, and JSON holds plain values only."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from snac_eval.errors import OutputError
from snac_eval.writing import jsonable, write_file, write_json


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_json(file, {"name": "é"})
    before = file.read_text(encoding="utf-8")
    assert json.loads(before) == {"name": "é"}

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"a\.json: cannot be written: No space left"):
        write_file(file, fail)
    assert file.read_text(encoding="utf-8") == before
    assert list(tmp_path.iterdir()) == [file]


def test_jsonable_gives_plain_values() -> None:
    value = {"a": (1, math.nan), "b": Path("x"), "c": frozenset({True}), "d": None}
    assert jsonable(value) == {"a": [1, None], "b": "x", "c": [True], "d": None}


def test_not_a_number_is_refused_where_nobody_took_it_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", {"a": math.nan})
