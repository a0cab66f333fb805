"""Which codec is better, on which metric, and is that shown or noise: ``snac-eval compare``.

Runs of one dataset, or of datasets that share clips, are a section; in it every two runs are paired
clip by clip. The p-values of the paired t-tests are corrected together, over all metrics, pairs and
sections (Holm). Where no test shows a difference, or too few speakers allow none, but each clip
differs to one side by more than the metric's tolerance, the verdict is of these clips. What else a
machine does shifts the speeds of all clips of a run alike, and no test over clips can see that:
speeds that a run measured in passing are shown and not tested, and those of a bench are called
different only beyond their tolerance. Where a run lost clips, what is left is shown and not tested:
its mean is over the survivors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Literal

import numpy as np

from snac_eval.errors import UsageError
from snac_eval.results.pairing import (
    Loss,
    Pairs,
    have_clips_in_common,
    lost_by_metric,
    pair,
)
from snac_eval.results.ranking import Frontier, RankIntervals, frontiers, quality_metrics, ranks
from snac_eval.results.record import Run, check_names, first_info, metric_names, named_apart
from snac_eval.results.stats import (
    MIN_UNITS,
    Claim,
    Interval,
    Unit,
    holm,
    mean_of,
    paired_difference,
    units,
)
from snac_eval.results.tolerances import Tolerance, Tolerances
from snac_eval.types import MetricInfo

Verdict = Literal[
    "better",
    "worse",
    "better for this speaker",
    "worse for this speaker",
    "better on these clips",
    "worse on these clips",
    "different",
    "no difference shown",
    "clips lost",
    "not comparable",
    "not tested",
]


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two runs: ``difference`` is first minus second, over ``n`` clips.

    Where ``relative`` it and its interval are shares (0.1: the first is 10 % higher). ``low`` and
    ``high`` bound it at 95 % over ``num_units`` of ``unit``; ``claim`` says what they hold for.
    ``p_value`` is of the t-test of the mean to which the interval belongs, ``p_holm`` corrected;
    ``p_wilcoxon``, uncorrected, asks another question: whether most differ to one side; so does
    ``p_sign``, the exact sign test over units. ``num_higher`` and ``num_lower`` are on how many
    clips the first is higher and lower, and ``least`` is the smallest difference to either side.
    ``catastrophic_first`` and ``_second`` are how many clips of either run are worse than the
    metric's floor or failed, None without a floor. ``reason`` says why there is no verdict.
    """

    dataset: str
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
    relative: bool = False
    p_value: float = math.nan
    p_holm: float = math.nan
    p_wilcoxon: float = math.nan
    p_sign: float = math.nan
    num_higher: int = 0
    num_lower: int = 0
    least: float = math.nan
    unit: Unit = "clip"
    num_units: int = 0
    claim: Claim = "general"
    catastrophic_first: int | None = None
    catastrophic_second: int | None = None
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
class Section:
    """All pairs of the runs of one dataset."""

    dataset: str
    """Its name; those that share clips, joined."""
    runs: tuple[Run, ...]
    infos: Mapping[str, MetricInfo]
    """What the numbers of each metric mean."""
    differences: tuple[Difference, ...]
    clips: Mapping[tuple[str, str], tuple[TellingClip, ...]]
    """The telling clips of each pair of runs, most telling first."""
    ranks: tuple[RankIntervals, ...]
    """Empty for two runs."""
    frontiers: tuple[Frontier, ...]
    notes: tuple[str, ...]
    """Which runs are not finished, what must be known of their numbers, and which frontiers could
    not be drawn and why."""

    def lost(self, first: str, second: str) -> dict[Loss, list[str]]:
        """What these two runs lost, with the metrics that share it."""
        runs = [run for run in self.runs if run.name in (first, second)]
        return lost_by_metric(runs, self.infos)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pairs of runs, by dataset."""

    sections: tuple[Section, ...]
    alpha: float
    notes: tuple[str, ...] = ()
    """Which runs have nobody to be compared with."""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Of all sections."""
        return tuple(one for section in self.sections for one in section.differences)

    @property
    def is_answered(self) -> bool:
        """Whether any two runs could be compared by any metric."""
        return any(not math.isnan(one.p_holm) for one in self.differences)


def compare(
    runs: Sequence[Run],
    tolerances: Tolerances,
    metrics: Sequence[str] = (),
) -> Comparison:
    """Compare every two runs of each dataset on every metric, or on ``metrics``.

    Raises UsageError for fewer than two runs and for a metric that none has.
    """
    if len(runs) < 2:
        raise UsageError("one run cannot be compared; give at least two run folders")
    check_names(metrics, *runs)
    groups = _by_dataset(runs)
    compared = [group for group in groups if len(group) > 1]
    alone = [group[0] for group in groups if len(group) == 1] if compared else []
    # Where no two share a dataset, each pair says what differs.
    sections = [_section(group, tolerances, metrics) for group in compared or [list(runs)]]
    notes = (f"{run.codec} on {run.dataset}: no other run of this dataset" for run in alone)
    return Comparison(
        sections=_corrected(sections, tolerances),
        alpha=tolerances.alpha,
        notes=tuple(f"{note}, so nothing to compare it with." for note in notes),
    )


def _by_dataset(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in groups that share the dataset, by name or by clips."""
    groups: list[list[Run]] = []
    for run in runs:
        joined = [group for group in groups if any(_share(run, other) for other in group)]
        rest = [group for group in groups if group not in joined]
        groups = [*rest, [*(one for group in joined for one in group), run]]
    order = {id(run): index for index, run in enumerate(runs)}
    for group in groups:
        group.sort(key=lambda run: order[id(run)])
    return sorted(groups, key=lambda group: order[id(group[0])])


def _share(one: Run, other: Run) -> bool:
    return one.dataset == other.dataset or have_clips_in_common(one, other)


def _section(runs: Sequence[Run], tolerances: Tolerances, metrics: Sequence[str]) -> Section:
    """The pairs of these runs, whose p-values are not corrected yet."""
    runs = named_apart(runs)
    names = [name for name in metrics or metric_names(*runs) if _has(runs, name)]
    infos = [first_info(runs, name) for name in names]
    if metrics:
        infos = [replace(info, ranked=True) for info in infos]
    drawn, notes = frontiers(runs, names if metrics else ())
    dataset = ", ".join(dict.fromkeys(run.dataset for run in runs))
    pairs = list(combinations(runs, 2))
    raw = [_difference(dataset, *two, info, tolerances) for two in pairs for info in infos]
    return Section(
        dataset=dataset,
        runs=tuple(runs),
        infos={info.name: info for info in infos},
        differences=tuple(raw),
        clips={(a.name, b.name): telling_clips(a, b, metrics) for a, b in pairs},
        ranks=tuple(ranks(runs, names if metrics else ())),
        frontiers=tuple(drawn),
        notes=(
            *(f"{run.name}: {run.unfinished}." for run in runs if run.unfinished),
            *(f"{run.name}: {caveat}." for run in runs for caveat in run.caveats(names)),
            *notes,
        ),
    )


def _has(runs: Sequence[Run], metric: str) -> bool:
    return any(metric in run.metrics for run in runs)


def _corrected(sections: Sequence[Section], tolerances: Tolerances) -> tuple[Section, ...]:
    """The sections with p-values corrected over all of them, and verdicts."""
    left = iter(holm([one.p_value for section in sections for one in section.differences]))

    def judged(section: Section) -> Iterator[Difference]:
        for one in section.differences:
            corrected = replace(one, p_holm=next(left))
            yield _with_verdict(corrected, section.infos[one.metric], tolerances)

    return tuple(replace(section, differences=tuple(judged(section))) for section in sections)


def _difference(
    dataset: str, first: Run, second: Run, info: MetricInfo, tolerances: Tolerances
) -> Difference:
    pairs = pair(first, second, info.name)
    tolerance = tolerances.of(info.name) or Tolerance(math.inf)
    blank = Difference(dataset, first.name, second.name, info.name, "not comparable")
    blank = replace(
        blank,
        left_out=pairs.left_out,
        relative=tolerance.relative,
        catastrophic_first=_catastrophic(first, info),
        catastrophic_second=_catastrophic(second, info),
    )
    if problem := pairs.problem or tolerance.problem(*pairs.first, *pairs.second):
        verdict: Verdict = "not tested" if info.kind == "corpus" else "not comparable"
        return replace(blank, verdict="clips lost" if pairs.lost else verdict, reason=problem)
    return _tested(blank, info, tolerance, pairs)


def _tested(blank: Difference, info: MetricInfo, tolerance: Tolerance, pairs: Pairs) -> Difference:
    first, second = tolerance.scale(pairs.first), tolerance.scale(pairs.second)
    sides = first.tolist(), second.tolist()
    tested = paired_difference(*sides, pairs.speakers, "two-sided", *pairs.weights)
    interval = tested.interval
    shown = np.expm1 if tolerance.relative else np.float64
    verdict, reason = _untested(info, pairs, interval)
    return replace(
        blank,
        verdict=verdict,
        n=tested.n,
        mean_first=mean_of(pairs.first, pairs.weights[0]),
        mean_second=mean_of(pairs.second, pairs.weights[1]),
        difference=float(shown(tested.mean)),
        low=float(shown(interval.low)),
        high=float(shown(interval.high)),
        p_value=math.nan if reason else tested.p_value,
        p_wilcoxon=math.nan if reason else tested.p_wilcoxon,
        p_sign=tested.p_sign,
        num_higher=int((first > second).sum()),
        num_lower=int((first < second).sum()),
        least=float(shown(np.abs(first - second).min())),
        unit=interval.unit,
        num_units=interval.num_units,
        claim=interval.claim,
        reason=reason,
    )


def _untested(info: MetricInfo, pairs: Pairs, interval: Interval) -> tuple[Verdict, str]:
    """The verdict that stands without a test and why; the reason is empty where one is made."""
    if pairs.lost:
        return "clips lost", "; ".join(map(str, pairs.lost))
    if info.speed == "run":
        return "not tested", "measured in passing; snac-eval bench tests speeds"
    if not info.ranked:
        return "not tested", f"decides nothing unless asked for: --metrics {info.name}"
    few = _too_few(interval)
    return "not tested" if few else "no difference shown", few


def _catastrophic(run: Run, info: MetricInfo) -> int | None:
    return run.metrics[info.name].num_catastrophic if info.name in run.metrics else None


def _too_few(interval: Interval) -> str:
    """Why nothing is tested over so few units; empty where they are enough."""
    if interval.claim != "too few":
        return ""
    if interval.num_units < 2:
        return "one clip: nothing to test"
    few = units(interval.num_units, interval.unit)
    return f"{few} are too few for a verdict, which needs {MIN_UNITS}"


def _with_verdict(one: Difference, info: MetricInfo, tolerances: Tolerances) -> Difference:
    tolerance = tolerances.of(one.metric)
    if one.reason or not one.p_holm <= tolerances.alpha:
        return _of_these_clips(one, info, tolerance)
    if info.speed and _within(one, tolerance):
        return replace(one, reason=f"within the {tolerance} by which runs of one codec differ")
    # A rate is what a codec costs, not how good it is: the gate may want it low, a comparison
    # only says that it differs.
    if info.higher_is_better is None:
        return replace(one, verdict="different")
    better = (one.difference > 0) == info.higher_is_better
    verdicts: tuple[Verdict, Verdict] = ("worse", "better")
    if one.claim == "one speaker":
        verdicts = ("worse for this speaker", "better for this speaker")
    return replace(one, verdict=verdicts[better])


def _of_these_clips(one: Difference, info: MetricInfo, tolerance: Tolerance | None) -> Difference:
    """A verdict of these clips, where each differs to one side by more than the tolerance and
    nothing is shown of others."""
    untested = one.verdict not in ("no difference shown", "not tested") or info.speed
    if untested or not info.ranked or tolerance is None or one.n < 2:
        return one
    split = one.n not in (one.num_higher, one.num_lower)
    if split or not one.least > tolerance.value or info.higher_is_better is None:
        return one
    better = (one.num_higher > 0) == info.higher_is_better
    least = f"{100 * one.least:.3g} %" if one.relative else f"{one.least:.3g}"
    of_others = one.reason or f"p {one.p_holm:.3f} of the mean shows nothing of others"
    sign_test = f"sign test over {units(one.num_units, one.unit)}: p {one.p_sign:.2g}, uncorrected"
    each = f"each of the {one.n} clips by more than {tolerance}, by {least} at least"
    return replace(
        one,
        verdict="better on these clips" if better else "worse on these clips",
        reason=f"{each}; {of_others}; {sign_test}",
    )


def _within(one: Difference, tolerance: Tolerance | None) -> bool:
    if tolerance is None:
        return False
    size = math.log1p(one.difference) if one.relative else one.difference
    return abs(size) <= tolerance.size


def telling_clips(first: Run, second: Run, names: Sequence[str] = ()) -> tuple[TellingClip, ...]:
    """How far apart two runs are on each clip that both scored, most telling first, by the quality
    metrics among ``names``, or by all."""
    by_metric = dict(_quality_differences(first, second, names))
    clips = dict.fromkeys(clip for _, by_clip in by_metric.values() for clip in by_clip)
    telling = []
    for clip in clips:
        have = {name: by_clip[clip] for name, (_, by_clip) in by_metric.items() if clip in by_clip}
        strength = float(np.mean([value * by_metric[name][0] for name, value in have.items()]))
        telling.append(TellingClip(clip, strength, have))
    return tuple(sorted(telling, key=lambda one: -abs(one.strength)))


def _quality_differences(
    first: Run, second: Run, names: Sequence[str]
) -> Iterator[tuple[str, tuple[float, dict[str, float]]]]:
    """Metric, and the factor that makes its differences comparable, and they by clip."""
    for name in quality_metrics((first, second), names):
        if not (name in first.metrics and name in second.metrics):
            continue
        pairs = pair(first, second, name)
        differences = np.subtract(pairs.first, pairs.second)
        if pairs.problem or not differences.any():
            continue
        sign = 1.0 if first.info(name).higher_is_better else -1.0
        factor = sign / float(np.sqrt(np.mean(differences**2)))
        yield name, (factor, dict(zip(pairs.clips, differences.tolist(), strict=True)))
