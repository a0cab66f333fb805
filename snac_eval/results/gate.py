"""The gate: has this run dropped against its baseline, by more than matters? ``snac-eval check``.

A metric has **dropped** where its mean is worse by more than the tolerance *and* the one-sided
t-test of the mean, corrected over all metrics of the check (Holm), puts that beyond chance. So a
check of an unchanged codec fails with a probability of at most ``alpha``, however many metrics it
has.

A metric has **passed** only where a drop of twice the tolerance would have shown: where its 95 %
interval ends below that. Too few or too uneven clips are inconclusive, not passed; and with fewer
than ``MIN_UNITS`` speakers or clips a metric can pass or be inconclusive, but never fail. Where all
clips are of one speaker, what is said is said of that speaker: see the module ``stats``.
``benchmarks/gate_simulation.py`` measures all this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Literal

import numpy as np

from snac_eval.results.baseline import rounded
from snac_eval.results.record import Pairs, Run, check_names, pair
from snac_eval.results.stats import MIN_UNITS, Claim, Unit, holm, paired_difference
from snac_eval.results.tolerances import Tolerance, Tolerances, direction
from snac_eval.types import MetricInfo

Outcome = Literal["passed", "regression", "inconclusive", "not comparable", "not tested"]
# Differences up to this part of a tolerance are rounding: other threads, another build of torch.
_SAME = 0.01


class ExitCode(IntEnum):
    """What ``snac-eval check`` returns; 2 is broken input and never a result."""

    PASSED = 0
    REGRESSION = 1
    NOT_KNOWN = 3


@dataclass(frozen=True, slots=True)
class MetricCheck:
    """One metric of the check."""

    info: MetricInfo
    outcome: Outcome
    reason: str = ""
    """Explains the outcome."""
    tolerance: Tolerance | None = None
    n: int = 0
    num_units: int = 0
    """Clips or speakers behind the test."""
    unit: Unit = "clip"
    claim: Claim = "general"
    """What the interval and the test hold for."""
    num_lost: int = 0
    """Clips with a score in the baseline, and undefined or an error in the run."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    baseline_mean: float = math.nan
    run_mean: float = math.nan
    drop: float = math.nan
    """How much worse the run's mean is, in the metric's unit, or as a share where the tolerance is
    one; negative: it is better."""
    drop_low: float = math.nan
    """With ``drop_high`` the 95 % interval of the drop."""
    drop_high: float = math.nan
    p_value: float = math.nan
    p_holm: float = math.nan

    @property
    def metric(self) -> str:
        """The metric's name."""
        return self.info.name


@dataclass(frozen=True, slots=True)
class GateResult:
    """The whole check of a run against a baseline."""

    run: Run
    baseline: Run
    alpha: float
    checks: tuple[MetricCheck, ...]
    problem: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """A regression outweighs what is not known; no metric tested is not known either."""
        outcomes = {check.outcome for check in self.checks}
        if "regression" in outcomes:
            return ExitCode.REGRESSION
        unclear = {"inconclusive", "not comparable"} & outcomes
        return ExitCode.NOT_KNOWN if self.problem or unclear else ExitCode.PASSED

    @property
    def verdict(self) -> str:
        """One line for people."""
        counts = {
            outcome: [check.metric for check in self.checks if check.outcome == outcome]
            for outcome in ("regression", "not comparable", "inconclusive", "passed")
        }
        if counts["regression"]:
            return f"regression: {', '.join(counts['regression'])}"
        if self.problem:
            return f"not known: {self.problem}"
        unclear = counts["not comparable"] + counts["inconclusive"]
        if unclear:
            return f"not known: {', '.join(unclear)}"
        return f"passed: {', '.join(counts['passed'])}"


def check(
    run: Run,
    baseline: Run,
    tolerances: Tolerances,
    metrics: Sequence[str] = (),
    speed: bool = True,
) -> GateResult:
    """Compare a run with a baseline on the baseline's metrics, or on ``metrics``.

    ``speed`` False leaves speeds out. Raises UsageError for a metric that the baseline lacks.
    """
    check_names(metrics, baseline)
    names = [name for name in metrics or baseline.metrics if speed or not baseline.info(name).speed]
    checks = [_test(run, baseline, name, tolerances.metrics.get(name)) for name in names]
    corrected = holm([one.p_value for one in checks])
    judged = tuple(
        _judge(replace(one, p_holm=p), tolerances.alpha)
        for one, p in zip(checks, corrected, strict=True)
    )
    return GateResult(run, baseline, tolerances.alpha, judged, _problem(run, judged))


def _problem(run: Run, checks: Sequence[MetricCheck]) -> str:
    if all(one.outcome == "not tested" for one in checks):
        return run.unfinished or "no metric was tested"
    return run.unfinished


def _test(run: Run, baseline: Run, name: str, tolerance: Tolerance | None) -> MetricCheck:
    better = direction(baseline.info(name), tolerance)
    blank = MetricCheck(baseline.info(name), "not comparable", tolerance=tolerance)
    if tolerance is None or better is None or not baseline.metrics[name].values:
        return replace(blank, outcome="not tested", reason=_untested(name, better, baseline))
    pairs = pair(run, baseline, name)
    blank = replace(blank, left_out=pairs.left_out, num_lost=_lost(run, baseline, name))
    if problem := pairs.problem or tolerance.problem(*pairs.first, *pairs.second):
        return replace(blank, reason=problem)
    return _measured(blank, tolerance, pairs, better)


def _untested(name: str, better: bool | None, baseline: Run) -> str:
    if not baseline.metrics[name].values:
        return "no clip has a score in the baseline"
    if better is None:
        return "neither direction is better"
    return f"no tolerance; give --tolerance {name}=VALUE"


def _lost(run: Run, baseline: Run, name: str) -> int:
    if name not in run.metrics:
        return 0
    return sum(clip in run.metrics[name].missing for clip in baseline.metrics[name].values)


def _measured(blank: MetricCheck, tolerance: Tolerance, pairs: Pairs, better: bool) -> MetricCheck:
    """The drop and its p-value; "passed" stands for "not yet judged"."""
    # Baselines are rounded: the run is too, so that the same scores differ by exactly nothing.
    ours = [rounded(value) for value in pairs.first]
    theirs = [rounded(value) for value in pairs.second]
    sign = -1.0 if better else 1.0
    drops = sign * (tolerance.scale(ours) - tolerance.scale(theirs))
    tested = paired_difference(
        drops.tolist(), [0.0] * len(drops), pairs.speakers, alternative="greater"
    )
    same = bool(np.all(np.abs(drops) <= _SAME * tolerance.size))
    return replace(
        blank,
        outcome="passed",
        reason=f"no clip moved by over {_SAME:.0%} of the tolerance" if same else "",
        n=tested.n,
        num_units=tested.interval.num_units,
        unit=tested.interval.unit,
        claim=tested.interval.claim,
        baseline_mean=float(np.mean(theirs)),
        run_mean=float(np.mean(ours)),
        drop=tested.mean,
        drop_low=tested.interval.low,
        drop_high=tested.interval.high,
        p_value=1.0 if same else tested.p_value,
    )


def _judge(one: MetricCheck, alpha: float) -> MetricCheck:
    """The outcome of a measured metric; drops are on the tolerance's scale until here."""
    if one.outcome != "passed" or one.tolerance is None:
        return one
    size = one.tolerance.size
    outcome, reason = _outcome(one, size, alpha)
    if one.tolerance.relative:
        one = replace(
            one,
            drop=math.expm1(one.drop),
            drop_low=math.expm1(one.drop_low),
            drop_high=math.expm1(one.drop_high),
        )
    return replace(one, outcome=outcome, reason=reason)


def _outcome(one: MetricCheck, size: float, alpha: float) -> tuple[Outcome, str]:
    if one.drop > size and one.p_holm <= alpha:
        alone = " for this speaker" if one.claim == "one speaker" else ""
        return "regression", f"worse by more than {one.tolerance}, beyond chance{alone}"
    if one.num_lost:
        return "inconclusive", f"clips that the baseline has scores of failed here: {one.num_lost}"
    if one.reason:
        return "passed", one.reason
    if one.drop > size:
        why = "but within chance"
        if one.num_units < MIN_UNITS:
            why = f"but {one.num_units} clips or speakers are too few to show it"
        return "inconclusive", f"worse by more than {one.tolerance}, {why}"
    if not one.drop_high < 2 * size:
        return "inconclusive", "too few clips: a drop of twice the tolerance would not show"
    shown = one.drop > 0 and one.p_holm <= alpha
    return "passed", "worse, but within the tolerance" if shown else ""
