"""A grid as a piece of HTML for notebooks: one table, without script, style sheet or links."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markupsafe import Markup, escape

from snac_eval.reports.grid import Block, Cell, Grid
from snac_eval.reports.text import NOTHING, xml_text

_MARKED = ("best", "strong")
_LEFT = Markup('style="text-align:left"')
_RIGHT = Markup('style="text-align:right"')
_NUMBER = Markup('style="text-align:right;white-space:nowrap"')


def html_table(grid: Grid) -> str:
    """The grid in HTML, every text escaped. Columns without any value are left out.

    Best is bold; a heading shows the metric's own name where the pointer rests on it.
    """
    kept = [
        i
        for i in range(len(grid.columns))
        if not i or any(row[i].text not in ("", NOTHING) for row in grid.rows)
    ]
    rows = [_tag("tr", *_head(grid, kept))]
    for block in grid.blocks:
        rows += _block(block, kept, grid.numeric)
    caption = [_tag("caption", _text(grid.caption))] if grid.caption else []
    table = _tag("table", *caption, *rows)
    lead = (_tag("p", _text(line)) for line in grid.lead)
    marked = any(cell.mark in _MARKED for row in grid.rows for cell in row)
    below = [*(["Bold marks the best."] if marked else []), *grid.notes]
    notes = (_tag("small", _text(note), Markup("<br>")) for note in below)
    return str(Markup('<div style="overflow-x:auto">%s</div>') % _joined([*lead, table, *notes]))


def _head(grid: Grid, kept: Iterable[int]) -> Iterator[Markup]:
    numeric = grid.numeric
    for i in kept:
        column = grid.columns[i]
        yield Markup('<th scope="col" title="%s" %s>%s</th>') % (
            _text(column.name),
            _RIGHT if numeric[i] else _LEFT,
            _text(column.printed),
        )


def _block(block: Block, kept: list[int], numeric: list[bool]) -> Iterator[Markup]:
    if block.title:
        title = Markup('<th scope="rowgroup" colspan="%s" %s>%s</th>')
        yield _tag("tr", title % (len(kept), _LEFT, _text(block.title)))
    for row in block.rows:
        yield _tag("tr", *(_cell(row[i], not i, numeric[i]) for i in kept))


def _cell(cell: Cell, is_first: bool, is_numeric: bool) -> Markup:
    text = _text(cell.text)
    marked = _tag("b", text) if cell.mark in _MARKED else text
    after = (Markup(" ") + _tag("small", _text(cell.tail))) if cell.tail else Markup("")
    side = _NUMBER if is_numeric else _LEFT
    form = '<th scope="row" %s>%s%s</th>' if is_first else "<td %s>%s%s</td>"
    return Markup(form) % (side, marked, after)


def _tag(name: str, *content: Markup) -> Markup:
    return Markup(f"<{name}>%s</{name}>") % _joined(content)


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def _text(text: str) -> Markup:
    return escape(xml_text(text))
