"""The gate: has this run dropped against its baseline, by more than matters? ``snac-eval check``.

A metric has **dropped** where its mean is worse by more than the tolerance *and* the one-sided
t-test of the mean, corrected over all metrics of the check (Holm), puts that beyond chance. So a
check of an unchanged codec fails with a probability of at most ``alpha``, however many metrics it
has.

A metric has **passed** only where a drop of twice the tolerance would have shown: where its 95 %
interval ends below that. Too few or too uneven clips are inconclusive, not passed; and with fewer
than ``MIN_UNITS`` speakers or clips a metric can pass or be inconclusive, but never fail. Where all
clips are of one speaker, what is said is said of that speaker: see the module ``stats``.

What befell **every clip** needs no test, and is said: see the module ``clipwise``. Where each fell
by more than twice the tolerance, and they are of six speakers or more, the metric has dropped on
what the gate watches: a regression. Where each fell by more than the tolerance it is "worse on
these clips", which is not known for others, and no pass. Where none fell it has passed, from
``MIN_UNITS`` on, or from two on where each rose by more than the tolerance.

A mean hides what befalls a few: so every metric but speeds is looked at in **parts** too, by
domain, speaker and folder, at its 5th percentile, clip by clip, and by the number of catastrophic
clips: see the module ``parts``. All tests of the check are corrected together. A part that fell by
more than the tolerance, beyond chance, is a regression. A part that stands out of the noise by
twice the tolerance, on too few clips to be shown, is inconclusive; so is a speaker that fell by as
much and whose clips agree, where speakers differ as much from each other. Any other part passes:
few clips alone are no reason against it.

Metrics of all clips together have one value, and no test: one that is worse by more than the
tolerance is inconclusive and never a regression, for exit code 1 says "beyond chance".

A clip that the baseline has a score of and the run has not is lost, and with it the pass: a gate
passes only what was run in full. ``benchmarks/gate_simulation.py`` measures all this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np

from snac_eval.results.baseline import rounded
from snac_eval.results.clipwise import Tally, sign_p_value, tally
from snac_eval.results.outcomes import WORSE, MetricCheck, Outcome, judge_part, whole_check
from snac_eval.results.pairing import Pairs, pair
from snac_eval.results.parts import Measured, parts
from snac_eval.results.record import Run, check_names
from snac_eval.results.stats import MIN_UNITS, holm, mean_of, paired_difference, units
from snac_eval.results.tolerances import Tolerance, Tolerances, direction

# Differences up to this part of a tolerance are rounding: other threads, another build of torch.
_SAME = 0.01
_ORDER = ("regression", WORSE, "inconclusive", "passed", "not comparable", "not tested")


class ExitCode(IntEnum):
    """What ``snac-eval check`` returns; 2 is broken input and never a result."""

    PASSED = 0
    REGRESSION = 1
    NOT_KNOWN = 3


@dataclass(frozen=True, slots=True)
class GateResult:
    """The whole check of a run against a baseline."""

    run: Run
    baseline: Run
    alpha: float
    checks: tuple[MetricCheck, ...]
    """One per metric."""
    problem: str = ""
    parts: tuple[MetricCheck, ...] = ()
    """Of the metrics in which any clip moved, worst first."""
    num_tests: int = 0
    """How many p-values were corrected together."""
    allowed: str = ""
    """Which missing clips were allowed; empty where none is missing or none may be."""

    @property
    def exit_code(self) -> ExitCode:
        """A regression outweighs what is not known; no metric tested is not known either."""
        outcomes = {check.outcome for check in (*self.checks, *self.parts)}
        if "regression" in outcomes:
            return ExitCode.REGRESSION
        unclear = {WORSE, "inconclusive", "not comparable"} & outcomes
        return ExitCode.NOT_KNOWN if self.problem or unclear else ExitCode.PASSED

    @property
    def failed_parts(self) -> list[MetricCheck]:
        """The parts that did not pass, less those that say no more than the whole mean does."""
        said = {one.metric: one.outcome for one in self.checks if one.fell}
        return [
            one
            for one in self.parts
            if one.outcome != "passed"
            and _ORDER.index(one.outcome) < _ORDER.index(said.get(one.metric, "passed"))
        ]

    @property
    def verdict(self) -> str:
        """One line for people."""
        shown = [*self.checks, *self.failed_parts]
        named = {
            outcome: [one.name for one in shown if one.outcome == outcome]
            for outcome in ("regression", WORSE, "not comparable", "inconclusive", "passed")
        }
        if named["regression"]:
            return f"regression: {_listed(named['regression'])}"
        worse = f"{WORSE}: {_listed(named[WORSE])}" if named[WORSE] else ""
        if self.problem:
            return "; ".join(filter(None, (f"not known: {self.problem}", worse)))
        if unclear := named["not comparable"] + named["inconclusive"]:
            return "; ".join(filter(None, (worse, f"not known: {_listed(unclear)}")))
        return worse or f"passed: {_listed(named['passed'])}"


def check(
    run: Run,
    baseline: Run,
    tolerances: Tolerances,
    metrics: Sequence[str] = (),
    speed: bool = True,
    allow_missing: bool = False,
) -> GateResult:
    """Compare a run with a baseline on the baseline's metrics, or on ``metrics``.

    ``speed`` False leaves speeds out; ``allow_missing`` True lets clips of the baseline be absent
    from the run, though not fail in it. Raises UsageError for a metric that the baseline lacks.
    """
    check_names(metrics, baseline)
    names = [name for name in metrics or baseline.metrics if speed or not baseline.info(name).speed]
    found = [_test(run, baseline, name, tolerances.of(name), allow_missing) for name in names]
    whole = [one for one, _ in found]
    looked_at = [(one, part) for one, scores in found if scores for part in parts(scores)]
    corrected = holm([one.p_value for one in whole] + [part.p_value for _, part in looked_at])
    noise = holm([part.p_noise for _, part in looked_at])
    judged = [
        _judge(replace(one, p_holm=p), tolerances.alpha)
        for one, p in zip(whole, corrected, strict=False)
    ]
    judged_parts = [
        judge_part(one, part, p_holm, p_noise, tolerances.alpha)
        for (one, part), p_holm, p_noise in zip(
            looked_at, corrected[len(whole) :], noise, strict=True
        )
    ]
    return GateResult(
        run=run,
        baseline=baseline,
        alpha=tolerances.alpha,
        checks=tuple(judged),
        problem=_problem(run, judged),
        parts=tuple(sorted(judged_parts, key=_severity)),
        num_tests=sum(not math.isnan(p) for p in corrected),
        allowed=_allowed(run, baseline) if allow_missing else "",
    )


def _listed(names: Sequence[str]) -> str:
    """Names in a row; those with a comma in them are set apart by semicolons."""
    return ("; " if any("," in name for name in names) else ", ").join(names)


def _severity(one: MetricCheck) -> tuple[int, float]:
    size = 1.0 if one.tolerance is None else one.tolerance.value
    return _ORDER.index(one.outcome), -one.drop / size


def _problem(run: Run, checks: Sequence[MetricCheck]) -> str:
    if all(one.outcome == "not tested" for one in checks):
        return run.unfinished or "no metric was tested"
    return run.unfinished


def _allowed(run: Run, baseline: Run) -> str:
    absent = [clip for clip in baseline.clips if clip not in run.clips]
    if not absent:
        return ""
    return (
        f"{len(absent)} of the baseline's {len(baseline.clips)} clips are not in this run, which"
        " was allowed: the check is of the rest"
    )


def _test(
    run: Run, baseline: Run, name: str, tolerance: Tolerance | None, allow_missing: bool
) -> tuple[MetricCheck, Measured | None]:
    """The metric's check, not yet judged, and its scores where its parts are to be looked at."""
    info, result = baseline.info(name), baseline.metrics[name]
    better = direction(info, tolerance)
    blank = MetricCheck(info, "not comparable", tolerance=tolerance)
    if tolerance is None or better is None or not (result.values or result.whole):
        return replace(blank, outcome="not tested", reason=_untested(name, better, baseline)), None
    if result.whole is not None:
        return whole_check(run, baseline, name, tolerance, better, allow_missing), None
    pairs = pair(run, baseline, name)
    blank = replace(blank, left_out=pairs.left_out, **_lost(run, pairs, allow_missing))
    if problem := pairs.problem or tolerance.problem(*pairs.first, *pairs.second):
        return replace(blank, reason=blank.loss or problem), None
    # Baselines are rounded: the run is too, so that the same scores differ by exactly nothing.
    scores = {
        clip: (rounded(theirs), rounded(ours))
        for clip, ours, theirs in zip(pairs.clips, pairs.first, pairs.second, strict=True)
    }
    ours, theirs = pairs.weights
    measured = Measured.of(info, tolerance, better, run, scores, (theirs, ours))
    one = _measured(blank, measured)
    return one, None if info.speed or one.reason else measured


def _lost(run: Run, pairs: Pairs, allow_missing: bool) -> dict[str, Any]:
    """What the run lost of the baseline's clips, as fields of a MetricCheck."""
    loss = next((one for one in pairs.lost if one.run == run.name), None)
    if loss is None or (count := loss.count - (loss.absent if allow_missing else 0)) == 0:
        return {}
    return {"num_lost": count, "loss": str(loss)}


def _untested(name: str, better: bool | None, baseline: Run) -> str:
    if not (baseline.metrics[name].values or baseline.metrics[name].whole):
        return "no clip has a score in the baseline"
    if better is None:
        return "neither direction is better"
    return f"no tolerance; give --tolerance {name}=VALUE"


def _measured(blank: MetricCheck, measured: Measured) -> MetricCheck:
    """The drop and its p-value; "passed" stands for "not yet judged"."""
    drops, size = measured.drops, measured.tolerance.size
    clips, base, run = measured.clips, measured.base, measured.run
    # The machine shifts the speeds of all clips alike: that all are slower says nothing.
    speed = measured.info.speed
    counted = None if speed else tally(clips, base, run, drops, size, _SAME * size)
    pooled, weights = measured.drops_in(slice(None)), measured.weights
    zeros = [0.0] * len(drops)
    tested = paired_difference(
        pooled.tolist(), zeros, measured.speakers, "greater", weights.tolist()
    )
    same = bool(np.all(np.abs(drops) <= _SAME * size))
    return replace(
        blank,
        outcome="passed",
        reason=f"no clip moved by over {_SAME:.0%} of the tolerance" if same else "",
        n=tested.n,
        num_units=tested.interval.num_units,
        unit=tested.interval.unit,
        claim=tested.interval.claim,
        baseline_mean=mean_of(base, weights),
        run_mean=mean_of(run, measured.run_weights),
        drop=tested.mean,
        drop_low=tested.interval.low,
        drop_high=tested.interval.high,
        p_value=1.0 if same else tested.p_value,
        tally=counted,
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
    alone = " for this speaker" if one.claim == "one speaker" else ""
    if one.drop > size and one.p_holm <= alpha:
        return "regression", f"worse by more than {one.tolerance}, beyond chance{alone}"
    if one.tally is not None and one.tally.is_unanimous(one.num_units, alpha):
        return "regression", f"worse on each of these clips{alone}: {_each_fell(one, one.tally)}"
    if one.num_lost:
        return "inconclusive", one.loss
    if one.reason:
        return "passed", one.reason
    if one.tally is not None and (exact := _exactly(one, one.tally)):
        return exact
    if one.drop > size:
        few = f"{one.num_units} clips or speakers are too few to show it"
        why = f"but {few}" if one.num_units < MIN_UNITS else "but within chance"
        fell = f"; {one.tally.fell} of {one.n} clips fell by that" if one.tally else ""
        return "inconclusive", f"worse by more than {one.tolerance}, {why}{fell}"
    if not one.drop_high < 2 * size:
        return "inconclusive", "too few clips: a drop of twice the tolerance would not show"
    shown = one.drop > 0 and one.p_holm <= alpha
    return "passed", "worse, but within the tolerance" if shown else ""


def _exactly(one: MetricCheck, found: Tally) -> tuple[Outcome, str] | None:
    """What follows from every clip alone; None where the clips do not agree, or the interval says
    more."""
    if found.all_fell:
        few = "too few" if one.num_units < MIN_UNITS else "too uneven"
        return WORSE, f"{_each_fell(one, found)}; {few} to say it of others"
    if one.drop_high < 2 * found.size or not found.none_fell(one.num_units, MIN_UNITS):
        return None
    return "passed", f"none of the {one.n} clips fell"


def _each_fell(one: MetricCheck, found: Tally) -> str:
    """``all 6 clips fell, by 0.64 to 2.43 (exact sign test over 6 speakers: p 0.016)``."""
    relative = one.tolerance is not None and one.tolerance.relative
    ends = [math.expm1(end) if relative else end for end in (found.least, found.most)]
    low, high = (f"{100 * end:.3g} %" if relative else f"{end:.3g}" for end in ends)
    if one.n == 1:
        return f"the one clip fell, by {low}"
    test = f"sign test over {units(one.num_units, one.unit)}: p {sign_p_value(one.num_units):.2g}"
    return f"all {one.n} clips fell, by {low} to {high} ({test})"
