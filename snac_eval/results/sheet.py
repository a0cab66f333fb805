"""A run's scores as a table for people, ``scores.csv``: a row for each clip, a column a metric.

A submission holds this in the place of ``scores.parquet``: a changed score is a changed line, which
reviewers read on a pull request. A cell holds a number with all its digits, ``undefined: reason``,
``error: reason``, or nothing where the clip was not asked; a number that needs a word has it behind
a colon as well. A metric whose clips do not count alike has a second column, ``NAME weight``. What
else a row of ``scores.parquet`` tells stands in the manifest.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from snac_eval.run.sealed import NUMBERS, SCORE_COLUMNS
from snac_eval.types import Fingerprint
from snac_eval.writing import spreadsheet_text

FILE_NAME = "scores.csv"
_CLIP = "clip_id"
_WEIGHT = " weight"
_BETWEEN = ": "


def sheet_lines(rows: pd.DataFrame, manifest: Mapping[str, Any]) -> dict[str, str]:
    """The table of these rows, whose columns are ``SCORE_COLUMNS``: a line for each clip, by its
    id, and the header under an empty one. Clips and metrics stand as they do in the manifest."""
    cells: dict[tuple[str, str], str] = {}
    row: Any
    for row in rows.itertuples(index=False):
        cells[row.clip_id, row.metric] = _cell(row)
        if manifest["metrics"][row.metric].get("weighted_by") and row.status == "ok":
            cells[row.clip_id, row.metric + _WEIGHT] = repr(float(row.weight))
    used = {name for _, name in cells}
    names = [one for name in manifest["metrics"] for one in (name, name + _WEIGHT) if one in used]
    scored = {clip for clip, _ in cells}
    lines = {"": _line([_CLIP, *names])}
    for clip in manifest["clips"]:
        if clip in scored:
            own = (cells.get((clip, one), "") for one in names)
            lines[clip] = _line([str(spreadsheet_text(clip)), *own])
    return lines


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def sheet_rows(text: str, manifest: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of such a table, texts as categories. Raises ValueError, with the line, for what is
    none, and KeyError where the manifest lacks what the table is of."""
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        found = list(_rows(reader, manifest))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    columns = zip(*found, strict=True) if found else ((),) * len(SCORE_COLUMNS)
    return pd.DataFrame(
        {
            name: pd.array(list(values), dtype="float64" if name in NUMBERS else "str")
            for name, values in zip(SCORE_COLUMNS, columns, strict=True)
        }
    ).astype({name: "category" for name in SCORE_COLUMNS if name not in NUMBERS})


def _cell(row: Any) -> str:  # noqa: ANN401 - a named tuple of pandas
    if row.status != "ok":
        return f"{row.status}{_BETWEEN}{row.reason}"
    value = repr(float(row.value))
    return f"{value}{_BETWEEN}{row.reason}" if row.reason else value


def _rows(reader: Any, manifest: Mapping[str, Any]) -> Iterator[list[object]]:  # noqa: ANN401
    header: list[str] = next(reader, [])
    names = header[1:]
    if header[:1] != [_CLIP] or len(set(names)) != len(names):
        raise ValueError("line 1: is no header; it begins with clip_id and names no metric twice")
    prints = {
        name: str(Fingerprint(tuple(manifest["metrics"][name]["fingerprint"])))
        for name in names
        if not name.endswith(_WEIGHT)
    }
    run = [manifest["run_id"], manifest["label"], manifest["dataset"]["name"]]
    clips = manifest["clips"]
    for cells in reader:
        where = f"line {reader.line_num}"
        if len(cells) != len(header):
            raise ValueError(f"{where}: has {len(cells)} cells, the header {len(header)}")
        clip = _clip(cells[0], clips, where)
        facts = [clip, clips[clip].get("speaker", ""), clips[clip].get("domain", "")]
        by_name = dict(zip(names, cells[1:], strict=True))
        for name, fingerprint in prints.items():
            if by_name[name]:
                value, status, reason = _parsed(by_name[name], f"{where}, {name}")
                weight = by_name.get(name + _WEIGHT) or "1"
                counted = None if value is None else _number(weight, f"{where}, {name}{_WEIGHT}")
                yield [*run, *facts, name, value, status, reason, fingerprint, counted]


def _clip(cell: str, clips: Mapping[str, object], where: str) -> str:
    # An apostrophe keeps spreadsheets from running a name as a formula.
    for name in (cell, cell.removeprefix("'")):
        if name in clips and spreadsheet_text(name) == cell:
            return name
    raise ValueError(f"{where}: the manifest has no clip '{cell}'")


def _parsed(cell: str, where: str) -> tuple[float | None, str, str]:
    head, _, reason = cell.partition(_BETWEEN)
    if head in ("undefined", "error"):
        return None, head, reason
    return _number(head, where), "ok", reason


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: '{text}' is no number, undefined or error")
    return value
