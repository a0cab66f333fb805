"""Manifests: CSV and JSON lines with anything in them, and what is no file at all."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from snac_eval.datasets.listed import COLUMNS
from tests.conftest import tone
from tests.fuzz.harness import Place, call, few, odd, place, spoilt, twisted, write_text

_ROWS = [
    {"path": "a.wav", "id": "one", "speaker": "s1", "domain": "speech", "transcript": "hello"},
    {"path": "a.wav", "id": "two", "speaker": "s2", "start": 0.1, "duration": 0.2},
    {"path": "b.wav", "start": "0.05"},
]


def _csv(rows: Any) -> str:  # noqa: ANN401 - JSON
    file = io.StringIO()
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    names = list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _lines(rows: Any) -> str:  # noqa: ANN401 - JSON
    return "\n".join(map(json.dumps, rows if isinstance(rows, list) else [rows]))


def _run(where: Place, manifest: Path) -> str:
    for name in ("a.wav", "b.wav"):
        soundfile.write(where.input / name, tone(0.4), 16000)
    return call(
        where,
        *("run", "--model", "pcm_8bit", "--dataset", f"manifest:{manifest}"),
        *("--metrics", "bitrate", "--workers", "0", "--quiet", "--no-html"),
        *("--output", where.output / "run"),
        allowed=(0, 2, 4),
    )


@given(data=st.data())
@few(25)
def test_any_rows_are_clips_or_one_line(data: st.DataObject) -> None:
    rows = data.draw(twisted(_ROWS))
    suffix, write = data.draw(st.sampled_from(((".csv", _csv), (".jsonl", _lines))))
    text = write(rows)
    content = text.encode("utf-8", "surrogatepass")
    if data.draw(st.booleans()):
        content = data.draw(spoilt([content]))
    with place() as where:
        (where.input / f"list{suffix}").write_bytes(content)
        _run(where, where.input / f"list{suffix}")


@given(value=odd(), column=st.sampled_from(COLUMNS))
@few(15)
def test_any_value_in_any_column(value: Any, column: str) -> None:  # noqa: ANN401 - JSON
    with place() as where:
        write_text(where.input / "list.jsonl", json.dumps({"path": "a.wav", column: value}))
        _run(where, where.input / "list.jsonl")


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "loop"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_what_is_no_file_is_named_and_not_waited_for(kind: str, suffix: str) -> None:
    with place() as where:
        path = where.input / f"list{suffix}"
        _make(kind, path)
        assert str(path) in _run(where, path)


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "loop"])
def test_a_clip_that_is_no_file_is_an_error_row(kind: str) -> None:
    with place() as where:
        _make(kind, where.input / "odd.wav")
        write_text(where.input / "list.csv", "path\nodd.wav\na.wav\nb.wav\n")
        assert "odd.wav" in _run(where, where.input / "list.csv")


def _make(kind: str, path: Path) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
