"""Tables of text cells as Markdown, LaTeX (booktabs) and plain text.

What is in a grid is text as it was found: each format escapes it its own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tabulate import tabulate

from snac_eval.reports.text import latex_text, markdown_text, one_line

GridFormat = Literal["md", "latex", "txt"]
NOTHING = "–"
_COLUMNS_ABREAST = 7
_MINUS = re.compile(r"^-(?=\d)")


@dataclass(frozen=True, slots=True)
class GridCell:
    """``text``, marked "best", "second" or not at all, and ``after`` it what is never marked."""

    text: str
    after: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows under one title, which may be empty."""

    title: str
    rows: tuple[tuple[GridCell, ...], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """``header`` and ``units`` are one text per column; ``caption`` and ``notes`` sentences."""

    header: tuple[str, ...]
    units: tuple[str, ...]
    blocks: tuple[Block, ...]
    caption: str
    notes: tuple[str, ...] = ()


def render(grid: Grid, grid_format: GridFormat) -> str:
    """The grid in this format, ending in a line break."""
    return {"md": _markdown, "latex": _latex, "txt": _plain}[grid_format](grid)


def _markdown(grid: Grid) -> str:
    marks = {"best": "**{}**", "second": "<ins>{}</ins>"}
    parts = []
    for block in grid.blocks:
        parts += [f"**{markdown_text(block.title)}**"] if block.title else []
        parts.append(_tabulated(grid, block, "pipe", markdown_text, marks))
    parts.append(markdown_text(grid.caption))
    parts += ["\n".join(f"- {markdown_text(note)}" for note in grid.notes)] if grid.notes else []
    return "\n\n".join(parts) + "\n"


def _plain(grid: Grid) -> str:
    marks = {"best": "{}*", "second": "{}+"}
    parts = []
    for block in grid.blocks:
        title = f"{one_line(block.title)}\n\n" if block.title else ""
        parts.append(title + _tabulated(grid, block, "simple", one_line, marks))
    marked = any(cell.mark for block in grid.blocks for row in block.rows for cell in row)
    legend = " Here * stands for bold, + for underlined." if marked else ""
    return "\n\n".join([*parts, "\n".join([one_line(grid.caption) + legend, *grid.notes])]) + "\n"


def _tabulated(
    grid: Grid, block: Block, form: str, escape: Callable[[str], str], marks: dict[str, str]
) -> str:
    titles = zip(grid.header, grid.units, strict=True)
    header = [escape(f"{name} {unit}".strip()) for name, unit in titles]
    rows = [
        [
            marks.get(cell.mark, "{}").format(escape(cell.text))
            + (f" {escape(cell.after)}" if cell.after else "")
            for cell in row
        ]
        for row in block.rows
    ]
    align = ["left", *["right"] * (len(header) - 1)]
    return str(tabulate(rows, header, form, disable_numparse=True, colalign=align))


def _latex(grid: Grid) -> str:
    notes = [latex_text(note) + r"\par" for note in grid.notes]
    panels = [
        line for start, stop in _panels(len(grid.header)) for line in _panel(grid, start, stop)
    ]
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs,graphicx}.",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_text(grid.caption)}}}",
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
    count = max(1, -(-rest // _COLUMNS_ABREAST))
    bounds = [1 + round(rest * index / count) for index in range(count + 1)]
    return list(pairwise(bounds))


def _panel(grid: Grid, start: int, stop: int) -> list[str]:
    """A tabular of the first column and these; many are set smaller, not into the margin."""
    titles, units = ((texts[0], *texts[start:stop]) for texts in (grid.header, grid.units))
    lines = [_latex_row(titles), *([_latex_row(units)] if any(units) else [])]
    for block in grid.blocks:
        lines.append(r"\midrule")
        if block.title:
            title = rf"\textit{{{latex_text(block.title)}}}"
            lines.append(rf"\multicolumn{{{len(titles)}}}{{@{{}}l@{{}}}}{{{title}}} \\")
        for row in block.rows:
            lines.append(" & ".join(map(_latex_cell, (row[0], *row[start:stop]))) + r" \\")
    return [
        rf"\sbox0{{\begin{{tabular}}{{@{{}}l{'r' * (stop - start)}@{{}}}}",
        r"\toprule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi\par\medskip",
    ]


def _latex_row(texts: Sequence[str]) -> str:
    return " & ".join(map(latex_text, texts)) + r" \\"


def _latex_cell(cell: GridCell) -> str:
    marks = {"best": r"\textbf{%s}", "second": r"\underline{%s}"}
    text = marks.get(cell.mark, "%s") % _MINUS.sub("$-$", latex_text(cell.text))
    return text + (f" {latex_text(cell.after)}" if cell.after else "")
