"""The plots of one dataset: which metrics, over what, and which of them stand large.

Over bitrate, over losses and clip by clip stands every metric of quality, over speed the main one
alone: each drawing takes a tenth of a second, and ``snac-eval plot`` draws any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from snac_eval.codecs.losses import BIT_ERRORS, PACKET_LOSS
from snac_eval.reports.html import plots
from snac_eval.reports.html.groups import Group, Shown, clip_metrics, heading, main_metric
from snac_eval.reports.text import format_value
from snac_eval.results.conditions import LOSSES, share_lost
from snac_eval.results.families import families
from snac_eval.results.ranking import Frontier, FrontierPoint, frontiers, quality_metrics
from snac_eval.results.record import first_info

Axis = Literal["bitrate", "speed", "spread", "loss"]
SHARES = {PACKET_LOSS: "packet loss [%]", BIT_ERRORS: "bit errors [share of bits]"}
COSTS = {"bitrate": "bitrate [kbps]", "speed": "compute s per s of audio, enc + dec"}
_ALONE = 3
"""So many distributions stand large where there is one run, which has no plane."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One plot, drawn."""

    axis: Axis
    """What it is over; "spread": the values of the clips."""
    metric: str
    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Drawings:
    """The plots of one dataset."""

    large: tuple[Drawing, ...]
    small: tuple[Drawing, ...]
    notes: tuple[str, ...]
    """What could not be drawn, and why."""


def draw(group: Group, main: str) -> Drawings:
    """Every plot of this dataset: quality over bitrate and speed, and how clips are spread; large
    those by the metric ``main``, or by another where the dataset has no values of it."""
    if not any(main in run.metrics and run.metrics[main].values for run in group.runs):
        main = main_metric(group.runs)
    planes, notes = _planes(group, main)
    drawn = [*planes, *_distributions(group, main)]
    if planes:
        large = [one for one in drawn if one.metric == main and one.axis != "speed"]
    else:
        large = [one for one in drawn if one.axis == "spread"][:_ALONE]
    small = [one for one in drawn if one not in large]
    return Drawings(tuple(large), tuple(small), tuple(notes))


def _planes(group: Group, main: str) -> tuple[list[Drawing], list[str]]:
    if len(group.runs) == 1:
        return [], []
    found, notes = frontiers(group.runs, quality_metrics(group.runs))
    order = {name: place for place, name in enumerate(clip_metrics(group.runs))}
    found = sorted(found, key=lambda one: order[one.metric])
    kept = [one for one in found if one.cost == "bitrate" or one.metric == main]
    losses = [name for name in LOSSES if any(share_lost(run, name) for run in group.runs)]
    over = [(one, name) for one in kept if one.cost == "bitrate" for name in losses]
    return [
        *(_over_loss(group, *each) for each in over),
        *(_plane(group, one) for one in kept),
    ], notes


def _over_loss(group: Group, frontier: Frontier, name: str) -> Drawing:
    """Quality over the losses, a line for each codec."""
    label, x_label = heading(first_info(group.runs, frontier.metric)), SHARES[name]
    curve_of, curves = families(group.runs, over_loss=name), dict[str, list[plots.Point]]()
    for one, found in zip(group.shown, frontier.points, strict=True):
        x = share_lost(one.run, name) * (100 if name == PACKET_LOSS else 1)
        point = _point(one, found, x, f"{x:.3g} {x_label}")
        curves.setdefault(curve_of[one.run], []).append(point)
    lines = [sorted(line, key=lambda point: point.x) for line in curves.values()]
    points = [point for line in lines for point in line]
    title = f"{label} over {x_label}, {group.dataset}"
    scale: plots.Scale = "plain" if name == PACKET_LOSS else "shares"
    svg = plots.plane(points, (), x_label, label, title, lines, scale)
    return Drawing("loss", frontier.metric, f"{frontier.metric} over {name}", Markup(svg))


def _point(one: Shown, found: FrontierPoint, x: float, where: str) -> plots.Point:
    title = f"{found.run}: {format_value(found.quality)} at {where}"
    # The interval of two or three speakers can be ten times as long as the plot is high.
    few = found.interval.claim == "too few"
    ends = (math.nan, math.nan) if few else (found.interval.low, found.interval.high)
    return plots.Point(one.letter, one.colour, title, x, found.quality, *ends)


def _plane(group: Group, frontier: Frontier) -> Drawing:
    label, x_label = heading(first_info(group.runs, frontier.metric)), COSTS[frontier.cost]
    points, front = list[plots.Point](), list[plots.Point]()
    curve_of, curves = families(group.runs), dict[str, list[plots.Point]]()
    for one, found in zip(group.shown, frontier.points, strict=True):
        if found.cost <= 0:
            continue
        point = _point(one, found, found.cost, f"{found.cost:.3g} {x_label}")
        points.append(point)
        front += [point] if found.on_frontier else []
        curves.setdefault(curve_of[one.run], []).append(point)
    title = f"{label} over {x_label}, {group.dataset}"
    axis: Axis = "bitrate" if frontier.cost == "bitrate" else "speed"
    along = curves.values() if axis == "bitrate" else ()
    lines = [sorted(line, key=lambda point: point.x) for line in along if len(line) > 1]
    svg = plots.plane(points, front, x_label, label, title, lines)
    return Drawing(axis, frontier.metric, f"{frontier.metric} over {frontier.cost}", Markup(svg))


def _distributions(group: Group, main: str) -> Iterable[Drawing]:
    """How the clips are spread by every metric of quality, and by the main one."""
    judging = {*quality_metrics(group.runs), main}
    for name in [one for one in clip_metrics(group.runs) if one in judging]:
        series = [
            plots.Series(one.letter, one.colour, one.run.name, one.run.metrics[name].values)
            for one in group.shown
            if name in one.run.metrics
        ]
        if len({value for one in series for value in one.values.values()}) > 1:
            label = heading(first_info(group.runs, name))
            # The SVG is our own drawing; its texts were escaped when it was written as XML.
            svg = Markup(plots.distribution(series, label, group.dataset))
            yield Drawing("spread", name, f"{name}, clip by clip", svg)
