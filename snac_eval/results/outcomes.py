"""What a check of one metric, or of a part of it, comes to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from snac_eval.results.baseline import rounded
from snac_eval.results.clipwise import Tally
from snac_eval.results.parts import Part
from snac_eval.results.record import Run
from snac_eval.results.stats import Claim, Unit
from snac_eval.results.tolerances import Tolerance
from snac_eval.types import MetricInfo

Outcome = Literal[
    "passed",
    "regression",
    "worse on these clips",
    "inconclusive",
    "not comparable",
    "not tested",
]
WORSE: Outcome = "worse on these clips"
"""Every clip fell by more than the tolerance: too few to say it of others. A check that has it is
not passed, and no regression: exit code 3."""
_GROUPS = ("domain", "speaker", "folder")


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
    part: str = ""
    """What of the metric: ``speaker 1737``; empty for its mean over all clips."""
    num_lost: int = 0
    """Clips that the baseline has a score of and the run has not."""
    loss: str = ""
    """The same in words."""
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
    tally: Tally | None = None
    """Which way the clips went; None of parts, of speeds and of what has no score per clip."""

    @property
    def metric(self) -> str:
        """The metric's name."""
        return self.info.name

    @property
    def fell(self) -> bool:
        """Whether it is worse by more than the tolerance, shown or not."""
        return self.tolerance is not None and self.drop > self.tolerance.value

    @property
    def name(self) -> str:
        """``pesq_wb``, or with its part ``pesq_wb, speaker 1737``."""
        return ", ".join(filter(None, (self.info.name, self.part)))


def judge_part(
    one: MetricCheck, part: Part, p_holm: float, p_noise: float, alpha: float
) -> MetricCheck:
    """The outcome of one part of the metric of ``one``; both p-values are corrected."""
    outcome, reason = _part_outcome(part, one.tolerance, p_holm, p_noise, alpha)
    counted = part.kind == "catastrophes"
    relative = one.tolerance is not None and one.tolerance.relative and not counted
    return MetricCheck(
        info=one.info,
        part=part.name,
        outcome=outcome,
        reason="; ".join(filter(None, (reason, part.detail))) if outcome != "passed" else "",
        tolerance=None if counted else one.tolerance,
        n=part.n,
        baseline_mean=part.base,
        run_mean=part.run,
        drop=math.expm1(part.drop) if relative else part.drop,
        p_value=part.p_value,
        p_holm=p_holm,
    )


def _part_outcome(
    part: Part, tolerance: Tolerance | None, p_holm: float, p_noise: float, alpha: float
) -> tuple[Outcome, str]:
    if part.kind == "catastrophes":
        shown = part.drop > 0 and p_holm <= alpha
        return ("regression", "more than before, beyond chance") if shown else ("passed", "")
    size = math.inf if tolerance is None else tolerance.size
    shown, stands_out = part.drop > size and p_holm <= alpha, p_noise <= alpha
    if shown and (stands_out or part.kind != "speaker"):
        return "regression", f"worse by more than {tolerance}, beyond chance"
    if shown and part.drop > 2 * size:
        return "inconclusive", "its clips agree, but speakers differ as much from each other"
    all_fell = part.kind in _GROUPS and part.fell == part.n
    outcome: Outcome = WORSE if all_fell else "inconclusive"
    each = f"; each of its {part.n} clips by more than {tolerance}" if all_fell else ""
    if stands_out:
        return outcome, f"fell by more than noise explains, on too few clips to show more{each}"
    if part.kind == "domain" and part.drop > size:
        return outcome, f"worse by more than {tolerance}, but within chance{each}"
    return "passed", ""


def whole_check(
    run: Run, baseline: Run, name: str, tolerance: Tolerance, better: bool, allow_missing: bool
) -> MetricCheck:
    """The check of a metric of all clips together: one value against another, and no test."""
    blank = MetricCheck(baseline.info(name), "not comparable", tolerance=tolerance)
    base = baseline.metrics[name].whole
    if base is None or base.value is None:
        return replace(blank, outcome="not tested", reason="the baseline has no value")
    if problem := _whole_problem(run, baseline, name):
        return replace(blank, reason=problem)
    if _other_clips(run, baseline):
        outcome: Outcome = "not tested" if allow_missing else "not comparable"
        return replace(blank, outcome=outcome, reason="a value of other clips")
    ours = run.metrics[name].whole
    if ours is None or ours.value is None:
        why = f"{ours.status}: {ours.reason}" if ours else "no value"
        return replace(blank, outcome="inconclusive", reason=f"{why}; the baseline has a value")
    if (here := run.metrics[name].counts[0]) < (there := baseline.metrics[name].counts[0]):
        why = f"a value of {here} clips, the baseline's of {there}"
        return replace(blank, outcome="inconclusive", reason=why)
    old, new = rounded(base.value), rounded(ours.value)
    if problem := tolerance.problem(old, new):
        return replace(blank, reason=problem)
    then, now = tolerance.scale([old, new]).tolist()
    drop = then - now if better else now - then
    worse = drop > tolerance.size
    return replace(
        blank,
        outcome="inconclusive" if worse else "passed",
        reason=(f"worse by more than {tolerance}; " if worse else "")
        + "one value of all clips, not tested for chance",
        n=len(run.clips),
        baseline_mean=old,
        run_mean=new,
        drop=math.expm1(drop) if tolerance.relative else drop,
    )


def _whole_problem(run: Run, baseline: Run, name: str) -> str:
    if name not in run.metrics:
        return f"not measured in {run.name}"
    mine, theirs = run.info(name).fingerprint, baseline.info(name).fingerprint
    return "" if mine == theirs else f"measured in two ways: {mine.difference(theirs)}"


def _other_clips(run: Run, baseline: Run) -> bool:
    ours, theirs = (
        {clip: facts.digest for clip, facts in one.clips.items()} for one in (run, baseline)
    )
    return ours != theirs
