"""The plots of a page of runs: quality over a cost, and how clips are spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from snac_eval.reports.figures.drawing import scale_from_zero
from snac_eval.reports.html.canvas import (
    MARKERS,
    NUM_COLOURS,
    SERIES,
    TEXT,
    figure,
    plain,
    svg,
)
from snac_eval.reports.text import format_value

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

MAX_DOTS = 100
_MANY = 12
"""Of more points the bars step back behind marks and letters."""
_BARS: Any = {"capsize": 3, "linewidth": 1.2}
_FAINT_BARS: Any = {"capsize": 2, "linewidth": 1, "alpha": 0.4}
_MARK = 3.5
"""Half the width of a mark, in points."""


@dataclass(frozen=True, slots=True)
class Series:
    """One run's values of one metric."""

    letter: str
    """Marks the run."""
    colour: int
    """Index into the page's colours; it wraps around."""
    name: str
    """The run's, for the tooltips."""
    values: Mapping[str, float]
    """By clip."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run in the plane: quality over bitrate, speed or losses."""

    letter: str
    """Marks the run."""
    colour: int
    """Index into the page's colours and into the shapes; both wrap around."""
    title: str
    """The tooltip."""
    x: float
    y: float
    low: float = math.nan
    """The lower end of the interval of ``y``; NaN: there is none."""
    high: float = math.nan


def distribution(series: Sequence[Series], label: str, dataset: str) -> str:
    """SVG of the values of one metric, one line per run: box of the quartiles, median, dots.

    Whiskers reach from the 5th to the 95th percentile. The dots are at most :data:`MAX_DOTS` clips,
    at evenly spaced ranks.
    """
    title = f"Distribution of {label}, {dataset}"
    with figure(title, 0.6 + 0.36 * len(series), left_in=0.25) as (drawn, axes):
        titles: dict[str, list[str]] = {}
        for line, one in enumerate(reversed(series)):
            gid = f"dots{line}"
            if one.values:
                titles[gid] = _draw_values(axes, one, line, gid)
        axes.set_ylim(-0.6, len(series) - 0.4)
        axes.set_yticks(range(len(series)), [one.letter for one in reversed(series)])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(plain(label))
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        return svg(drawn, title, titles)


def _draw_values(axes: Axes, series: Series, line: int, gid: str) -> list[str]:
    values = np.array(list(series.values.values()))
    p5, p25, median, p75, p95 = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    colour = SERIES[series.colour % NUM_COLOURS]
    box: dict[str, Any] = {"med": median, "q1": p25, "q3": p75, "whislo": p5, "whishi": p95}
    line_style = {"color": colour, "linewidth": 1.2}
    axes.bxp(
        [box],
        positions=[line],
        widths=0.5,
        orientation="horizontal",
        showfliers=False,
        boxprops=line_style,
        whiskerprops=line_style,
        capprops=line_style,
        medianprops={"color": TEXT, "linewidth": 1.6},
        manage_ticks=False,
    )
    order, clips = np.argsort(values, kind="stable"), list(series.values)
    if len(order) > MAX_DOTS:
        order = order[np.linspace(0, len(order) - 1, MAX_DOTS).round().astype(int)]
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(order))
    marks = axes.scatter(values[order], line + jitter, s=12, color=colour, alpha=0.65, linewidths=0)
    marks.set_gid(gid)
    return [f"{series.name}, {clips[one]}: {format_value(values[one])}" for one in order]


Scale = Literal["ratio", "shares", "plain"]
"""Of an x: logarithmic, logarithmic with a place for 0, or linear."""


def plane(
    points: Sequence[Point],
    frontier: Sequence[Point],
    x_label: str,
    y_label: str,
    title: str,
    lines: Sequence[Sequence[Point]] = (),
    scale: Scale = "ratio",
) -> str:
    """SVG of runs over x, with intervals; ``frontier`` is joined by steps, and each of ``lines`` by
    a line, in its order: the points of one codec at several rates or losses."""
    with figure(title, 3.0, left_in=0.62) as (drawn, axes):
        _place(axes, [point.x for point in points], scale)
        titles: dict[str, list[str]] = {}
        for index, point in enumerate(points):
            titles |= {_draw_point(axes, point, index, len(points) > _MANY): [point.title]}
        for line in lines:
            _draw_line(axes, line)
        if len(frontier) > 1:
            along = sorted(frontier, key=lambda point: point.x)
            xs, ys = [point.x for point in along], [point.y for point in along]
            axes.step(xs, ys, where="post", color=TEXT, linewidth=1, linestyle="--", zorder=1)
        axes.margins(y=0.14)
        axes.set_xlabel(plain(x_label))
        axes.set_ylabel(plain(y_label))
        axes.grid()
        _draw_letters(axes, points)
        return svg(drawn, title, titles)


def _place(axes: Axes, values: Sequence[float], scale: Scale) -> None:
    from matplotlib.ticker import MaxNLocator

    if scale == "plain":
        axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))
    elif scale == "shares":
        scale_from_zero(axes, values)
    else:
        axes.set_xscale("log")
        axes.set_xlim(*_span(values))
        _decades(axes, values)


def _draw_line(axes: Axes, line: Sequence[Point]) -> None:
    """In the colour of its points; where they differ, in the text's, and fainter."""
    colours = {point.colour % NUM_COLOURS for point in line}
    colour, opacity = (SERIES[colours.pop()], 1.0) if len(colours) == 1 else (TEXT, 0.45)
    xs, ys = [point.x for point in line], [point.y for point in line]
    axes.plot(xs, ys, color=colour, linewidth=1.2, alpha=opacity, zorder=2)


def _draw_point(axes: Axes, point: Point, index: int, faint: bool) -> str:
    """Draw it, every part marked as its codec's; ``faint``: the bar of its interval steps back.
    Returns what its mark is known by."""
    colour = SERIES[point.colour % NUM_COLOURS]
    parts: list[Artist] = []
    if not math.isnan(point.low):
        reach = [[max(0.0, point.y - point.low)], [max(0.0, point.high - point.y)]]
        style = _FAINT_BARS if faint else _BARS
        bars = axes.errorbar([point.x], [point.y], yerr=reach, color=colour, **style)
        parts += bars.get_children()
    # Where colours come round again, shapes are others than the first time.
    marker = MARKERS[(point.colour + point.colour // NUM_COLOURS) % len(MARKERS)]
    parts.append(axes.scatter([point.x], [point.y], s=42, color=colour, marker=marker, zorder=3))
    for number, part in enumerate(parts):
        part.set_gid(f"codec-{point.letter}-{index}-{number}")
    return str(parts[-1].get_gid())


def _draw_letters(axes: Axes, points: Sequence[Point]) -> None:
    """Each beside its mark, where it hides the least of other letters and marks."""
    axes.autoscale_view()
    per_inch = 72 / axes.figure.dpi
    spots = [axes.transData.transform((point.x, point.y)) * per_inch for point in points]
    taken = [_Box(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in spots]
    for index, (point, (x, y)) in enumerate(zip(points, spots, strict=True)):
        boxes = [box.moved(x, y) for box in _around(len(point.letter))]
        hidden = [sum(box.shared(other) for other in taken) for box in boxes]
        found = boxes[hidden.index(min(hidden))]
        taken.append(found)
        letter = axes.annotate(
            point.letter,
            (point.x, point.y),
            xytext=(found.left - x, found.low - y + 2),
            textcoords="offset points",
            fontweight="bold",
        )
        letter.set_gid(f"codec-{point.letter}-{index}-letter")


@dataclass(frozen=True, slots=True)
class _Box:
    """A part of a drawing, in points."""

    left: float
    low: float
    right: float
    high: float

    def moved(self, x: float, y: float) -> _Box:
        return _Box(self.left + x, self.low + y, self.right + x, self.high + y)

    def shared(self, other: _Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.high, other.high) - max(self.low, other.low)
        return max(0.0, width) * max(0.0, height)


def _around(num_letters: int) -> list[_Box]:
    """Where letters may stand around a mark, the best place first."""
    width, height = 7.0 * num_letters, 9.0
    corners = [
        (6.0, 3.0),
        (6.0, -12.0),
        (-6.0 - width, 3.0),
        (-6.0 - width, -12.0),
        (-width / 2, 8.0),
        (-width / 2, -17.0),
        (8.0, -4.0),
        (-8.0 - width, -4.0),
        (6.0, 14.0),
        (-6.0 - width, 14.0),
        (6.0, -23.0),
        (-6.0 - width, -23.0),
    ]
    return [_Box(x, y, x + width, y + height) for x, y in corners]


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a logarithmic axis, with room beside the marks even where there is only one."""
    low, high = min(values), max(values)
    room = max(1.3, (high / low) ** 0.12)
    return low / room, high * room


def _decades(axes: Axes, values: Sequence[float]) -> None:
    """Plain numbers at 1, 2 and 5 times the powers of ten that the values span."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = math.floor(math.log10(min(values))) - 1, math.ceil(math.log10(max(values))) + 1
    ticks = [step * 10.0**power for power in range(low, high + 1) for step in (1, 2, 5)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
