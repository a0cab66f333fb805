"""What pages of codecs and of datasets have in common: standings, clips to hear."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from snac_eval.reports.cells import NONE, Cell, Column, Grid, count, metric_column
from snac_eval.reports.claims import INTERVALS
from snac_eval.reports.html.data import colour_scales, in_script
from snac_eval.reports.html.groups import Group
from snac_eval.reports.html.page import ShownClip, shown_clip
from snac_eval.reports.html.sound import ReportClip, fit
from snac_eval.reports.text import NOTHING, counts, floor_notes, format_value, pooled_notes, span
from snac_eval.site.boards import Board, Row, Standing
from snac_eval.site.layout import NO_DATA


def player_data() -> Markup:
    """What the scripts of a page with players read."""
    return in_script({**NO_DATA, **colour_scales()})


def playing(clips: Sequence[ReportClip], group: Group, max_bytes: int) -> list[ShownClip]:
    """The clips as templates show them, as long as these bytes allow."""
    return [
        shown_clip(group, clip, f"{group.key}-clip{place}")
        for place, clip in enumerate(fit(clips, max_bytes))
    ]


def standing_grid(board: Board, row: Row) -> Grid:
    """A codec on a board, metric by metric."""
    names = ("metric", "mean", "95 % interval", "rank in its band", "clips", "missing")
    columns = [*map(Column, (*names, "catastrophic", "measured as"))]
    rows = [_standing(one) for one in row.standings.values()]
    infos = [one.result.info for one in row.standings.values()]
    notes = [
        INTERVALS,
        *_marked(row),
        "Measured as: rows of a board compare where a metric's measure is the same.",
        *_unranked(row),
        *pooled_notes(infos),
        *floor_notes(infos),
    ]
    return filled(Grid.of(columns, rows, f"{row.run.name} on {board.title}", notes))


def filled(grid: Grid) -> Grid:
    """The grid less the columns in which nothing stands."""
    empty = (
        column.name
        for place, column in enumerate(grid.columns)
        if all(cells[place].text in ("", NOTHING) for cells in grid.rows)
    )
    return grid.without(*empty)


def _standing(one: Standing) -> list[Cell]:
    worst = one.result.num_catastrophic
    _, undefined, failed = one.result.counts
    lost = counts({why: n for why, n in (("undefined", undefined), ("failed", failed)) if n})
    low, high = (one.interval.low, one.interval.high) if one.interval else (math.nan, math.nan)
    return [
        Cell(metric_column(one.result.info).printed),
        Cell(format_value(one.mean), mark=one.mark, key=one.mean),
        NONE if math.isnan(low) else Cell(span(low, high), key=high - low),
        _rank(one),
        count(one.n),
        Cell(lost) if lost else NONE,
        NONE if worst is None else count(worst),
        Cell(one.measure.name),
    ]


def _rank(one: Standing) -> Cell:
    if one.rank is None:
        return NONE
    low, high = one.rank
    return Cell(str(low) if low == high else f"{low} to {high}", key=(low + high) / 2)


def _marked(row: Row) -> Iterator[str]:
    if any(one.mark for one in row.standings.values()):
        yield (
            "Bold: not shown to be worse than the best of its band; underlined: the best of the"
            " rest. The rank is its 95 % interval."
        )


def _unranked(row: Row) -> Iterator[str]:
    """Why metrics that rank codecs do not rank this one; a line for each reason."""
    found: dict[str, list[str]] = {}
    for name, one in row.standings.items():
        if one.unranked:
            found.setdefault(one.unranked, []).append(name)
    for why, names in found.items():
        yield f"No rank by {', '.join(names)}: {why}."
