"""What is drawn of an agreement, for a paper and for a page alike: metric against rating, and every
metric's coefficient with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.reports.agreement.words import heading, with_interval
from snac_eval.reports.text import format_value, span
from snac_eval.results.agreement.p1401 import mapped_values
from snac_eval.results.agreement.shapes import Agreement, Coefficient, MetricAgreement, Point

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

MAX_POINTS = 600
"""So many clips of codecs a panel shows, evenly spread."""
_MOST_BARS = 150
"""Of more clips, the intervals of their ratings would cover everything."""
_CLEAR = "#ffffff00"
# With a colour, though none is seen, each mark is an element of its own that has a tooltip.
ROW_IN = 0.24
"""Height of a metric in the forest."""
FOREST_LABEL = (
    "Spearman's ρ with listeners: right of 0 agrees",
    "● over clips   ◇ over codecs' means   bars: 95 %",
)
"""Below the forest's axis."""


@dataclass(frozen=True, slots=True)
class Look:
    """Colours as matplotlib takes them, and how large marks are."""

    colours: Sequence[str]
    markers: Sequence[str]
    text: str
    grid: str
    good: str
    """Of metrics that agree, of those that contradict, and of those that show neither."""
    bad: str
    unclear: str
    area: float
    """Of a clip's mark, in square points; a codec's is four times as large."""

    def mark(self, index: int) -> tuple[str, str]:
        """Colour and marker of the codec of this number."""
        return self.colours[index % len(self.colours)], self.markers[index % len(self.markers)]


@dataclass(frozen=True, slots=True)
class Marks:
    """What was drawn of one codec."""

    codec: int
    """Its number."""
    collection: PathCollection
    tooltips: tuple[str, ...]
    """One a mark, in their order."""
    bars: Artist


def scatter(axes: Axes, one: MetricAgreement, codecs: Sequence[str], look: Look) -> list[Marks]:
    """Clips, small, and codecs' means, large, with the intervals of their ratings and the mapping
    of P.1401; its axes have no labels."""
    clips = thinned(one.points.get("clips", ()))
    means = one.points.get("codecs", ())
    marks = []
    for index, codec in enumerate(codecs):
        for points, is_mean in ((clips, False), (means, True)):
            own = [point for point in points if point.codec == codec]
            if own:
                with_bars = is_mean or len(clips) <= _MOST_BARS
                marks.append(_draw_codec(axes, own, index, look, is_mean, with_bars))
    _draw_fit(axes, one, look)
    axes.grid(color=look.grid, linewidth=0.4)
    return marks


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most :data:`MAX_POINTS` of them."""
    if len(points) <= MAX_POINTS:
        return list(points)
    places = np.linspace(0, len(points) - 1, MAX_POINTS).round().astype(int)
    return [points[place] for place in places]


def scatter_title(one: MetricAgreement) -> str:
    """``ρ = -0.10 (-0.29 to 0.07)``."""
    found = one.coefficients.get("clips", {}).get("spearman", Coefficient(math.nan))
    return f"ρ = {with_interval(found)}"


def forest(
    axes: Axes, metrics: Sequence[MetricAgreement], look: Look
) -> Iterator[tuple[PathCollection, str]]:
    """A row a metric, the first on top: Spearman's coefficient towards better, over clips (full)
    and over codecs (hollow), with intervals. Gives each mark and its tooltip."""
    axes.axvline(0, color=look.text, linewidth=0.8)
    for place, one in enumerate(metrics):
        colour = {"agrees": look.good, "contradicts": look.bad}.get(one.verdict, look.unclear)
        for level, shift, marker in (("clips", -0.13, "o"), ("codecs", 0.24, "D")):
            found = one.spearman(level)  # type: ignore[arg-type]
            if math.isnan(found.value):
                continue
            is_main = level == "clips"
            height = place + shift
            if not math.isnan(found.low):
                ends = [found.low, found.high]
                width, alpha = (2.0, 1.0) if is_main else (0.8, 0.6)
                axes.plot(ends, [height] * 2, color=colour, linewidth=width, alpha=alpha)
            drawn = axes.scatter(
                [found.value],
                [height],
                s=(2.2 if is_main else 1.1) * look.area,
                marker=marker,
                facecolors=colour if is_main else _CLEAR,
                edgecolors=colour,
                linewidths=0.9,
                zorder=3,
                clip_on=False,
            )
            yield drawn, f"{heading(one).title}, over {level}: {with_interval(found)}"
    axes.set_xlim(-1, 1)
    axes.set_ylim(len(metrics) - 0.5, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=look.grid, linewidth=0.4)


def codec_order(agreement: Agreement) -> list[str]:
    """The codecs, as they are numbered: by their mean rating, the best first."""
    rated = {
        point.codec: point.rating
        for one in agreement.metrics
        for point in one.points.get("codecs", ())
    }
    return sorted(agreement.codecs, key=lambda codec: -rated.get(codec, -math.inf))


def _draw_codec(
    axes: Axes, points: Sequence[Point], index: int, look: Look, is_mean: bool, with_bars: bool
) -> Marks:
    colour, marker = look.mark(index)
    known = [point for point in points if with_bars and not math.isnan(point.rating_low)]
    bars = axes.vlines(
        [point.score for point in known],
        [point.rating_low for point in known],
        [point.rating_high for point in known],
        color=colour,
        linewidth=1.4 if is_mean else 0.5,
        alpha=1.0 if is_mean else 0.3,
        zorder=3 if is_mean else 1,
    )
    collection = axes.scatter(
        [point.score for point in points],
        [point.rating for point in points],
        s=look.area * (4 if is_mean else 1),
        color=colour,
        marker=marker,
        alpha=1.0 if is_mean else 0.55,
        edgecolors=look.text if is_mean else "face",
        linewidths=0.7 if is_mean else 0,
        zorder=4 if is_mean else 2,
    )
    return Marks(index, collection, tuple(map(_tooltip, points)), bars)


def _tooltip(point: Point) -> str:
    who = f"{point.codec}, {point.clip or 'mean over clips'}"
    ends = span(point.rating_low, point.rating_high)
    said = f"{who}: {format_value(point.score)}, rated {format_value(point.rating)}"
    return f"{said} ({ends}) by {point.num_ratings} ratings"


def _draw_fit(axes: Axes, one: MetricAgreement, look: Look) -> None:
    mapped, points = one.mapped.get("clips"), one.points.get("clips", ())
    if mapped is None or not mapped.coefficients or not points:
        return
    scores = [point.score for point in points]
    xs = np.linspace(min(scores), max(scores), 80)
    ys = mapped_values(mapped.coefficients, xs)
    axes.plot(xs, ys, color=look.text, linewidth=1.1, linestyle="--", zorder=3)
