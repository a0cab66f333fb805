"""Runs by dataset with what each metric says of them: what every table of several runs is made of.

:mod:`snac_eval.results.ranking` decides who is marked; here the rows are named, put in order, and
their numbers become cells.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from snac_eval.errors import UsageError
from snac_eval.reports.grid import NONE, Cell, number
from snac_eval.reports.text import format_value, worst_mark
from snac_eval.results.pairing import Loss, lost_by_metric
from snac_eval.results.ranking import BITRATE, Contest, Mark, contest, mark, tells_quality
from snac_eval.results.record import (
    MetricResult,
    Run,
    check_names,
    first_info,
    metric_names,
    named_apart,
)
from snac_eval.results.stats import Interval


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

    @property
    def runs(self) -> list[Run]:
        """Those of all datasets, in the order of the rows."""
        return [run for group in self.groups.values() for run in group]


def standings(runs: Sequence[Run], metrics: Sequence[str] = ()) -> Standings:
    """Mark these runs by each of ``metrics``; none: bitrate, quality and speed.

    Raises UsageError without runs, and for a metric that none has.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    check_names(metrics, *runs)
    names = tuple(dict.fromkeys(metrics)) or _default_columns(runs)
    datasets = dict.fromkeys(run.dataset for run in runs)
    groups = {name: _titled([run for run in runs if run.dataset == name]) for name in datasets}
    contests = {
        dataset: [contest(group, name, bool(metrics)) for name in names if _is_known(group, name)]
        for dataset, group in groups.items()
    }
    num_tests = mark([one for several in contests.values() for one in several])
    lost = {
        dataset: lost_by_metric(group, [one.info.name for one in contests[dataset]])
        for dataset, group in groups.items()
    }
    return Standings(names, groups, contests, num_tests, lost)


def metric_cells(runs: Sequence[Run], one: Contest) -> list[Cell]:
    """A metric's cells, all with the decimals that their intervals leave standing."""
    intervals = [one.interval(run) for run in one.runs]
    needed = [_decimals((interval.high - interval.low) / 2) for interval in intervals]
    decimals = max((digits for digits in needed if digits is not None), default=None)
    return [_cell(run, one, decimals) for run in runs]


def _titled(runs: Sequence[Run]) -> list[Run]:
    """The runs named as papers print them; where two share a title, with their own name behind."""
    counts = Counter(run.title for run in runs)
    return [
        replace(run, name=_title(run, counts[run.title] > 1)) for run in named_apart(list(runs))
    ]


def _title(run: Run, is_shared: bool) -> str:
    if not is_shared:
        return run.title
    return run.name if run.title == run.codec else f"{run.title} ({run.name})"


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
    mark = one.marks.get(run.name, "")
    values = _values(result, mean, interval, len(one.values(run)), mark)
    worst = worst_mark(result)
    if decimals is None:
        return Cell(format_value(mean), "", mark, mean, values=values, flag=worst)
    half_width = (interval.high - interval.low) / 2
    spread = "" if math.isnan(half_width) else f"± {half_width:.{decimals}f}"
    return Cell(f"{mean:.{decimals}f}", spread, mark, mean, values=values, flag=worst)


def _values(
    result: MetricResult,
    mean: float,
    interval: Interval | None = None,
    n: int = 0,
    mark: Mark = "",
) -> Mapping[str, object]:
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
    exponent = math.floor(math.log10(half_width))
    first = half_width / 10.0**exponent
    return min(6, max(0, -exponent + (1 if first < 3.55 else 0)))
