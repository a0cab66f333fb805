"""Grids as LaTeX tables (booktabs) that stay legible in a paper of two columns.

A narrow table stands in one column of the page (``table``), a wider one across both (``table*``).
What is wider still is split into tabulars that stand below each other, each with the rows' names;
what is too high goes on in the next float. Widths are estimated from the text. Where an estimate
falls short, LaTeX itself sets that tabular smaller, never into the margin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from snac_eval.errors import UsageError
from snac_eval.reports.cells import Block, Cell, Column, Grid
from snac_eval.reports.text import latex_text, one_line
from snac_eval.reports.widths import wrapped

_MINUS = re.compile(r"(?<!\S)-(?=\d)")
_LABEL = re.compile(r"[A-Za-z0-9:._/+-]+")
# In points. Two-column styles give a column 219 to 252 and the page 455 to 516: in the narrowest, a
# table is set an eighth smaller.
_COLUMN, _PAGE, _TURNED = 250.0, 515.0, 650.0
_GAP, _NAME = 8.0, 130.0
"""Between columns; and the widest that the rows' names may be before they break."""
_LINES, _TURNED_LINES, _HEADER = 54, 30, 4
"""Lines of tables that a float has room for beside its caption and notes; those of a header."""
_NARROW = frozenset(".,:;'!|()[]/iljft ")


@dataclass(frozen=True, slots=True)
class LatexLayout:
    """How a table is set. Raises UsageError for what LaTeX could not take."""

    columns: int = 0
    """At most so many columns of metrics beside each other; 0: as many as stay legible."""
    sideways: bool = False
    """Turned by 90 degrees, on a page of its own."""
    label: str = ""
    """What ``\\ref`` calls the table by."""

    def __post_init__(self) -> None:
        if self.columns < 0:
            raise UsageError(f"--columns {self.columns}: must be at least 1")
        if self.label and not _LABEL.fullmatch(self.label):
            raise UsageError(
                f"--latex-label '{self.label}': only ASCII letters, digits and : . _ / + - can"
                " stand in a label, as in tab:codecs"
            )


@dataclass(frozen=True, slots=True)
class _Tabular:
    """Columns and rows that stand in one tabular."""

    columns: tuple[int, ...]
    blocks: tuple[Block, ...]

    @property
    def height(self) -> int:
        """Its lines, with those of its header."""
        return _HEADER + sum(_height(block.rows) + 1 for block in self.blocks)


def latex_table(grid: Grid, layout: LatexLayout = LatexLayout()) -> str:
    """The grid as LaTeX, ending in a line break; its first line names the packages it needs."""
    widths = [_column_width(grid, index) for index in range(len(grid.columns))]
    panels = _panels(grid.columns, widths, layout)
    room = _TURNED_LINES if layout.sideways else _LINES
    tabulars = [
        _Tabular(columns, blocks) for blocks in _heights(grid.blocks, room) for columns in panels
    ]
    is_narrow = max(_total(widths, columns) for columns in panels) <= _COLUMN
    kind = "sidewaystable*" if layout.sideways else "table" if is_narrow else "table*"
    packages = "booktabs,graphicx,rotating" if layout.sideways else "booktabs,graphicx"
    lines = [rf"% Needs \usepackage{{{packages}}}."]
    floats = list(_floats(tabulars, room))
    for number, several in enumerate(floats):
        lines += [rf"\begin{{{kind}}}", r"\centering\footnotesize\setlength{\tabcolsep}{4pt}"]
        lines += _caption(grid, layout, bool(number))
        lines += [line for tabular in several for line in _tabular(grid, tabular, widths)]
        lines += _notes(grid) if number == len(floats) - 1 else []
        lines += [rf"\end{{{kind}}}"]
    return "\n".join([*lines, ""])


def _panels(
    columns: Sequence[Column], widths: Sequence[float], layout: LatexLayout
) -> list[tuple[int, ...]]:
    """The columns of each tabular: as few tabulars as can be read, with equally many."""
    titled = [i for i, column in enumerate(columns) if i and column.title]
    rest = titled or list(range(1, len(columns)))
    # What is no metric, such as the number of clips, is said once.
    once = [i for i in range(1, len(columns)) if i not in rest]
    room = _TURNED if layout.sideways else _PAGE
    fewest = -(-len(rest) // layout.columns) if layout.columns else 1
    for number in range(max(1, fewest), max(1, len(rest)) + 1):
        bounds = [round(len(rest) * index / number) for index in range(number + 1)]
        parts = [rest[start:stop] for start, stop in pairwise(bounds)]
        panels = [(0, *(once if not part else []), *one) for part, one in enumerate(parts)]
        if layout.columns or all(_total(widths, one) <= room for one in panels):
            return panels
    return panels


def _total(widths: Sequence[float], columns: Sequence[int]) -> float:
    return sum(widths[i] for i in columns) + _GAP * (len(columns) - 1)


def _heights(blocks: Sequence[Block], room: int) -> Iterator[tuple[Block, ...]]:
    """The blocks, in as many parts as fit a float each; a block that fits is not broken."""
    whole = room - _HEADER
    part, left = list[Block](), whole
    for piece in (piece for block in blocks for piece in _broken(block, whole)):
        height = _height(piece.rows) + 1
        if part and height > left:
            yield tuple(part)
            part, left = [], whole
        part.append(piece)
        left -= height
    yield tuple(part)


def _broken(block: Block, room: int) -> Iterator[Block]:
    """The block, in pieces of at most so many lines."""
    rows = list[tuple[Cell, ...]]()
    for row in block.rows:
        if rows and _height([*rows, row]) + 1 > room:
            yield Block(block.title, tuple(rows))
            rows = []
        rows.append(row)
    yield Block(block.title, tuple(rows))


def _height(rows: Iterable[Sequence[Cell]]) -> int:
    return sum(len(_name_lines(row[0])) for row in rows)


def _floats(tabulars: Sequence[_Tabular], room: int) -> Iterator[list[_Tabular]]:
    several, left = list[_Tabular](), room
    for tabular in tabulars:
        if several and tabular.height > left:
            yield several
            several, left = [], room
        several.append(tabular)
        left -= tabular.height
    yield several


def _caption(grid: Grid, layout: LatexLayout, is_continued: bool) -> Iterator[str]:
    if is_continued:
        yield r"\addtocounter{table}{-1}\caption{Continued.}\smallskip"
    elif grid.caption:
        yield rf"\caption{{{latex_text(grid.caption)}}}\smallskip"
    if layout.label and not is_continued:
        yield rf"\label{{{layout.label}}}"


def _notes(grid: Grid) -> list[str]:
    notes = [latex_text(note) + r"\par" for note in (*grid.lead, *grid.notes)]
    return [r"\medskip\raggedright\scriptsize", *notes] if notes else []


def _tabular(grid: Grid, tabular: _Tabular, widths: Sequence[float]) -> Iterator[str]:
    """The lines of one tabular; LaTeX shrinks it where it is too wide after all."""
    columns = tabular.columns
    numeric = grid.numeric
    align = "".join("r" if numeric[i] else "l" for i in columns)
    yield rf"\sbox0{{\begin{{tabular}}{{@{{}}{align}@{{}}}}"
    yield r"\toprule"
    yield from _header([grid.columns[i] for i in columns], [widths[i] for i in columns])
    flags = {i: max((row[i].flag for row in grid.rows), key=len, default="") for i in columns}
    for block in tabular.blocks:
        yield r"\midrule"
        if block.title:
            title = rf"\textit{{{latex_text(block.title)}}}"
            yield rf"\multicolumn{{{len(columns)}}}{{@{{}}l@{{}}}}{{{title}}} \\"
        for row in block.rows:
            cells = [_cell(row[i], flags[i]) for i in columns[1:]]
            yield " & ".join([_name(row[0]), *cells]) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}}"
    yield (r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi\par\medskip")


def _header(columns: Sequence[Column], widths: Sequence[float]) -> Iterator[str]:
    """Names over as many lines as the longest needs, then units."""
    heads = [_head(column, width) for column, width in zip(columns, widths, strict=True)]
    height = max(map(len, heads))
    lowered = [[""] * (height - len(head)) + head for head in heads]
    yield from map(_row, zip(*lowered, strict=True))
    if any(column.unit for column in columns):
        yield _row([column.unit_text for column in columns])


def _head(column: Column, width: float) -> list[str]:
    lines = wrapped(one_line(column.title or column.name), width, _points)
    return [*lines[:-1], f"{lines[-1]} {column.arrow}".strip()]


def _row(texts: Sequence[str]) -> str:
    return " & ".join(map(latex_text, texts)) + r" \\"


def _name(cell: Cell) -> str:
    lines = _name_lines(cell)
    if len(lines) == 1:
        return _cell(cell, "")
    broken = r" \\ ".join(map(latex_text, lines))
    return rf"\begin{{tabular}}[t]{{@{{}}l@{{}}}}{broken}\end{{tabular}}"


def _name_lines(cell: Cell) -> list[str]:
    return wrapped(one_line(f"{cell.text} {cell.tail}".strip()), _NAME, _points)


def _cell(cell: Cell, widest_flag: str) -> str:
    marks = {"best": r"\textbf{%s}", "strong": r"\textbf{%s}", "second": r"\underline{%s}"}
    text = latex_text(cell.text)
    text = marks.get(cell.mark, "%s") % (text if cell.key is None else _MINUS.sub("$-$", text))
    text += f" {latex_text(cell.after)}" if cell.after else ""
    if cell.flag:
        return f"{text} {latex_text(cell.flag)}"
    # So that numbers stand below each other where only some have a flag.
    return text + (rf"\hphantom{{ {latex_text(widest_flag)}}}" if widest_flag else "")


def _column_width(grid: Grid, index: int) -> float:
    column = grid.columns[index]
    if index:
        texts = [f"{row[index].text} {row[index].tail}".strip() for row in grid.rows]
    else:
        texts = [line for row in grid.rows for line in _name_lines(row[0])]
    words = one_line(column.title or column.name).split()
    return max(map(_points, [*texts, *words, column.unit_text]), default=0.0)


def _points(text: str) -> float:
    """About how wide LaTeX sets this text in \\footnotesize of a 10-point class."""
    return sum(map(_character_points, text))


def _character_points(character: str) -> float:
    if character in _NARROW:
        return 2.9
    if character.isupper() or character in "mwMW±×↑↓%†":
        return 6.6
    # What its fonts lack is set as U+65E5.
    return 4.4 if ord(character) < 0x2000 or character == "–" else 30.0
