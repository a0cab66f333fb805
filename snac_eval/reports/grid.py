"""Grids as Markdown, plain text and CSV; :mod:`snac_eval.reports.latex` sets them for papers.

The HTML report's template sets the same grids, the terminal's is :mod:`snac_eval.reports.terminal`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from tabulate import tabulate

from snac_eval.reports.cells import (
    NONE,
    Block,
    Cell,
    Column,
    Grid,
    count,
    interval,
    metric_column,
    number,
)
from snac_eval.reports.latex import latex_table
from snac_eval.reports.text import markdown_text, one_line
from snac_eval.writing import spreadsheet_text

__all__ = [
    "NONE",
    "Block",
    "Cell",
    "Column",
    "Grid",
    "GridFormat",
    "count",
    "interval",
    "metric_column",
    "number",
    "plain_values",
    "render",
]

GridFormat = Literal["md", "latex", "txt", "csv"]


def render(grid: Grid, grid_format: GridFormat) -> str:
    """The grid in this format, ending in a line break.

    CSV has one header for all blocks, and neither titles, caption nor notes.
    """
    writers = {"md": _markdown, "latex": latex_table, "txt": _plain, "csv": _csv}
    return writers[grid_format](grid)


def _markdown(grid: Grid) -> str:
    marks = {"best": "**{}**", "strong": "**{}**", "second": "<ins>{}</ins>"}
    parts = [markdown_text(line) for line in grid.lead]
    for block in grid.blocks:
        parts += [f"**{markdown_text(block.title)}**"] if block.title else []
        parts.append(_tabulated(grid, block, "pipe", markdown_text, marks))
    parts += [markdown_text(grid.caption)] if grid.caption else []
    parts += ["\n".join(f"- {markdown_text(note)}" for note in grid.notes)] if grid.notes else []
    return "\n\n".join(parts) + "\n"


def _plain(grid: Grid) -> str:
    marks = {"best": "{}*", "strong": "{}*", "second": "{}+"}
    parts = [one_line(line) for line in grid.lead]
    for block in grid.blocks:
        parts += [one_line(block.title)] if block.title else []
        parts.append(_tabulated(grid, block, "simple", one_line, marks))
    marked = any(cell.mark for row in grid.rows for cell in row)
    legend = "Here * stands for bold, + for underlined." if marked else ""
    below = [f"{one_line(grid.caption)} {legend}".strip(), *map(one_line, grid.notes)]
    parts += ["\n".join(filter(None, below))] if any(below) else []
    return "\n\n".join(parts) + "\n"


def _tabulated(
    grid: Grid, block: Block, form: str, escape: Callable[[str], str], marks: Mapping[str, str]
) -> str:
    header = [escape(column.heading) for column in grid.columns]
    rows = [
        [
            marks.get(cell.mark, "{}").format(escape(cell.text))
            + (f" {escape(cell.tail)}" if cell.tail else "")
            for cell in row
        ]
        for row in block.rows
    ]
    align = ["right" if numeric else "left" for numeric in grid.numeric]
    return str(tabulate(rows, header, form, disable_numparse=True, colalign=align))


def _csv(grid: Grid) -> str:
    rows = [plain_values(grid, row) for row in grid.rows]
    names = dict.fromkeys(name for row in rows for name in row)
    fields = list(names) or [column.name for column in grid.columns]
    file = io.StringIO()
    writer = csv.DictWriter(file, fields, lineterminator="\n")
    writer.writerow({name: spreadsheet_text(name) for name in fields})
    writer.writerows(rows)
    return file.getvalue()


def plain_values(grid: Grid, row: Sequence[Cell]) -> dict[str, object]:
    """What CSV has in this row, by column; None where there is nothing."""
    found: dict[str, object] = {}
    for column, cell in zip(grid.columns, row, strict=True):
        found |= {column.name: cell.text} if cell.values is None else cell.values
    # NaN is the one value that differs from itself.
    return {name: spreadsheet_text(one) if one == one else None for name, one in found.items()}
