"""A figure of single ratings: a box a codec, its mean and the mean's interval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.errors import UsageError
from snac_eval.listening.reading import AbxReading, Reading
from snac_eval.reports.figures import save
from snac_eval.reports.figures.drawing import GRID, draw_box
from snac_eval.reports.figures.style import SMALL_PT, mark, shown, style, width_in, wrapped
from snac_eval.results.listeners.roles import RANGES, UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BOX_IN = 0.3
_MARGINS_IN = 0.7
_MOST_OF_NAMES = 0.4
_ANCHORS = "#666666"
CAPTION = (
    "Single ratings: median, quartiles, 5th and 95th percentile; dots are ratings, of more than 100"
    " those beyond. Diamonds are means with their 95 % intervals, for other listeners and clips."
)


def draw_boxes(reading: Reading, width: str | float = "single") -> Figure:
    """Boxes of the ratings that count, the reference first, then the best mean. Raises UsageError
    for a width that there is not."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from snac_eval.reports.figures.shown import ShownFigure

    ratings, inches = reading.screening.ratings, width_in(width)
    order = {"reference": 0, "codec": 1, "anchor": 2}
    names = sorted(reading.means, key=lambda one: order[ratings.roles[one]])
    with style(map(shown, names)):
        layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
        size = (inches, _MARGINS_IN + _BOX_IN * len(names))
        figure = ShownFigure(figsize=size, layout=layout)
        axes = figure.subplots()
        colours = iter(range(len(names)))
        for place, name in enumerate(names):
            is_codec = ratings.roles[name] == "codec"
            colour = mark(next(colours))["color"] if is_codec else _ANCHORS
            values = [row.value for row in ratings.rows if row.codec == name]
            draw_box(axes, values, place, colour)
            _mean(axes, reading, name, place)
        texts = [wrapped(shown(name), _MOST_OF_NAMES * inches) for name in names]
        axes.set_yticks(range(len(names)), texts)
        axes.set_ylim(len(names) - 0.4, -0.6)
        _dress(axes, reading)
    return figure


def save_boxes(reading: Reading, path: Path, width: str | float = "single") -> None:
    """Draw and write; the suffix says the format. Raises UsageError for one that there is not."""
    save(draw_boxes(reading, width), path)


def _mean(axes: Axes, reading: Reading, name: str, place: int) -> None:
    found = reading.means[name]
    if found.low == found.low and not found.too_few:
        ends = [found.low, found.high]
        axes.plot(ends, [place, place], color="black", linewidth=2.2, zorder=4)
    axes.plot(
        [found.mean],
        [place],
        marker="D",
        markersize=4.5,
        markerfacecolor="white",
        markeredgecolor="black",
        linestyle="",
        zorder=5,
    )


def _dress(axes: Axes, reading: Reading) -> None:
    scale = reading.screening.ratings.scale
    name, unit = UNITS[scale]
    axes.set_xlabel(f"{name} [{unit}] ↑" if unit else name)
    low, high = RANGES[scale]
    if high < float("inf"):
        room = 0.02 * (high - low)
        axes.set_xlim(low - room, high + room)
    if scale == "mushra":
        axes.set_xticks(range(0, 101, 20))
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.4)
    axes.tick_params(labelsize=SMALL_PT, width=0.6)
    axes.tick_params(axis="y", length=0)


def check_rated(reading: Reading | AbxReading) -> Reading:
    """The reading, if it can be drawn. Raises UsageError where it has no ratings."""
    if isinstance(reading, AbxReading):
        raise UsageError("an ABX test has no ratings to draw or to write; leave out the flag")
    return reading
