"""What the intervals of a table are, and for whom they hold, in the same words on every surface."""

from __future__ import annotations

from collections.abc import Iterable

from snac_eval.results.stats import MIN_UNITS, Claim, Unit, units

Reach = tuple[str, Claim, int, Unit]
"""A metric; claim, number and kind of units of its interval."""

INTERVALS = (
    "95 % intervals are Student's t, widened where scores are skewed; speakers are the units where"
    " they are known, else clips."
)


def narrowed(reaches: Iterable[Reach]) -> list[str]:
    """A sentence for each kind of metrics that say nothing of other speakers, or too little for a
    verdict. Names them where others do not share it."""
    metrics: dict[str, list[str]] = {}
    for metric, claim, count, unit in reaches:
        named = metrics.setdefault(_limit(claim, count, unit), [])
        named += [] if metric in named else [metric]
    if len(metrics) == 1:
        return [f"{said}." for said in metrics if said]
    return [f"{said} ({', '.join(names)})." for said, names in metrics.items() if said]


def unseen(reaches: Iterable[Reach]) -> list[str]:
    """A sentence on what the tests of these metrics cannot see: the share of failures that the
    fewest units of a tested metric miss in one of twenty cases. Empty where nothing is tested."""
    tested = [(count, unit) for _, claim, count, unit in reaches if claim != "too few"]
    if not tested:
        return []
    count, unit = min(tested)
    share = 1 - 0.05 ** (1 / count)
    kind = units(2, unit).removeprefix("2 ")
    return [f"A failure of fewer than {share:.0%} of {kind} may be in none of {count}, unseen."]


def _limit(claim: Claim, count: int, unit: Unit) -> str:
    if claim == "one speaker":
        return "All clips are of one speaker, and what is shown holds for that speaker alone"
    if claim == "too few" and count:
        return f"Too few for any verdict: {units(count, unit)}, of at least {MIN_UNITS}"
    return ""
