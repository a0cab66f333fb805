"""Which codecs are best: marks for a table, intervals of ranks, frontiers, and the worst clips.

A codec is marked best where it is not shown to be worse than the one with the best mean, second
where its mean is the best of the rest. "Shown" is the paired t-test of the mean over the clips that
all of them scored, Holm-corrected over every test of the table, so that no third decimal decides.
Speeds, rates, whatever was not measured alike, and what would hold for a few clips or speakers
alone are shown and not ranked; and where a run lost clips nobody is marked, ranked or on a
frontier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd

from snac_eval.results.pairing import Loss, Shared, losses, lost_by_metric, shared
from snac_eval.results.record import Run, first_info, metric_names
from snac_eval.results.stats import (
    Interval,
    holm,
    mean_interval,
    mean_of,
    paired_test,
    rank_intervals,
)
from snac_eval.types import MetricInfo

Mark = Literal["", "best", "second"]
ALPHA = 0.05
BITRATE = "bitrate"
# Encoding and decoding as a run measures them in passing, and as a bench does, alone.
_SPEEDS = (
    ("encode_real_time_factor", "decode_real_time_factor"),
    ("bench_encode_real_time_factor", "bench_decode_real_time_factor"),
)


@dataclass(slots=True)
class Contest:
    """One metric of the runs of one dataset."""

    info: MetricInfo
    runs: list[Run]
    """Those that have a score of some clip."""
    shared: Shared
    """The clips that they are compared on, or why they cannot be."""
    lost: tuple[Loss, ...] = ()
    """What runs lost, those without any score included: nobody is marked then."""
    marks: dict[str, Mark] = field(default_factory=dict)
    """By the run's name; empty where the contest is not ranked."""
    differs: dict[str, bool] = field(default_factory=dict)
    """By the run's name, whether it differs from the run that :func:`mark_against` was given; empty
    where nothing was tested."""

    @property
    def problem(self) -> str:
        """Why the runs cannot be compared; empty where they can."""
        return self.shared.problem if self.runs else ""

    def values(self, run: Run) -> list[float]:
        """Scores on the shared clips; on all that it scored where runs cannot be compared."""
        have = run.metrics[self.info.name].values
        return [have[clip] for clip in self._clips(have)]

    def interval(self, run: Run) -> Interval:
        """95 % interval of the mean of :meth:`values`."""
        clips = self._clips(run.metrics[self.info.name].values)
        speakers = [run.speaker(clip) for clip in clips]
        within = self.info.value_range
        return mean_interval(self.values(run), speakers, within, self.weights(run))

    def mean(self, run: Run) -> float:
        """Mean of :meth:`values`, pooled where clips have weights."""
        return mean_of(self.values(run), self.weights(run))

    def weights(self, run: Run) -> list[float]:
        """How much each of :meth:`values` counts; empty where all count alike."""
        result = run.metrics[self.info.name]
        return result.weights_of(self._clips(result.values))

    def _clips(self, have: Mapping[str, float]) -> Iterable[str]:
        return have if self.problem else self.shared.clips


@dataclass(frozen=True, slots=True)
class RankIntervals:
    """95 % interval of each run's rank by one metric, 1 best, on ``n`` clips scored in all."""

    metric: str
    n: int
    intervals: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """A run as a point: what it costs, what it gives, and whether no other run beats it."""

    run: str
    cost: float
    quality: float
    interval: Interval
    """Of the quality's mean."""
    on_frontier: bool


@dataclass(frozen=True, slots=True)
class Frontier:
    """Quality by ``metric`` over ``cost`` ("bitrate" or "speed"), on ``n`` clips scored in all."""

    metric: str
    cost: str
    n: int
    points: tuple[FrontierPoint, ...]


def contest(runs: Sequence[Run], metric: str, asked: bool = False) -> Contest:
    """The runs that have scores of this metric, and the clips that they share.

    ``asked``: the metric was asked for by name, and is ranked whatever it is.
    """
    having = [run for run in runs if metric in run.metrics and run.metrics[metric].values]
    found = shared(having, metric) if having else Shared()
    info = first_info(runs, metric)
    shown = replace(info, ranked=True) if asked else info
    return Contest(shown, having, found, losses(runs, metric))


def mark(contests: Sequence[Contest]) -> int:
    """Mark the contests that can be ranked. Returns how many tests that took."""
    ranked = [one for one in contests if _can_rank(one)]
    pairs = [
        (one, best, other)
        for one in ranked
        for best in [_best(one, one.runs)]
        for other in one.runs
        if other is not best
    ]
    p_values = holm([_p_value(*pair) for pair in pairs])
    for one in ranked:
        one.marks = {run.name: "best" for run in one.runs}
    for (one, _, other), p in zip(pairs, p_values, strict=True):
        if p < ALPHA:
            one.marks[other.name] = ""
    for one in ranked:
        if rest := [run for run in one.runs if not one.marks[run.name]]:
            one.marks[_best(one, rest).name] = "second"
    return len(pairs)


def mark_against(contests: Sequence[tuple[Contest, str]]) -> int:
    """Test every run of these contests against the one of that name, by the test that :func:`mark`
    makes, where the contest can be ranked. Returns how many tests that took."""
    pairs = [
        (one, reference, other)
        for one, name in contests
        if _can_rank(one)
        for reference in one.runs
        if reference.name == name
        for other in one.runs
        if other is not reference
    ]
    p_values = holm([_p_value(*pair) for pair in pairs])
    for (one, _, other), p in zip(pairs, p_values, strict=True):
        one.differs[other.name] = p < ALPHA
    return len(pairs)


def ranks(runs: Sequence[Run], metrics: Sequence[str]) -> Iterator[RankIntervals]:
    """Rank intervals of three runs or more, by every quality metric that enough speakers have."""
    if len(runs) < 3:
        return
    for name in quality_metrics(runs, metrics):
        found = shared(runs, name)
        if not found.clips or found.lost:
            continue
        scores = [found.values(run, name) for run in runs]
        weights = [found.weights(run, name) for run in runs]
        if mean_interval(scores[0], found.speakers).claim != "general":
            continue
        better = bool(first_info(runs, name).higher_is_better)
        intervals = rank_intervals(scores, better, found.speakers, weights if all(weights) else ())
        by_run = zip((run.name for run in runs), intervals, strict=True)
        yield RankIntervals(name, len(found.clips), dict(by_run))


def frontiers(runs: Sequence[Run], metrics: Sequence[str]) -> tuple[list[Frontier], list[str]]:
    """Quality over bitrate and over speed, for every quality metric; and what cannot be drawn."""
    found, notes = list[Frontier](), list[str]()
    for cost, columns in (("bitrate", (BITRATE,)), ("speed", speed_columns(runs))):
        if problem := _cost_problem(runs, columns):
            notes.append(f"No frontier over {cost}: {problem}.")
            continue
        drawn = (_frontier(runs, name, cost, columns) for name in quality_metrics(runs, metrics))
        found += [one for one in drawn if one is not None]
    for loss, names in lost_by_metric(runs, quality_metrics(runs, metrics)).items():
        notes.append(f"No frontier of {', '.join(names)}: {loss}.")
    return found, notes


def unbeaten(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Of points (cost, gain), whether no other costs no more, gives no less, and is better in one
    of both."""
    return [
        not any(
            other != point and other[0] <= point[0] and other[1] >= point[1] for other in points
        )
        for point in points
    ]


def tells_quality(info: MetricInfo) -> bool:
    """Whether a metric says how good a codec is, be it ranked unasked or not."""
    return replace(info, ranked=True).is_quality


def quality_metrics(runs: Sequence[Run], metrics: Sequence[str] = ()) -> list[str]:
    """Metrics with a score per clip that say how good a codec is: of ``metrics``, which were asked
    for by name, or of all that are ranked unasked."""
    infos = [first_info(runs, name) for name in metrics or metric_names(*runs)]
    return [
        info.name
        for info in infos
        if tells_quality(info) and (info.ranked or metrics) and info.kind != "corpus"
    ]


def worst_clips(runs: Sequence[Run]) -> list[str]:
    """Clips with a score, worst first: by the mean, over quality metrics and runs, of the clip's
    rank among all clips. Without a quality metric: in the order of the dataset."""
    rows = pd.concat([run.rows.assign(run=run.name) for run in runs])
    scored = rows[rows["status"] == "ok"]
    names = quality_metrics(runs)
    judged = scored[scored["metric"].isin(names)]
    if judged.empty:
        return list(dict.fromkeys(map(str, scored["clip_id"])))
    signs = {name: 1.0 if first_info(runs, name).higher_is_better else -1.0 for name in names}
    signed = judged.assign(signed=judged["value"] * judged["metric"].map(signs))
    within = signed.groupby(["run", "metric"])["signed"].rank(pct=True)
    mean = within.groupby(signed["clip_id"]).mean()
    return [str(clip) for clip in mean.sort_values(kind="stable").index]


def _can_rank(one: Contest) -> bool:
    if len(one.runs) < 2 or one.problem or one.lost or not one.info.is_quality:
        return False
    return one.interval(one.runs[0]).claim == "general"


def _best(one: Contest, among: Sequence[Run]) -> Run:
    sign = 1.0 if one.info.higher_is_better else -1.0
    return max(among, key=lambda run: sign * one.mean(run))


def _p_value(one: Contest, best: Run, other: Run) -> float:
    sides, weights = (one.values(best), one.values(other)), (one.weights(best), one.weights(other))
    return paired_test(*sides, one.shared.speakers, *weights)[1]


def speed_columns(runs: Sequence[Run]) -> tuple[str, str]:
    """The metrics whose sum is the speed: a run's, or a bench's where all have these alone."""
    return next(
        (names for names in _SPEEDS if all(name in run.metrics for run in runs for name in names)),
        _SPEEDS[0],
    )


def _cost_problem(runs: Sequence[Run], columns: Sequence[str]) -> str:
    problems = ((name, shared(runs, name).problem) for name in columns)
    return next((f"{name} of {problem}" for name, problem in problems if problem), "")


def _frontier(
    runs: Sequence[Run], metric: str, cost: str, columns: Sequence[str]
) -> Frontier | None:
    """The frontier on the clips that every run has scored; None where there is none."""
    found = shared(runs, metric, *columns)
    if not found.clips or found.lost:
        return None
    prices = [sum(found.mean(run, name) for name in columns) for run in runs]
    means = [found.mean(run, metric) for run in runs]
    sign = 1.0 if first_info(runs, metric).higher_is_better else -1.0
    free = unbeaten([(price, sign * mean) for price, mean in zip(prices, means, strict=True)])
    within = first_info(runs, metric).value_range
    points = []
    for run, price, mean, kept in zip(runs, prices, means, free, strict=True):
        values, weights = found.values(run, metric), found.weights(run, metric)
        interval = mean_interval(values, found.speakers, within, weights)
        points.append(FrontierPoint(run.name, price, mean, interval, kept))
    return Frontier(metric, cost, len(found.clips), tuple(points))
