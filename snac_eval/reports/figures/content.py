"""What a figure shows, and what its lines, panels and axes are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from snac_eval.codecs.losses import BIT_ERRORS, PACKET_LOSS
from snac_eval.errors import UsageError
from snac_eval.registry import plugins
from snac_eval.reports.text import metric_title
from snac_eval.results.curves import (
    SPEED,
    STEP,
    STREAMS,
    Axis,
    Curve,
    Panel,
    default_metrics,
    default_x,
    panels,
)
from snac_eval.results.record import Run
from snac_eval.types import MetricInfo

Kind = Literal["line", "box"]
KINDS: tuple[Kind, ...] = ("line", "box")
"""All kinds of figures."""
_X_TITLES = {
    STREAMS: "Streams of codes",
    STEP: "Training step",
    PACKET_LOSS: "Packet loss [%]",
    BIT_ERRORS: "Bit errors [share of bits]",
}


@dataclass(frozen=True, slots=True)
class Content:
    """What a figure shows."""

    kind: Kind
    panels: tuple[Panel, ...]
    """By dataset, then by metric."""
    over: Axis | None
    """What x is; None for boxes."""
    notes: tuple[str, ...] = ()
    """What could not be drawn."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the figure calls a codec, a line, a metric or a dataset instead."""

    @property
    def curves(self) -> list[str]:
        """The names of all lines, in the order of the runs."""
        return list(dict.fromkeys(curve.name for panel in self.panels for curve in panel.curves))

    def curves_of(self, name: str) -> list[Curve]:
        """The curves of this name, one in each panel that has it."""
        return [curve for panel in self.panels for curve in panel.curves if curve.name == name]

    def curve_text(self, curve: Curve) -> str:
        """What the legend calls a line."""
        codecs = {point.run.codec for point in curve.points}
        own = self.labels.get(next(iter(codecs))) if len(codecs) == 1 else None
        return self.labels.get(curve.name) or own or curve.name

    def run_text(self, run: Run) -> str:
        """What a box is called."""
        return self.labels.get(run.name) or self.labels.get(run.codec) or run.name

    def metric_text(self, info: MetricInfo) -> str:
        """The metric's name with its unit and an arrow towards better."""
        name = self.labels.get(info.name) or metric_title(info)
        return " ".join(filter(None, (name, info.unit_text, info.arrow)))

    def dataset_text(self, panel: Panel) -> str:
        """The title of a panel."""
        return self.labels.get(panel.dataset) or panel.dataset

    @property
    def texts(self) -> list[str]:
        """All of these."""
        found = [self.x_text]
        for panel in self.panels:
            found += [self.metric_text(panel.info), self.dataset_text(panel)]
            found += map(self.curve_text, panel.curves)
            found += [self.run_text(point.run) for point in panel.points]
        return list(dict.fromkeys(found))

    @property
    def x_text(self) -> str:
        """The title of x; empty for boxes."""
        if self.over is None:
            return ""
        if self.over.name == SPEED:
            alone = ", alone" if self.over.info and self.over.info.speed == "bench" else ""
            return self.labels.get(SPEED, f"Encoding + decoding{alone} [s per s of audio]")
        if self.over.info is None:
            return self.labels.get(self.over.name, _X_TITLES.get(self.over.name, self.over.name))
        return self.metric_text(self.over.info)


def content(
    runs: Sequence[Run],
    x: str = "",
    y: Sequence[str] = (),
    kind: Kind = "line",
    labels: Mapping[str, str] | None = None,
) -> Content:
    """What :func:`~snac_eval.reports.figures.plot` draws; arguments and errors as there."""
    if kind not in KINDS:
        raise UsageError(plugins.unknown_name(kind, KINDS, "kind of figure", ""))
    if kind == "box" and x:
        raise UsageError(f"boxes have no x; leave out {x}, or draw lines")
    over = x if kind == "box" else x or default_x(runs)
    found, axis, notes = panels(runs, y or default_metrics(runs), over)
    made = Content(kind, found, axis, notes, dict(labels or {}))
    _check_labels(made)
    return made


def _check_labels(made: Content) -> None:
    """Raise UsageError for a label of what is not in the figure."""
    points = [point for panel in made.panels for point in panel.points]
    curves = [curve for panel in made.panels for curve in panel.curves]
    axis = () if made.over is None else (made.over.name,)
    places = [name for panel in made.panels for name in (panel.dataset, panel.info.name)]
    known = {*axis, *places}
    known |= {name for point in points for name in (point.run.codec, point.run.name)}
    known |= {curve.name for curve in curves}
    for name in made.labels:
        if name not in known:
            raise UsageError(plugins.unknown_name(name, known, "name to label", ""))
        joined = next((curve for curve in curves if _is_point_of(name, curve)), None)
        if made.kind == "line" and joined is not None and name not in made.curves:
            raise UsageError(
                f"label {name}: it is one of the {len(joined.points)} points of the line"
                f" '{joined.name}'; label that"
            )


def _is_point_of(name: str, curve: Curve) -> bool:
    codecs = {point.run.codec for point in curve.points}
    names = codecs | {point.run.name for point in curve.points}
    return len(codecs) > 1 and name in names
