"""Runs by dataset with what each metric says of them: what every table of several runs is made of.

:mod:`snac_eval.results.ranking` decides who is marked; here the rows are named, put in order, and
their numbers become cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from snac_eval.errors import UsageError
from snac_eval.reports.grid import NONE, Cell, number
from snac_eval.reports.naming import AS_GIVEN, Rows, check_rows, ordered, references, titled
from snac_eval.reports.text import format_value, worst_mark
from snac_eval.results.pairing import Loss, lost_by_metric
from snac_eval.results.ranking import (
    ALPHA,
    BITRATE,
    Contest,
    Mark,
    contest,
    mark,
    mark_against,
    tells_quality,
)
from snac_eval.results.record import (
    MetricResult,
    Run,
    check_names,
    first_info,
    metric_names,
)
from snac_eval.results.stats import Interval

DIFFERS = "†"
"""Behind a number: that codec differs from the one that all are tested against."""
_MOST_DIGITS = 5
"""Significant ones of a column's largest number; all others have as many decimals."""


@dataclass(frozen=True, slots=True)
class Standings:
    """Runs and their contests, by dataset."""

    names: tuple[str, ...]
    """The metrics, in the order of the columns."""
    groups: Mapping[str, Sequence[Run]]
    """By dataset, in the order of the rows; a run's name is what the table prints."""
    contests: Mapping[str, Sequence[Contest]]
    num_tests: int
    """How many tests it took to mark them."""
    lost: Mapping[str, Mapping[Loss, Sequence[str]]]
    """What runs lost, with the metrics that have no verdict for it."""
    against: Mapping[str, str]
    """By dataset, the name of the run that the others are tested against; may lack datasets."""
    num_tests_against: int = 0

    @property
    def runs(self) -> list[Run]:
        """Those of all datasets, in the order of the rows."""
        return [run for group in self.groups.values() for run in group]

    def size(self, dataset: str) -> str:
        """``8 clips``, or ``6 to 8 clips``: what its runs chose."""
        sizes = sorted({len(run.clips) for run in self.groups[dataset]})
        numbers = " to ".join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))
        return f"{numbers} clip{'s' * (sizes != [1])}"

    def against_note(self, name: str) -> str:
        """What :data:`DIFFERS` says of the codec of this name; empty without one."""
        if not name:
            return ""
        absent = [dataset for dataset in self.groups if dataset not in self.against]
        without = (
            f" No run of it on {', '.join(absent)}: nothing is tested there." if absent else ""
        )
        if not self.num_tests_against:
            return f"No codec could be tested against {name}.{without}"
        return (
            f"{DIFFERS}: differs from {name} (paired t-test of the mean, Holm-corrected over"
            f" {self.num_tests_against} tests against it, significant below {ALPHA:g}); what is not"
            f" ranked is not tested.{without}"
        )


def standings(runs: Sequence[Run], metrics: Sequence[str] = (), rows: Rows = AS_GIVEN) -> Standings:
    """Mark these runs by each of ``metrics``; none: bitrate, quality and speed.

    Raises UsageError without runs, for a metric that none has, and for a codec, a label or an order
    that there is not.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    check_names(metrics, *runs)
    check_rows(runs, rows)
    names = tuple(dict.fromkeys(metrics)) or _default_columns(runs)
    datasets = dict.fromkeys(run.dataset for run in runs)
    by_dataset = {name: [run for run in runs if run.dataset == name] for name in datasets}
    groups = {
        name: ordered(titled(several, rows.labels), rows.sort)
        for name, several in by_dataset.items()
    }
    contests = {
        dataset: [contest(group, name, bool(metrics)) for name in names if _is_known(group, name)]
        for dataset, group in groups.items()
    }
    every = [(dataset, one) for dataset, several in contests.items() for one in several]
    num_tests = mark([one for _, one in every])
    against = dict(references(groups, rows.against))
    return Standings(
        names=names,
        groups=groups,
        contests=contests,
        num_tests=num_tests,
        lost={
            dataset: lost_by_metric(group, [one.info.name for one in contests[dataset]])
            for dataset, group in groups.items()
        },
        against=against,
        num_tests_against=mark_against([(one, against.get(name, "")) for name, one in every]),
    )


def metric_cells(runs: Sequence[Run], one: Contest, most_digits: int = 0) -> list[Cell]:
    """A metric's cells, all with the decimals that their intervals leave standing.

    ``most_digits``: no number has more of them, whatever its interval; 0: no limit.
    """
    intervals = [one.interval(run) for run in one.runs]
    needed = [_decimals((interval.high - interval.low) / 2) for interval in intervals]
    decimals = max((digits for digits in needed if digits is not None), default=None)
    if decimals is not None:
        largest = max(abs(one.mean(run)) for run in one.runs)
        # One rate that hardly varies would give all others digits that tell nothing.
        decimals = min(decimals, max(0, _MOST_DIGITS - 1 - _exponent(largest)))
        if most_digits:
            decimals = min(decimals, max(0, most_digits - len(f"{largest:.0f}")))
    return [_cell(run, one, decimals) for run in runs]


def _default_columns(runs: Sequence[Run]) -> tuple[str, ...]:
    infos = [first_info(runs, name) for name in metric_names(*runs)]
    kept = [info for info in infos if info.kind != "corpus"]
    rate = [info.name for info in kept if info.name == BITRATE]
    quality = [info.name for info in kept if tells_quality(info)]
    speed = [info.name for info in kept if info.speed]
    return tuple([*rate, *quality, *speed] or [info.name for info in infos])


def _is_known(runs: Sequence[Run], name: str) -> bool:
    return any(name in run.metrics for run in runs)


def _cell(run: Run, one: Contest, decimals: int | None) -> Cell:
    result = run.metrics.get(one.info.name)
    if result is None:
        return NONE
    if result.whole is not None:
        value = math.nan if result.whole.value is None else result.whole.value
        return replace(number(value), values=_values(result, value, n=result.counts[0]))
    if run not in one.runs:
        return replace(NONE, values=_values(result, math.nan))
    mean, interval = one.mean(run), one.interval(run)
    mark, differs = one.marks.get(run.name, ""), one.differs.get(run.name)
    values = _values(result, mean, interval, len(one.values(run)), mark)
    values |= {f"{one.info.name}_differs": differs} if one.differs else {}
    flag = f"{DIFFERS if differs else ''} {worst_mark(result)}".strip()
    if decimals is None:
        return Cell(format_value(mean), "", mark, mean, values=values, flag=flag)
    half_width = (interval.high - interval.low) / 2
    spread = "" if math.isnan(half_width) else f"± {half_width:.{decimals}f}"
    return Cell(f"{mean:.{decimals}f}", spread, mark, mean, values=values, flag=flag)


def _values(
    result: MetricResult,
    mean: float,
    interval: Interval | None = None,
    n: int = 0,
    mark: Mark = "",
) -> dict[str, object]:
    name, counts = result.info.name, result.counts
    return {
        name: mean,
        f"{name}_ci_low": interval.low if interval else math.nan,
        f"{name}_ci_high": interval.high if interval else math.nan,
        f"{name}_ci_units": interval.num_units if interval else 0,
        f"{name}_ci_claim": interval.claim if interval else "",
        f"{name}_n": n,
        f"{name}_undefined": counts[1],
        f"{name}_failed": counts[2],
        f"{name}_catastrophic": result.num_catastrophic,
        f"{name}_mark": mark,
    }


def _decimals(half_width: float) -> int | None:
    """Those that show the half-width's first digit, and its second where the first is small."""
    if not half_width > 0:
        return None
    exponent = _exponent(half_width)
    first = half_width / 10.0**exponent
    return min(6, max(0, -exponent + (1 if first < 3.55 else 0)))


def _exponent(number: float) -> int:
    """The power of ten of the first digit; 0 for 0."""
    return math.floor(math.log10(number)) if number else 0
