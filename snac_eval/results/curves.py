"""The data of figures: runs as points, joined to the curves of one codec.

A panel is one metric of the runs of one dataset. Its numbers are those of the paper's table: means
over the clips that all of its runs scored, with the same intervals
(:class:`~snac_eval.results.ranking.Contest`). A run that lost clips is drawn and marked; one that
has no point at all is named with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from snac_eval.codecs.losses import BIT_ERRORS, PACKET_LOSS
from snac_eval.errors import UsageError
from snac_eval.registry import plugins
from snac_eval.results.conditions import LOSSES, share_lost
from snac_eval.results.families import (
    families,
    named_by_title,
    nominal_bitrate,
    num_streams,
    training_step,
)
from snac_eval.results.pairing import Loss, Shared, losses, shared
from snac_eval.results.ranking import BITRATE, Contest, quality_metrics, speed_columns
from snac_eval.results.record import Run, check_names, first_info, metric_names
from snac_eval.results.stats import Interval
from snac_eval.types import MetricInfo

SPEED, STREAMS, STEP = "speed", "streams", "step"
WORDS = (BITRATE, SPEED, STREAMS, STEP, *LOSSES)
"""What x can be beside the name of a metric."""
_FIRST = ("pesq_wb", "visqol_speech", "visqol_audio", "mel_dac_paper")


@dataclass(frozen=True, slots=True)
class Axis:
    """What the points of a figure lie over."""

    name: str
    """A metric, or one of :data:`WORDS`."""
    columns: tuple[str, ...] = ()
    """The metrics whose means add up to x; none where x is no metric."""
    info: MetricInfo | None = None
    """Of the only column, or of the first."""

    @property
    def is_choice(self) -> bool:
        """Whether x is what was chosen of a codec, so that its points are joined in order of x."""
        return self.is_rate or self.name in (STREAMS, STEP, *LOSSES)

    @property
    def is_rate(self) -> bool:
        """Whether x is bits a second."""
        return self.info is not None and self.info.unit == "kbps"

    @property
    def is_ratio(self) -> bool:
        """Whether twice as much means the same anywhere on it, as of rates and of speeds."""
        return self.is_rate or (self.info is not None and bool(self.info.speed))


@dataclass(frozen=True, slots=True)
class Point:
    """One run in one panel."""

    run: Run
    x: float
    """NaN where the panel has no x."""
    mean: float
    """Over the panel's clips; of a metric of all clips together, its score."""
    values: tuple[float, ...] = ()
    """The score of each of the panel's clips."""
    interval: Interval | None = None
    """95 % interval of the mean; None for a score of all clips together."""
    lost: bool = False
    """Whether the run lost clips of which another has a score."""

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval's, where they mean something: that of two or three units can be ten times as
        long as the plot is high."""
        if self.interval is None or self.interval.claim == "too few":
            return None
        return self.interval.low, self.interval.high


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one codec: in order of x where x is a rate, streams, steps or losses, else in
    order of the rates that their cards state."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric of the runs of one dataset."""

    dataset: str
    info: MetricInfo
    num_clips: int
    """How many clips all of its runs scored."""
    curves: tuple[Curve, ...]
    lost: tuple[Loss, ...] = ()
    left_out: tuple[str, ...] = ()
    """A sentence for each run that has no point."""

    @property
    def points(self) -> list[Point]:
        """Those of all curves."""
        return [point for curve in self.curves for point in curve.points]


def axis(name: str, runs: Sequence[Run]) -> Axis:
    """The axis of this name. Raises UsageError for a name that is neither a word nor a metric."""
    columns: dict[str, tuple[str, ...]] = dict.fromkeys(WORDS, ())
    columns |= {BITRATE: (BITRATE,), SPEED: speed_columns(runs)}
    known = metric_names(*runs)
    if name not in (names := {*WORDS, *known}):
        raise UsageError(plugins.unknown_name(name, names, "x", ""))
    metrics = columns.get(name, (name,))
    measured = metrics and metrics[0] in known
    return Axis(name, metrics, first_info(runs, metrics[0]) if measured else None)


def default_x(runs: Sequence[Run]) -> str:
    """What a figure is over unasked: the losses, where every codec has several of them, else the
    bitrate."""
    for name in LOSSES:
        family, shares = families(named_by_title(runs), over_loss=name), dict[str, set[float]]()
        for run, line in family.items():
            shares.setdefault(line, set()).add(share_lost(run, name))
        if shares and all(len(one) > 1 for one in shares.values()):
            return name
    return BITRATE


def default_metrics(runs: Sequence[Run]) -> tuple[str, ...]:
    """The metrics that a figure shows unasked: two of one dataset, one of each of several. Raises
    UsageError where no metric tells quality."""
    datasets = dict.fromkeys(run.dataset for run in runs)
    found = dict[str, None]()
    for dataset in datasets:
        group = [run for run in runs if run.dataset == dataset]
        scored = [name for name in quality_metrics(group) if _is_scored(group, name)]
        first = [name for name in _FIRST if name in scored] or scored
        found |= dict.fromkeys(first[: 1 if len(datasets) > 1 else 2])
    if not found:
        raise UsageError("these runs have no score of quality; name a metric to draw")
    return tuple(found)


def panels(
    runs: Sequence[Run], metrics: Sequence[str], x: str = ""
) -> tuple[tuple[Panel, ...], Axis | None, tuple[str, ...]]:
    """A panel for each dataset and each of its metrics; the axis (``x`` "": none, for plots of
    clips); and what cannot be drawn, a sentence each.

    Raises UsageError for a name that no run has, for runs that do not compare, and where there is
    nothing to draw, with the reason.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    check_names(metrics, *runs)
    if x in metrics:
        raise UsageError(f"{x} over {x} says nothing; choose another metric or another x")
    over = axis(x, runs) if x else None
    if x in LOSSES and not any(share_lost(run, x) for run in runs):
        raise UsageError(f"nothing to draw: no run has @{x}{_HINTS[x]}")
    named = named_by_title(runs)
    curve_of = families(named, by_step=x == STEP, over_loss=x if x in LOSSES else "")
    found, notes = list[Panel](), list[str]()
    for dataset in dict.fromkeys(run.dataset for run in named):
        group = [run for run in named if run.dataset == dataset]
        for name in dict.fromkeys(metrics):
            why = {run: _without(run, name, over) for run in group}
            if all(why.values()):
                first = why[group[0]]
                notes.append(f"{dataset}: no panel of {name} ({group[0].name}: {first})")
            else:
                found.append(_panel(group, why, name, over, curve_of))
    if not found:
        raise UsageError(f"nothing to draw: {notes[0]}{_HINTS.get(x, '')}")
    return tuple(found), over, tuple(f"{note}." for note in notes)


def _panel(
    group: Sequence[Run],
    why: Mapping[Run, str],
    metric: str,
    over: Axis | None,
    curve_of: Mapping[Run, str],
) -> Panel:
    """The panel of those runs that ``why`` has no reason to leave out."""
    runs = [run for run in group if not why[run]]
    info, lost = first_info(runs, metric), losses(group, metric)
    columns = [metric, *(over.columns if over is not None else ())]
    whole = [name for name in columns if first_info(runs, name).kind == "corpus"]
    found = shared(runs, *(name for name in columns if name not in whole))
    if problem := found.problem or _unlike(runs, whole):
        what = " and ".join(dict.fromkeys(columns))
        raise UsageError(f"{what} on {group[0].dataset} cannot share a panel: {problem}")
    losers = {loss.run for loss in lost}
    points = [_point(run, info, over, found, run.name in losers) for run in runs]
    clips = runs[0].metrics[metric].counts[0] if metric in whole else len(found.clips)
    left_out = tuple(f"{run.name}: {reason}" for run, reason in why.items() if reason)
    curves = tuple(_joined(points, curve_of, over))
    return Panel(group[0].dataset, info, clips, curves, lost, left_out)


def _point(run: Run, info: MetricInfo, over: Axis | None, found: Shared, lost: bool) -> Point:
    x = math.nan if over is None else _x(run, over, found)
    if info.kind == "corpus":
        return Point(run, x, _mean(run, info.name, found), lost=lost)
    one = Contest(info, [run], found)
    return Point(run, x, one.mean(run), tuple(one.values(run)), one.interval(run), lost)


def _x(run: Run, over: Axis, found: Shared) -> float:
    if over.name == STREAMS:
        return num_streams(run)
    if over.name in LOSSES:
        return share_lost(run, over.name) * (100 if over.name == PACKET_LOSS else 1)
    if over.name == STEP:
        step = training_step(run)
        return math.nan if step is None else step
    return math.fsum(_mean(run, name, found) for name in over.columns)


def _mean(run: Run, metric: str, found: Shared) -> float:
    whole = run.metrics[metric].whole
    if whole is not None and whole.value is not None:
        return whole.value
    return found.mean(run, metric)


def _joined(
    points: Sequence[Point], curve_of: Mapping[Run, str], over: Axis | None
) -> Iterator[Curve]:
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(curve_of[point.run], []).append(point)
    for name, found in curves.items():
        rates = [nominal_bitrate(point.run) for point in found]
        along = (over is not None and over.is_choice) or any(map(math.isnan, rates))
        places = [point.x for point in found] if along else rates
        order = sorted(range(len(found)), key=places.__getitem__)
        yield Curve(name, tuple(found[place] for place in order))


def _without(run: Run, metric: str, over: Axis | None) -> str:
    """Why the run has no point; empty where it has one."""
    if over is not None and over.name == STREAMS and not num_streams(run):
        return "no streams of codes"
    if over is not None and over.name == STEP and training_step(run) is None:
        return "neither its weights' folder nor files:DIR names a step"
    if over is None and run.metrics.get(metric) and run.info(metric).kind == "corpus":
        return f"{metric} has no score per clip"
    names = (metric, *(over.columns if over is not None else ()))
    return next(filter(None, (_unscored(run, name) for name in names)), "")


def _unscored(run: Run, metric: str) -> str:
    if metric not in run.metrics:
        return f"{metric} was not measured"
    result = run.metrics[metric]
    if result.values or (result.whole is not None and result.whole.value is not None):
        return ""
    reasons = [result.whole] if result.whole is not None else list(result.missing.values())
    return f"no {metric}" + (f", {reasons[0].reason}" if reasons else "")


def _unlike(runs: Sequence[Run], metrics: Sequence[str]) -> str:
    """Why scores of all clips together do not compare; empty where they do."""
    for name in metrics:
        for other in runs[1:]:
            first = runs[0]
            mine, theirs = first.metrics[name], other.metrics[name]
            who = f"{first.name} and {other.name}"
            if mine.info.fingerprint != theirs.info.fingerprint:
                told = mine.info.fingerprint.difference(theirs.info.fingerprint)
                return f"{who}: {name} was measured in two ways: {told}"
            if mine.counts[0] != theirs.counts[0] or _audio(first) != _audio(other):
                return f"{who}: {name} is of other clips"
    return ""


def _audio(run: Run) -> dict[str, str]:
    return {clip: one.digest for clip, one in run.clips.items()}


def _is_scored(runs: Sequence[Run], metric: str) -> bool:
    return any(metric in run.metrics and run.metrics[metric].values for run in runs)


_HINTS = {
    STREAMS: "; run a codec of tokens as NAME@k=1, NAME@k=2 and so on",
    PACKET_LOSS: "; run with --packet-loss 0,0.05,0.1",
    BIT_ERRORS: "; run with --bit-errors 0,0.0001,0.001",
    STEP: "; name folders as step_1000: --weights ckpt/step_1000, or --model files:out/step_1000",
    BITRATE: "; --kind box needs no bitrate",
}
"""What can be done where no run has an x."""
