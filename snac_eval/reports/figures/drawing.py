"""Figures drawn by matplotlib, without a display and without pyplot's state.

The legend stands below the panels, where it covers nothing. Names are text whatever they hold:
nothing in them is read as mathematics.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snac_eval.codecs.losses import BIT_ERRORS, PACKET_LOSS
from snac_eval.reports.figures.content import Content, Kind, content
from snac_eval.reports.figures.style import (
    FONT_PT,
    PANEL_IN,
    SMALL_PT,
    inches_of,
    mark,
    shortened,
    shown,
    style,
    suffix,
    width_in,
    wrapped,
)
from snac_eval.results.curves import STEP, STREAMS, Axis, Curve, Panel
from snac_eval.results.record import Run
from snac_eval.writing import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_LOST = " †"
GRID = "#cccccc"
_LINE_IN = 0.16
"""Height of a line of the legend."""
_BOX_IN = 0.24
_LABELS_IN = 0.45
"""What an axis' numbers and title take beside it."""
_HANDLE_IN, _GAP_IN = 0.36, 0.14
"""Widths of what stands before a name in the legend, and between its columns."""
_MOST_OF_NAMES = 0.4
"""Of a panel's width, what the names of boxes may take."""
_MAX_TICKS = 9
_STEPS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (3, (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8)),
    (8, (1, 2, 3, 4, 6, 8)),
    (math.inf, (1, 2, 5)),
    (math.inf, (1,)),
)
"""Round numbers for axes whose end is less than so many times their beginning."""
_MAX_DOTS = 100
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": "snac-eval", "Producer": None},
    "svg": {"Date": None, "Creator": "snac-eval"},
    "png": {"Software": "snac-eval"},
}
"""Without a date, so that the same runs give the same file."""


def plot(
    runs: Sequence[Run],
    x: str = "",
    y: Sequence[str] = (),
    kind: Kind = "line",
    width: str | float = "single",
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """A figure of these runs: a panel for each dataset and each metric of ``y``.

    Args:
        runs: what :func:`~snac_eval.results.study.read_runs` gives.
        x: ``bitrate``, ``speed`` (encoding and decoding), ``streams``, ``step``, ``packet_loss``,
            ``bit_errors`` or a metric's name; none: losses where every codec has several, else
            bitrate. Boxes have none.
        y: metrics' names; none: the one or two that first tell quality.
        kind: ``line``, or ``box``: the clips of each run.
        width: ``single`` or ``double``, a paper's column or page, or centimetres.
        labels: other names for codecs, lines, metrics and datasets.

    Raises UsageError for a name that there is not, for runs that do not compare, and where there is
    nothing to draw.
    """
    return draw(content(runs, x, y, kind, labels), width)


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PDF, SVG or PNG, by the suffix; its fonts are embedded in a PDF, and its
    text stays text in an SVG. Raises UsageError for another suffix, OutputError where that fails.
    """
    kind = suffix(path)
    with style():
        write_file(
            path,
            lambda file: figure.savefig(file, format=kind, metadata=_METADATA[kind]),
        )


def draw(made: Content, width: str | float = "single") -> Figure:
    """The figure of this content; ``width`` as in :func:`plot`."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from snac_eval.reports.figures.shown import ShownFigure

    inches = width_in(width)
    with style([*map(shown, made.texts), _LOST]):
        grid = _grid(made, inches)
        heights = [_row_height(made, row, inches / len(row)) for row in grid]
        names = [] if made.kind == "box" else list(_legend(made, inches))
        per_row = _legend_columns(names, inches)
        height = sum(heights) + math.ceil(len(names) / per_row) * _LINE_IN
        layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.04, hspace=0.04)
        figure = ShownFigure(figsize=(inches, height), layout=layout)
        shape = (len(grid), len(grid[0]))
        ratios = {"height_ratios": heights}
        places = figure.subplots(*shape, squeeze=False, gridspec_kw=ratios)
        for row, axes, tall in zip(grid, places, heights, strict=True):
            _draw_row(axes, made, row, (inches / len(row), tall))
        if names:
            figure.legend(
                [_handle(made, number) for number in range(len(names))],
                names,
                loc="outside lower center",
                ncols=per_row,
                frameon=False,
                handlelength=2.8,
                handletextpad=0.5,
                columnspacing=_GAP_IN * 72 / SMALL_PT,
                borderaxespad=0.2,
                labelspacing=0.3,
            )
    return figure


def _grid(made: Content, inches: float) -> list[list[Panel | None]]:
    """Rows of panels: one for each dataset where all have the same metrics, and these fit side by
    side; None fills the last row."""
    fit = max(1, int(inches / PANEL_IN))
    metrics = len({panel.info.name for panel in made.panels})
    datasets = len({panel.dataset for panel in made.panels})
    by_dataset = len(made.panels) == metrics * datasets and 1 < metrics <= fit
    across = metrics if by_dataset else min(fit, len(made.panels))
    panels = [*made.panels, *[None] * (-len(made.panels) % across)]
    return [panels[start : start + across] for start in range(0, len(panels), across)]


def _row_height(made: Content, row: Sequence[Panel | None], inches: float) -> float:
    if made.kind == "line":
        return min(2.6, max(1.7, 0.72 * inches))
    return 0.65 + _BOX_IN * max(len(panel.points) for panel in row if panel is not None)


def _draw_row(
    places: Sequence[Axes],
    made: Content,
    row: Sequence[Panel | None],
    size: tuple[float, float],
) -> None:
    """``size``: width and height of a panel, in inches."""
    for place, (axes, panel) in enumerate(zip(places, row, strict=True)):
        if panel is None:
            axes.set_axis_off()
            continue
        metric = made.metric_text(panel.info)
        if made.kind == "box":
            before = row[place - 1] if place else None
            _draw_boxes(axes, made, panel, size[0])
            _name_axes(axes, metric, "", size)
            if before is not None and _runs(before) == _runs(panel):
                axes.tick_params(axis="y", labelleft=False)
        else:
            _draw_lines(axes, made, panel)
            _name_axes(axes, made.x_text, metric, size)
        if len({one.dataset for one in made.panels}) > 1:
            axes.set_title(_fitting(made.dataset_text(panel), size[0] - 2 * _LABELS_IN))
        axes.grid(axis="x" if made.kind == "box" else "both", color=GRID, linewidth=0.4)
        # Said to the axes, which make marks of their own when they are drawn.
        axes.tick_params(labelsize=SMALL_PT, width=0.6)


def _name_axes(axes: Axes, x: str, y: str, size: tuple[float, float]) -> None:
    axes.set_xlabel(_fitting(x, size[0] - _LABELS_IN))
    axes.set_ylabel(_fitting(y, size[1] - _LABELS_IN))


def _fitting(text: str, inches: float) -> str:
    """In large letters, in one line or two."""
    return wrapped(shown(text), inches * SMALL_PT / FONT_PT)


def _runs(panel: Panel) -> list[str]:
    return [point.run.name for point in panel.points]


def _draw_lines(axes: Axes, made: Content, panel: Panel) -> None:
    order = made.curves
    for curve in panel.curves:
        number = order.index(curve.name)
        _draw_curve(axes, curve, number)
    if made.over is not None:
        _scale(axes, made.over, [point.x for point in panel.points])
    axes.margins(y=0.08)


def _draw_curve(axes: Axes, curve: Curve, number: int) -> None:
    look = mark(number)
    colour = look["color"]
    if len(curve.points) > 1:
        xs, ys = [one.x for one in curve.points], [one.mean for one in curve.points]
        axes.plot(xs, ys, color=colour, linestyle=look["linestyle"], zorder=2)
    for point in curve.points:
        axes.plot([point.x], [point.mean], linestyle="", zorder=3, **_marker(number, point.lost))
        if point.ends is not None:
            low, high = point.ends
            reach = [[max(0.0, point.mean - low)], [max(0.0, high - point.mean)]]
            axes.errorbar(
                [point.x],
                [point.mean],
                yerr=reach,
                fmt="none",
                ecolor=colour,
                elinewidth=0.8,
                capsize=2,
                capthick=0.8,
                zorder=2,
            )


def _marker(number: int, lost: bool) -> dict[str, Any]:
    """Full, or hollow where the run lost clips."""
    look = mark(number)
    return {
        "marker": look["marker"],
        "color": look["color"],
        "markerfacecolor": "white" if lost else look["color"],
        "markeredgecolor": look["color"],
        "markeredgewidth": 1.0 if lost else 0.4,
    }


def _handle(made: Content, number: int) -> Line2D:
    """What stands beside the name of a line; of one that is a point everywhere, the point."""
    from matplotlib.lines import Line2D

    curves = made.curves_of(made.curves[number])
    joined = any(len(curve.points) > 1 for curve in curves)
    line: Any = mark(number)["linestyle"] if joined else ""
    return Line2D([], [], linestyle=line, **_marker(number, _lost(curves)))


def _legend(made: Content, inches: float) -> Iterator[str]:
    """What the legend calls each line, marked where one of its runs lost clips."""
    for name in made.curves:
        curves = made.curves_of(name)
        mark = _LOST if _lost(curves) else ""
        yield shortened(shown(made.curve_text(curves[0])), inches - 2 * _HANDLE_IN) + mark


def _lost(curves: Sequence[Curve]) -> bool:
    return any(point.lost for curve in curves for point in curve.points)


def _legend_columns(names: Sequence[str], inches: float) -> int:
    if not names:
        return 1
    widest = max(map(inches_of, names)) + _HANDLE_IN
    return max(1, min(len(names), int((inches + _GAP_IN) / (widest + _GAP_IN))))


def _draw_boxes(axes: Axes, made: Content, panel: Panel, inches: float) -> None:
    order = made.curves
    rows = [(order.index(curve.name), point) for curve in panel.curves for point in curve.points]
    for place, (number, point) in enumerate(rows):
        draw_box(axes, point.values, place, mark(number)["color"])
    names = [
        wrapped(shown(made.run_text(point.run)), _MOST_OF_NAMES * inches)
        + (_LOST if point.lost else "")
        for _, point in rows
    ]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def draw_box(axes: Axes, values: Sequence[float], place: int, colour: str) -> None:
    """A box of these values, lying at this height, and the values as dots."""
    import numpy as np

    p5, p25, median, p75, p95 = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    box = {"med": median, "q1": p25, "q3": p75, "whislo": p5, "whishi": p95}
    thin = {"color": colour, "linewidth": 0.9}
    axes.bxp(
        [box],
        positions=[place],
        widths=0.56,
        orientation="horizontal",
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "none", "edgecolor": colour, "linewidth": 0.9},
        whiskerprops=thin,
        capprops=thin,
        medianprops={"color": "black", "linewidth": 1.4},
        manage_ticks=False,
    )
    ordered = np.sort(np.asarray(values))
    if len(ordered) > _MAX_DOTS:
        ordered = ordered[(ordered < p5) | (ordered > p95)]
    if len(ordered) > _MAX_DOTS:
        ordered = ordered[np.linspace(0, len(ordered) - 1, _MAX_DOTS).round().astype(int)]
    heights = place + np.random.default_rng(0).uniform(-0.16, 0.16, len(ordered))
    axes.scatter(ordered, heights, s=5, color=colour, alpha=0.6, linewidths=0)


def _scale(axes: Axes, over: Axis, values: Sequence[float]) -> None:
    """Where x is a ratio, a logarithmic axis with plain numbers; whole numbers of streams."""
    from matplotlib.ticker import (
        EngFormatter,
        FixedLocator,
        FuncFormatter,
        MaxNLocator,
        NullLocator,
    )

    if over.is_ratio and min(values) > 0:
        low, high = min(values), max(values)
        room = max(1.3, (high / low) ** 0.06)
        axes.set_xscale("log")
        axes.set_xlim(low / room, high * room)
        axes.xaxis.set_major_locator(FixedLocator(_decades(low / room, high * room)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif over.name == STREAMS:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif over.name == PACKET_LOSS:
        axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))
    elif over.name == BIT_ERRORS:
        scale_from_zero(axes, values)
    elif over.name == STEP:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def scale_from_zero(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis of these shares, with a place for none. Some must be above 0."""
    from matplotlib.ticker import NullLocator

    low, high = min(value for value in values if value > 0), max(values)
    axes.set_xscale("symlog", linthresh=low, linscale=0.5)
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    ticks = [0.0, *(10.0**power for power in powers)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-low / 4, 1.5 * high)


def _decades(low: float, high: float) -> list[float]:
    """Round numbers between both: the fewer, the more powers of ten there are."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for most, steps in _STEPS:
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        within = [tick for tick in ticks if low <= tick <= high]
        if high / low < most and len(within) <= _MAX_TICKS:
            break
    return within
