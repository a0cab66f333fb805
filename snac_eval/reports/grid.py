"""The one table type: of text cells, as Markdown, LaTeX (booktabs), plain text and CSV.

The HTML report's template sets the same grids. What is in a grid is text as it was found: each
format escapes it its own way.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from tabulate import tabulate

from snac_eval.reports.text import (
    NOTHING,
    format_value,
    latex_text,
    markdown_text,
    metric_title,
    one_line,
    span,
)
from snac_eval.types import Heading, MetricInfo
from snac_eval.writing import spreadsheet_text

GridFormat = Literal["md", "latex", "txt", "csv"]
Mark = Literal["", "best", "second", "strong"]
_COLUMNS_ABREAST = 7
_MINUS = re.compile(r"(?<!\S)-(?=\d)")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what stands there, how it sorts, and what it is in CSV."""

    text: str
    after: str = ""
    """Stands after the text and is never marked."""
    mark: Mark = ""
    """Best and strong are bold, second is underlined."""
    key: float | None = None
    """The number that the cell sorts by; None: it sorts by its text."""
    share: float | None = None
    """HTML draws a bar of this share of 0..1."""
    values: Mapping[str, object] | None = None
    """Plain values by their column in CSV, any number of them; None: the text, under the column's
    name. None and NaN are empty there."""
    flag: str = ""
    """Stands last, is never marked, and stays where there is no room for what stands after."""

    @property
    def tail(self) -> str:
        """All that stands behind the text."""
        return " ".join(filter(None, (self.after, self.flag)))


NONE = Cell(NOTHING, values={})
"""There is no value."""


@dataclass(frozen=True, slots=True)
class Column(Heading):
    """What stands above a column: a name, its unit and an arrow towards better."""

    name: str
    unit: str = ""
    higher_is_better: bool | None = None
    title: str = ""
    """The name as papers print it; empty: the name as it is."""
    importance: int = 0
    """Where there is no room for all, columns of the highest number go first."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows under one title, which may be empty."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. Every row has a cell for every column."""

    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    caption: str = ""
    notes: tuple[str, ...] = ()
    """Sentences below the table."""
    name: str = ""
    """The table's id in HTML."""
    lead: tuple[str, ...] = ()
    """Sentences above the table: what must be known before any number of it."""

    @classmethod
    def of(
        cls,
        columns: Iterable[Column],
        rows: Iterable[Iterable[Cell]],
        caption: str = "",
        notes: Iterable[str] = (),
        name: str = "",
    ) -> Grid:
        """A grid whose rows have no title."""
        block = Block("", tuple(map(tuple, rows)))
        return cls(tuple(columns), (block,), caption, tuple(notes), name)

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The rows of all blocks."""
        return [row for block in self.blocks for row in block.rows]

    @property
    def numeric(self) -> list[bool]:
        """For each column whether it holds numbers; they stand right."""
        rows = self.rows
        return [any(row[i].key is not None for row in rows) for i in range(len(self.columns))]

    def without(self, *names: str) -> Grid:
        """The grid less the columns of these names."""
        kept = [i for i, column in enumerate(self.columns) if column.name not in names]
        blocks = [
            Block(block.title, tuple(tuple(row[i] for i in kept) for row in block.rows))
            for block in self.blocks
        ]
        columns = tuple(self.columns[i] for i in kept)
        return replace(self, columns=columns, blocks=tuple(blocks))


def metric_column(info: MetricInfo) -> Column:
    """The metric's name, unit and arrow."""
    return Column(info.name, info.unit, info.higher_is_better, metric_title(info))


def number(value: float) -> Cell:
    """A number; a dash without one."""
    return NONE if value != value else Cell(format_value(value), key=value)


def count(value: float) -> Cell:
    """A number without decimals; a dash without one."""
    return NONE if value != value else Cell(f"{value:.0f}", key=value)


def interval(low: float, high: float) -> Cell:
    """A range, which sorts by its width; a dash without one."""
    return NONE if low != low else Cell(span(low, high), key=high - low)


def render(grid: Grid, grid_format: GridFormat) -> str:
    """The grid in this format, ending in a line break.

    CSV has one header for all blocks, and neither titles, caption nor notes.
    """
    writers = {"md": _markdown, "latex": _latex, "txt": _plain, "csv": _csv}
    return writers[grid_format](grid)


def _markdown(grid: Grid) -> str:
    marks = {"best": "**{}**", "strong": "**{}**", "second": "<ins>{}</ins>"}
    parts = []
    for block in grid.blocks:
        parts += [f"**{markdown_text(block.title)}**"] if block.title else []
        parts.append(_tabulated(grid, block, "pipe", markdown_text, marks))
    parts += [markdown_text(grid.caption)] if grid.caption else []
    parts += ["\n".join(f"- {markdown_text(note)}" for note in grid.notes)] if grid.notes else []
    return "\n\n".join(parts) + "\n"


def _plain(grid: Grid) -> str:
    marks = {"best": "{}*", "strong": "{}*", "second": "{}+"}
    parts = []
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
    rows = [_plain_values(grid, row) for row in grid.rows]
    names = dict.fromkeys(name for row in rows for name in row)
    fields = list(names) or [column.name for column in grid.columns]
    file = io.StringIO()
    writer = csv.DictWriter(file, fields, lineterminator="\n")
    writer.writerow({name: spreadsheet_text(name) for name in fields})
    writer.writerows(rows)
    return file.getvalue()


def _plain_values(grid: Grid, row: Sequence[Cell]) -> dict[str, object]:
    found: dict[str, object] = {}
    for column, cell in zip(grid.columns, row, strict=True):
        found |= {column.name: cell.text} if cell.values is None else cell.values
    # NaN is the one value that differs from itself.
    return {name: spreadsheet_text(one) if one == one else None for name, one in found.items()}


def _latex(grid: Grid) -> str:
    notes = [latex_text(note) + r"\par" for note in grid.notes]
    panels = [
        line for start, stop in _panels(len(grid.columns)) for line in _panel(grid, start, stop)
    ]
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs,graphicx}.",
            r"\begin{table}",
            r"\centering",
            *([rf"\caption{{{latex_text(grid.caption)}}}"] if grid.caption else []),
            *panels,
            *([r"\medskip\raggedright\footnotesize"] if notes else []),
            *notes,
            r"\end{table}",
            "",
        ]
    )


def _panels(num_columns: int) -> list[tuple[int, int]]:
    """Where the columns of each panel start and stop: as few panels as fit a page, equally wide."""
    rest = num_columns - 1
    panels = max(1, -(-rest // _COLUMNS_ABREAST))
    bounds = [1 + round(rest * index / panels) for index in range(panels + 1)]
    return list(pairwise(bounds))


def _panel(grid: Grid, start: int, stop: int) -> list[str]:
    """A tabular of the first column and these; many are set smaller, not into the margin."""
    columns = (grid.columns[0], *grid.columns[start:stop])
    numeric = (grid.numeric[0], *grid.numeric[start:stop])
    lines = [_latex_row([f"{column.name} {column.arrow}".strip() for column in columns])]
    if any(column.unit for column in columns):
        lines.append(_latex_row([column.unit_text for column in columns]))
    for block in grid.blocks:
        lines.append(r"\midrule")
        if block.title:
            title = rf"\textit{{{latex_text(block.title)}}}"
            lines.append(rf"\multicolumn{{{len(columns)}}}{{@{{}}l@{{}}}}{{{title}}} \\")
        for row in block.rows:
            lines.append(" & ".join(map(_latex_cell, (row[0], *row[start:stop]))) + r" \\")
    align = "".join("r" if one else "l" for one in numeric)
    return [
        rf"\sbox0{{\begin{{tabular}}{{@{{}}{align}@{{}}}}",
        r"\toprule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi\par\medskip",
    ]


def _latex_row(texts: Sequence[str]) -> str:
    return " & ".join(map(latex_text, texts)) + r" \\"


def _latex_cell(cell: Cell) -> str:
    marks = {"best": r"\textbf{%s}", "strong": r"\textbf{%s}", "second": r"\underline{%s}"}
    text = latex_text(cell.text)
    text = marks.get(cell.mark, "%s") % (text if cell.key is None else _MINUS.sub("$-$", text))
    return text + (f" {latex_text(cell.tail)}" if cell.tail else "")
