"""A grid as a table for the terminal: as wide as the screen is, and no wider.

Means stand with their intervals where these fit, without where they do not; columns that still do
not fit are left out, least important first, and named below. Widths are those that a terminal
shows: an ideograph takes two columns, an accent none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from snac_eval.reports.grid import Block, Cell, Column, Grid
from snac_eval.reports.text import NOTHING, one_line
from snac_eval.reports.widths import text_width, wrapped
from snac_eval.writing import printable

_GAP = "  "
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_MARKED = ("best", "strong")
_FEWEST = 12
"""Columns that a name or a sentence gets on the narrowest screen."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """One column as it is printed."""

    head: tuple[str, ...]
    """Its lines above the rule."""
    cells: tuple[tuple[str, ...], ...]
    """Lines of every row's cell, all of the column's width but the first column's."""
    width: int
    is_numeric: bool


def render_terminal(grid: Grid, width: int, colour: bool = False, more: str = "") -> str:
    """The grid for a screen of this many columns, ending in a line break.

    What is best is bold where ``colour``, else it has a ``*`` behind it. Names cannot steer the
    terminal: their control characters are replaced. ``more`` is how to see the columns that there
    was no room for; ``{names}`` in it stands for their names.
    """
    groups = _groups(grid)
    parts = ["\n".join(_sentences(grid.lead, width))] if grid.lead else []
    left_out: dict[int, None] = {}
    for names, blocks in groups:
        kept, with_spread = _fitting(grid, names, blocks, width, colour)
        left_out |= dict.fromkeys(i for i in names if i not in kept)
        parts.append("\n".join(_table(grid, kept, blocks, width, with_spread, colour)))
    below = [*([grid.caption] if grid.caption else []), *grid.notes]
    sign = "Bold" if colour else "*"
    below = [*([f"{sign} marks the best."] if _is_marked(grid) else []), *below]
    missing = _left_out([grid.columns[i] for i in left_out], width, more)
    said = [*missing, *_sentences(below, width)]
    parts += ["\n".join(said)] if said else []
    return "\n\n".join(parts) + "\n"


def _sentences(sentences: Iterable[str], width: int) -> Iterator[str]:
    for sentence in sentences:
        yield from wrapped(_safe(sentence), max(width, _FEWEST))


def _left_out(columns: Sequence[Column], width: int, more: str) -> Iterator[str]:
    if not columns:
        return
    titles = ", ".join(column.title or column.name for column in columns)
    yield from _sentences([f"Not shown for want of room: {titles}."], width)
    if more:
        # A command is one line, so that it can be copied, however narrow the screen.
        names = ",".join(column.name for column in columns)
        yield _GAP + _safe(more.replace("{names}", names))


def _safe(text: str) -> str:
    return printable(one_line(text))


def _is_marked(grid: Grid) -> bool:
    return any(cell.mark in _MARKED for row in grid.rows for cell in row)


def _groups(grid: Grid) -> list[tuple[tuple[int, ...], list[Block]]]:
    """Blocks that stand below one header, and its columns: those that these blocks fill."""
    if not any(block.title for block in grid.blocks):
        filled = {i for block in grid.blocks for i in _filled(grid, block)}
        return [(tuple(sorted(filled)), list(grid.blocks))]
    alike = groupby(grid.blocks, lambda block: tuple(_filled(grid, block)))
    return [(columns, list(several)) for columns, several in alike]


def _filled(grid: Grid, block: Block) -> Iterator[int]:
    """The columns in which some row has something."""
    for index in range(len(grid.columns)):
        if not index or any(row[index].text not in ("", NOTHING) for row in block.rows):
            yield index


def _fitting(
    grid: Grid, columns: Sequence[int], blocks: Sequence[Block], width: int, colour: bool
) -> tuple[list[int], bool]:
    """The columns that are shown, and whether with their intervals."""
    kept = list(columns)
    shown = {
        spread: [_shown(grid, i, blocks, width, spread, colour).width for i in kept]
        for spread in (True, False)
    }
    indent = len(_GAP) if any(block.title for block in blocks) else 0
    for spread in (True, False):
        if indent + _total(shown[spread]) <= width:
            return kept, spread
    widths = dict(zip(kept, shown[False], strict=True))
    while len(kept) > 2 and indent + _total([widths[i] for i in kept]) > width:
        kept.remove(max(kept[1:], key=lambda i: (grid.columns[i].importance, i)))
    return kept, False


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _table(
    grid: Grid,
    columns: Sequence[int],
    blocks: Sequence[Block],
    width: int,
    with_spread: bool,
    colour: bool,
) -> Iterator[str]:
    shown = [_shown(grid, i, blocks, width, with_spread, colour) for i in columns]
    height = max(len(one.head) for one in shown)
    heads = [("",) * (height - len(one.head)) + one.head for one in shown]
    is_titled = any(block.title for block in blocks)
    indent = _GAP if is_titled else ""
    # Above rows that are indented, the first heading is not: it stands above the titles too.
    for line in range(height):
        texts = [head[line] for head in heads]
        first = _padded(texts[0], shown[0].width + len(indent), False)
        yield _line([first, *_aligned(texts[1:], shown[1:])])
    yield "─" * (len(indent) + _total([one.width for one in shown]))
    row = 0
    for number, block in enumerate(blocks):
        yield from [""] * bool(number)
        if is_titled:
            yield from wrapped(_safe(block.title), max(width, _FEWEST))
        for _ in block.rows:
            yield from (indent + line for line in _row_lines(shown, row))
            row += 1


def _row_lines(shown: Sequence[_Shown], row: int) -> Iterator[str]:
    height = max(len(one.cells[row]) for one in shown)
    for line in range(height):
        texts = [one.cells[row][line] if line < len(one.cells[row]) else "" for one in shown]
        yield _line(_aligned(texts, shown))


def _line(texts: Sequence[str]) -> str:
    return _GAP.join(texts).rstrip()


def _aligned(texts: Sequence[str], shown: Sequence[_Shown]) -> list[str]:
    return [
        _padded(text, one.width, one.is_numeric) for text, one in zip(texts, shown, strict=True)
    ]


def _padded(text: str, width: int, right: bool) -> str:
    shown = text_width(text.replace(_BOLD, "").replace(_PLAIN, ""))
    space = " " * max(0, width - shown)
    return space + text if right else text + space


def _shown(
    grid: Grid, index: int, blocks: Sequence[Block], width: int, with_spread: bool, colour: bool
) -> _Shown:
    cells = [row[index] for block in blocks for row in block.rows]
    column = grid.columns[index]
    if any(cell.key is not None for cell in cells):
        return _column(column, [(text,) for text in _numbers(cells, with_spread, colour)], True)
    longest = max(_FEWEST, width * 2 // 5 if not index else width // 3)
    shown = _column(column, [_lines(cell, longest) for cell in cells], False)
    if index:
        return shown
    # The first column is as wide in every block, so that all tables begin alike.
    every = [line for row in grid.rows for line in _lines(row[0], longest)]
    return replace(shown, width=max([shown.width, *map(text_width, every)]))


def _lines(cell: Cell, longest: int) -> tuple[str, ...]:
    return tuple(wrapped(_safe(f"{cell.text} {cell.tail}".strip()), longest))


def _column(column: Column, texts: Sequence[tuple[str, ...]], is_numeric: bool) -> _Shown:
    lines = [line.replace(_BOLD, "").replace(_PLAIN, "") for text in texts for line in text]
    widest = max(map(text_width, lines), default=0)
    title = _safe(column.title or column.name)
    least = max([widest, *map(text_width, title.split(" "))])
    unit = f"{_safe(column.unit_text)} {column.arrow}".strip()
    head = (*wrapped(title, least), *([unit] if unit else []))
    return _Shown(head, tuple(texts), max([least, *map(text_width, head)]), is_numeric)


def _numbers(cells: Sequence[Cell], with_spread: bool, colour: bool) -> list[str]:
    """Cells of numbers, each part under its like: the number, its mark, its interval, its flag."""
    texts = [_safe(cell.text) for cell in cells]
    spreads = [_safe(cell.after) if with_spread else "" for cell in cells]
    flags = [_safe(cell.flag) for cell in cells]
    marks = ["*" if cell.mark in _MARKED else "" for cell in cells]
    if colour:
        texts = [
            f"{_BOLD}{text}{_PLAIN}" if mark else text
            for text, mark in zip(texts, marks, strict=True)
        ]
        marks = [""] * len(cells)
    parts = [(texts, True), (marks, False), (spreads, True), (flags, False)]
    lines = [""] * len(cells)
    for number, (column, right) in enumerate(parts):
        wide = max(
            (text_width(one.replace(_BOLD, "").replace(_PLAIN, "")) for one in column), default=0
        )
        gap = " " if number > 1 and wide else ""
        padded = (_padded(one, wide, right) for one in column)
        lines = [f"{line}{gap}{one}" for line, one in zip(lines, padded, strict=True)]
    return lines
