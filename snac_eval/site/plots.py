"""Quality over bitrate: one drawing for each board and metric, and the table of what it shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from snac_eval.reports.cells import Cell, Column, Grid, metric_column, number
from snac_eval.reports.html import plots
from snac_eval.reports.html.groups import Shown, heading, letter
from snac_eval.reports.text import format_value, metric_title, span
from snac_eval.results.families import families
from snac_eval.results.ranking import unbeaten
from snac_eval.results.record import Run
from snac_eval.results.stats import Interval
from snac_eval.site.bands import rate_of
from snac_eval.site.boards import Board, Row, Standing
from snac_eval.site.pages import codec_address

_X_LABEL = "bitrate [kbps]"
_NOTES = ("Below a mean stands its 95 % interval.",)
READING = (
    "Bars are 95 % intervals of the mean; means of few speakers or clips have none. The dashed line"
    " joins the codecs that, by their means, no other one beats on both axes; other lines join one"
    " codec at its rates. Colour and shape are the codec's, the letter says which row it is."
)
"""How to read every drawing."""


@dataclass(frozen=True, slots=True)
class Look:
    """How runs are told apart on all pages: a letter each, a colour and a shape for each series."""

    letters: Mapping[str, str]
    """By the run's name."""
    series: Mapping[str, str]
    """By the run's name, what it is one rate of."""
    colours: Mapping[str, int]
    """By series."""

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Look:
        """Of all runs of the site; those of one name share a letter."""
        found = families(runs)
        rates = {run: rate_of(run).kbps for run in runs}
        ordered = sorted(runs, key=lambda run: (found[run], *_last_without(rates[run]), run.name))
        names = list(dict.fromkeys(run.name for run in ordered))
        series = {run.name: found[run] for run in reversed(ordered)}
        kinds = dict.fromkeys(series[name] for name in names)
        return cls(
            letters={name: letter(place + 1) for place, name in enumerate(names)},
            series=series,
            colours={one: place for place, one in enumerate(kinds)},
        )

    @property
    def places(self) -> dict[str, int]:
        """By the run's name, its place in the order of letters."""
        return {name: place for place, name in enumerate(self.letters)}

    def shown(self, run: Run) -> Shown:
        """The run with its letter and colour."""
        return Shown(run, self.letters[run.name], self.colours[self.series[run.name]])


@dataclass(frozen=True, slots=True)
class RatePlot:
    """One metric of a board over bitrate."""

    metric: str
    title: str
    svg: Markup
    table: Grid
    """What is drawn, a row for each codec."""
    notes: tuple[str, ...]
    """What is not drawn, and why."""


def rate_plots(
    board: Board, look: Look, root: str, metrics: Iterable[str] | None = None
) -> Iterator[RatePlot]:
    """The drawings of a board: of ``metrics``, or of all that say how good a codec is.

    ``root`` is the way from the page to the site's root (:attr:`~snac_eval.site.pages.Page.root`).
    """
    for name in board.ranked if metrics is None else metrics:
        if any(row.rate.kbps > 0 for row, _ in _drawn(board, name)):
            yield _plot(board, name, look, root)


def _plot(board: Board, metric: str, look: Look, root: str) -> RatePlot:
    info = board.infos[metric]
    rows = [(row, one) for row, one in _drawn(board, metric) if row.rate.kbps > 0]
    rows.sort(key=lambda found: found[0].rate.kbps)
    points = {row.run.name: _point(board, row, metric, look) for row, _ in rows}
    sign = 1.0 if info.higher_is_better else -1.0
    free = unbeaten([(row.rate.kbps, sign * mean) for row, mean in rows])
    best = [row.run.name for (row, _), kept in zip(rows, free, strict=True) if kept]
    lines: dict[str, list[plots.Point]] = {}
    for name, point in points.items():
        lines.setdefault(look.series[name], []).append(point)
    title = f"{metric_title(info)} over bitrate, {board.title}"
    said = f"{title}: {_words(rows)}"
    svg = plots.plane(
        list(points.values()),
        [points[name] for name in best],
        _X_LABEL,
        heading(info),
        said,
        [line for line in lines.values() if len(line) > 1],
    )
    table = _table(board, metric, [row for row, _ in rows], set(best), look, root)
    # Our own drawing: its texts were escaped when it was written as XML.
    return RatePlot(metric, title, Markup(svg), table, tuple(_not_drawn(board, metric)))


def _drawn(board: Board, metric: str) -> Iterator[tuple[Row, float]]:
    """The rows whose means may be compared, and their means: those of the largest measure."""
    for row in board.rows:
        one = row.standings.get(metric)
        if one is None or math.isnan(one.mean):
            continue
        if one.measure is board.measures[metric][0]:
            yield row, one.mean


def _not_drawn(board: Board, metric: str) -> Iterator[str]:
    drawn = {row.run.name for row, _ in _drawn(board, metric)}
    for row in board.rows:
        one = row.standings.get(metric)
        if one is not None and row.run.name not in drawn:
            yield f"Not drawn: {row.run.name}: {one.measure.lost or one.measure.other}."
        elif one is not None and not row.rate.kbps > 0:
            yield f"Not drawn: {row.run.name}: {row.rate.problem or 'its bitrate is 0'}."


def _point(board: Board, row: Row, metric: str, look: Look) -> plots.Point:
    one, name = row.standings[metric], row.run.name
    ends = _ends(one.interval)
    said = span(*ends)
    within = "" if math.isnan(ends[0]) else f" ({said})"
    words = f"{name}: {format_value(one.mean)}{within} at {format_value(row.rate.kbps)} kbps"
    colour = look.colours[look.series[name]]
    return plots.Point(look.letters[name], colour, words, row.rate.kbps, one.mean, *ends)


def _ends(interval: Interval | None) -> tuple[float, float]:
    """Of an interval that is worth its bars: that of two or three speakers can be ten times as long
    as the plot is high."""
    if interval is None or interval.claim == "too few":
        return math.nan, math.nan
    return interval.low, interval.high


def _words(rows: Sequence[tuple[Row, float]]) -> str:
    """The drawing in a sentence."""
    codecs = f"{len(rows)} codecs" if len(rows) > 1 else "1 codec"
    ends = [
        f"{row.run.name} at {format_value(row.rate.kbps)} kbps has {format_value(mean)}"
        for row, mean in (rows[0], rows[-1])[: len(rows)]
    ]
    return f"{codecs}; {', '.join(ends)}. The table has every value"


def _table(
    board: Board, metric: str, rows: Sequence[Row], best: set[str], look: Look, root: str
) -> Grid:
    info = board.infos[metric]
    columns = [
        Column("letter"),
        Column("codec"),
        Column("bitrate", "kbps"),
        metric_column(info),
        Column("not beaten"),
    ]
    cells = [
        [
            Cell(look.letters[row.run.name]),
            Cell(row.run.name, href=root + codec_address(row.run)),
            number(row.rate.kbps),
            _mean(row.standings[metric]),
            Cell("yes" if row.run.name in best else ""),
        ]
        for row in rows
    ]
    caption = f"What is drawn: {metric_title(info)} over bitrate, {board.title}"
    return Grid.of(columns, cells, caption, _NOTES, f"rate-{board.domain}-{metric}")


def _mean(one: Standing) -> Cell:
    ends = _ends(one.interval)
    within = "" if math.isnan(ends[0]) else span(*ends)
    return Cell(format_value(one.mean), within, key=one.mean)


def _last_without(kbps: float) -> tuple[bool, float]:
    return (True, 0.0) if math.isnan(kbps) else (False, kbps)
