"""Which codec is better, on which metric, and is that shown or noise: ``snac-eval compare``.

Every two runs are paired clip by clip. The sign-flip test's p-values are corrected together, over
all metrics and all pairs of runs (Holm). What else a machine does shifts the speeds of all clips of
a run alike, and no test over clips can see that: speeds that a run measured in passing are shown
and not tested, and those of a bench are called different only beyond their tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Literal

import numpy as np

from snac_eval.errors import UsageError
from snac_eval.results.record import (
    Pairs,
    ScoredRun,
    check_names,
    is_speed,
    metric_info,
    metric_names,
    pair,
)
from snac_eval.results.stats import PERMUTATIONS, Unit, holm, paired_difference, rank_intervals
from snac_eval.results.tolerances import Tolerance, Tolerances, direction

Verdict = Literal[
    "better", "worse", "different", "no difference shown", "not comparable", "not tested"
]
BITRATE = "bitrate"
_SPEEDS = (
    ("encode_real_time_factor", "decode_real_time_factor"),
    ("bench_encode_real_time_factor", "bench_decode_real_time_factor"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two runs: ``difference`` is first minus second, over ``n`` clips.

    Where ``relative`` it and its interval are shares (0.1: the first is 10 % higher). ``low`` and
    ``high`` bound it at 95 % by bootstrap over ``num_units`` of ``unit``, ``t_low`` and ``t_high``
    by Student's t. ``p_value`` is of the sign-flip test, ``p_holm`` corrected, ``p_wilcoxon`` the
    uncorrected check. ``reason`` says why there is no verdict.
    """

    first: str
    second: str
    metric: str
    verdict: Verdict
    n: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    mean_first: float = math.nan
    mean_second: float = math.nan
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    t_low: float = math.nan
    t_high: float = math.nan
    relative: bool = False
    p_value: float = math.nan
    p_holm: float = math.nan
    p_wilcoxon: float = math.nan
    unit: Unit = "clip"
    num_units: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TellingClip:
    """A clip and how far apart two runs are on it: per metric, first minus second.

    ``strength`` is the mean over metrics of the difference in favour of the first, each in units
    of its root mean square over clips: -2 is a clip on which the first is far worse than usual.
    """

    clip: str
    strength: float
    differences: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """A run as a point: what it costs, what it gives, and whether no other run beats it."""

    run: str
    cost: float
    quality: float
    on_frontier: bool


@dataclass(frozen=True, slots=True)
class Frontier:
    """Quality by ``metric`` over ``cost`` ("bitrate" or "speed"), on ``n`` clips scored in all."""

    metric: str
    cost: str
    n: int
    points: tuple[FrontierPoint, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """95 % interval of each run's rank by one metric, 1 best, on ``n`` clips scored in all."""

    metric: str
    n: int
    intervals: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pairs of runs. ``clips`` holds the telling ones of each pair, most telling first;
    ``ranks`` is empty for two runs; ``notes`` say which frontiers could not be drawn, and why."""

    runs: tuple[ScoredRun, ...]
    alpha: float
    differences: tuple[Difference, ...]
    clips: Mapping[tuple[str, str], tuple[TellingClip, ...]]
    ranks: tuple[Ranking, ...]
    frontiers: tuple[Frontier, ...]
    notes: tuple[str, ...]


def compare(
    runs: Sequence[ScoredRun],
    tolerances: Tolerances,
    metrics: Sequence[str] = (),
    seed: int = 0,
) -> Comparison:
    """Compare every two runs on every metric, or on ``metrics``.

    Raises UsageError for fewer than two runs and for a metric that none has.
    """
    if len(runs) < 2:
        raise UsageError("one run cannot be compared; give at least two run folders")
    runs = _named_apart(runs)
    check_names(tuple(metrics), *runs)
    names = list(metrics) or metric_names(*runs)
    questions = [(first, second, name) for first, second in combinations(runs, 2) for name in names]
    # Holm multiplies the smallest p-value by their number: with too few permutations none of many
    # questions could ever be answered.
    permutations = max(PERMUTATIONS, 100 * len(questions))
    raw = [
        _difference(first, second, name, tolerances, seed, permutations)
        for first, second, name in questions
    ]
    corrected = holm([one.p_value for one in raw])
    differences = [
        _with_verdict(replace(one, p_holm=p), tolerances)
        for one, p in zip(raw, corrected, strict=True)
    ]
    frontiers, notes = _frontiers(runs, names)
    return Comparison(
        runs=tuple(runs),
        alpha=tolerances.alpha,
        differences=tuple(differences),
        clips={
            (first.name, second.name): _telling(first, second, names, tolerances)
            for first, second in combinations(runs, 2)
        },
        ranks=tuple(_ranks(runs, names, seed)),
        frontiers=tuple(frontiers),
        notes=tuple(notes),
    )


def _named_apart(runs: Sequence[ScoredRun]) -> list[ScoredRun]:
    """Runs by their codec where that tells them apart, else by folder, else numbered."""
    for names in ([run.codec for run in runs], [run.name for run in runs]):
        if len(set(names)) == len(names):
            return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]
    return [replace(run, name=f"{run.name} ({i})") for i, run in enumerate(runs, start=1)]


def _difference(
    first: ScoredRun,
    second: ScoredRun,
    name: str,
    tolerances: Tolerances,
    seed: int,
    permutations: int,
) -> Difference:
    pairs = pair(first, second, name)
    tolerance = tolerances.metrics.get(name, Tolerance(math.inf))
    blank = Difference(first.name, second.name, name, "not comparable")
    blank = replace(blank, left_out=pairs.left_out or {}, relative=tolerance.relative)
    if name in (*first.corpus_metrics, *second.corpus_metrics):
        return replace(blank, verdict="not tested", reason="no value per clip")
    if problem := pairs.problem or _problem(name, tolerance, pairs):
        return replace(blank, reason=problem)
    tested = paired_difference(
        tolerance.scale(pairs.first).tolist(),
        tolerance.scale(pairs.second).tolist(),
        pairs.speakers,
        seed,
        permutations=permutations,
    )
    interval = tested.interval
    shown = np.expm1 if tolerance.relative else np.float64
    reason = "one clip: nothing to test" if tested.n < 2 else ""
    if in_passing := name in _SPEEDS[0]:
        reason = "measured in passing; snac-eval bench tests speeds"
    return replace(
        blank,
        verdict="not tested" if in_passing else "no difference shown",
        n=tested.n,
        mean_first=float(np.mean(pairs.first)),
        mean_second=float(np.mean(pairs.second)),
        difference=float(shown(tested.mean)),
        low=float(shown(interval.low)),
        high=float(shown(interval.high)),
        t_low=float(shown(interval.t_low)),
        t_high=float(shown(interval.t_high)),
        p_value=math.nan if in_passing else tested.p_value,
        p_wilcoxon=math.nan if in_passing else tested.p_wilcoxon,
        unit=interval.unit,
        num_units=interval.num_units,
        reason=reason,
    )


def _problem(name: str, tolerance: Tolerance, pairs: Pairs) -> str:
    if metric_info(name) is None:
        return "this metric is not installed here"
    if tolerance.relative and min(*pairs.first, *pairs.second) <= 0:
        return "values that are not above zero have no ratio"
    return ""


def _with_verdict(one: Difference, tolerances: Tolerances) -> Difference:
    if one.reason or not one.p_holm <= tolerances.alpha:
        return one
    tolerance = tolerances.metrics.get(one.metric)
    # A rate is what a codec costs, not how good it is: the gate may want it low, a comparison
    # only says that it differs.
    higher_is_better = direction(one.metric, None)
    if is_speed(one.metric) and _within(one, tolerance):
        return replace(one, reason=f"within the {tolerance} by which runs of one codec differ")
    if higher_is_better is None:
        return replace(one, verdict="different")
    return replace(one, verdict="better" if (one.difference > 0) == higher_is_better else "worse")


def _within(one: Difference, tolerance: Tolerance | None) -> bool:
    if tolerance is None:
        return False
    size = math.log1p(one.difference) if one.relative else one.difference
    return abs(size) <= tolerance.size


def is_quality(name: str) -> bool:
    """Whether the metric says how good the audio is: it has a direction and is no speed."""
    return direction(name, None) is not None and not is_speed(name)


def _telling(
    first: ScoredRun, second: ScoredRun, names: Sequence[str], tolerances: Tolerances
) -> tuple[TellingClip, ...]:
    by_metric = dict(_quality_differences(first, second, names, tolerances))
    clips = dict.fromkeys(clip for _, by_clip in by_metric.values() for clip in by_clip)
    telling = []
    for clip in clips:
        have = {name: by_clip[clip] for name, (_, by_clip) in by_metric.items() if clip in by_clip}
        strength = float(np.mean([value * by_metric[name][0] for name, value in have.items()]))
        telling.append(TellingClip(clip, strength, have))
    return tuple(sorted(telling, key=lambda one: -abs(one.strength)))


def _quality_differences(
    first: ScoredRun, second: ScoredRun, names: Sequence[str], tolerances: Tolerances
) -> Iterator[tuple[str, tuple[float, dict[str, float]]]]:
    """Metric, and the factor that makes its differences comparable, and they by clip."""
    for name in filter(is_quality, names):
        pairs = pair(first, second, name)
        differences = np.subtract(pairs.first, pairs.second)
        if pairs.problem or not differences.any():
            continue
        sign = 1.0 if direction(name, tolerances.metrics.get(name)) else -1.0
        factor = sign / float(np.sqrt(np.mean(differences**2)))
        yield name, (factor, dict(zip(pairs.clips, differences.tolist(), strict=True)))


def _ranks(runs: Sequence[ScoredRun], names: Sequence[str], seed: int) -> Iterator[Ranking]:
    if len(runs) < 3:
        return
    for name in filter(is_quality, names):
        clips = _shared_clips(runs, (name,))
        if len(clips) < 2:
            continue
        scores = [[run.metrics[name].values[clip] for clip in clips] for run in runs]
        speakers = [runs[0].speakers.get(clip, "") for clip in clips]
        intervals = rank_intervals(scores, bool(direction(name, None)), speakers, seed)
        names_of_runs = [run.name for run in runs]
        yield Ranking(name, len(clips), dict(zip(names_of_runs, intervals, strict=True)))


def _shared_clips(runs: Sequence[ScoredRun], names: Sequence[str]) -> list[str]:
    """Clips that every run has scored by all of these metrics; none where they differ in kind."""
    pairs = [pair(first, second, name) for first, second in combinations(runs, 2) for name in names]
    if any(one.problem for one in pairs):
        return []
    scored = [set(one.clips) for one in pairs]
    return [clip for clip in pairs[0].clips if all(clip in clips for clips in scored)]


def _frontiers(runs: Sequence[ScoredRun], names: Sequence[str]) -> tuple[list[Frontier], list[str]]:
    quality = [name for name in names if is_quality(name)]
    found, notes = [], []
    for cost, columns in (("bitrate", (BITRATE,)), ("speed", _speed_columns(runs))):
        problem = _cost_problem(runs, cost, columns)
        if problem:
            notes.append(f"No frontier over {cost}: {problem}.")
            continue
        frontiers = (_frontier(runs, name, cost, columns) for name in quality)
        found += [frontier for frontier in frontiers if frontier is not None]
    return found, notes


def _speed_columns(runs: Sequence[ScoredRun]) -> tuple[str, ...]:
    return next(
        (names for names in _SPEEDS if all(name in run.metrics for run in runs for name in names)),
        _SPEEDS[0],
    )


def _cost_problem(runs: Sequence[ScoredRun], cost: str, columns: Sequence[str]) -> str:
    for first, second in combinations(runs, 2):
        for name in columns:
            if problem := pair(first, second, name).problem:
                return f"{name} of {first.name} and {second.name}: {problem}"
    return ""


def _frontier(
    runs: Sequence[ScoredRun], metric: str, cost: str, columns: Sequence[str]
) -> Frontier | None:
    """The frontier on the clips that every run has scored; None where there is none."""
    clips = _shared_clips(runs, (metric, *columns))
    if not clips:
        return None
    points = [
        (
            run.name,
            sum(_mean(run, name, clips) for name in columns),
            _mean(run, metric, clips),
        )
        for run in runs
    ]
    sign = 1.0 if direction(metric, None) else -1.0
    others = [(price, sign * gain) for _, price, gain in points]
    marked = [
        FrontierPoint(name, x, y, on_frontier=not _beaten((x, sign * y), others))
        for name, x, y in points
    ]
    return Frontier(metric, cost, len(clips), tuple(marked))


def _mean(run: ScoredRun, metric: str, clips: Sequence[str]) -> float:
    return float(np.mean([run.metrics[metric].values[clip] for clip in clips]))


def _beaten(point: tuple[float, float], others: Sequence[tuple[float, float]]) -> bool:
    """Whether another costs no more and gives no less, and is better in one of them."""
    return any(other != point and other[0] <= point[0] and other[1] >= point[1] for other in others)
