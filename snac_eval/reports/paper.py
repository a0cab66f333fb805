"""The table that papers print: codecs as rows, metrics as columns, grouped by dataset.

:mod:`snac_eval.results.ranking` decides who is marked; here it is put into cells and sentences.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from snac_eval.errors import UsageError
from snac_eval.results.ranking import ALPHA, BITRATE, Contest, Mark, contest, mark
from snac_eval.results.record import Run, check_names, first_info, metric_names, named_apart
from snac_eval.types import MetricInfo

_VERSIONS = ("snac-eval", "python", "torch", "av", "soxr", "pesq", "pystoi", "visqol-python")


@dataclass(frozen=True, slots=True)
class Cell:
    """Mean over ``n`` clips and its 95 % bootstrap interval, NaN where there is none.

    ``decimals`` are those that the column's intervals leave standing, None where none says.
    """

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    undefined: int = 0
    failed: int = 0
    mark: Mark = ""
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One run of ``n`` clips: ``label`` tells it from the others of its dataset."""

    label: str
    codec: str
    n: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Group:
    """The runs of one dataset. ``title`` names it and its size."""

    dataset: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class PaperTable:
    """``metrics`` are the columns in order; ``caption`` and ``notes`` are sentences."""

    metrics: tuple[MetricInfo, ...]
    groups: tuple[Group, ...]
    caption: tuple[str, ...]
    notes: tuple[str, ...]


_Contests = Mapping[str, Sequence[Contest]]


def paper_table(runs: Sequence[Run], metrics: Sequence[str] = ()) -> PaperTable:
    """The table of these runs, in their order. ``metrics`` chooses the columns; none: bitrate,
    quality and speed.

    Raises UsageError without runs, and for a metric that none has.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    check_names(metrics, *runs)
    names = tuple(dict.fromkeys(metrics)) or _default_columns(runs)
    datasets = dict.fromkeys(run.dataset for run in runs)
    groups = {name: named_apart([run for run in runs if run.dataset == name]) for name in datasets}
    contests = {
        dataset: [contest(group, name) for name in names if _is_known(group, name)]
        for dataset, group in groups.items()
    }
    num_tests = mark([one for several in contests.values() for one in several])
    return PaperTable(
        metrics=tuple(first_info(runs, name) for name in names),
        groups=tuple(_group(group, contests[name], names) for name, group in groups.items()),
        caption=tuple(_caption(runs, num_tests)),
        notes=tuple(_notes(groups, contests)),
    )


def _default_columns(runs: Sequence[Run]) -> tuple[str, ...]:
    infos = [first_info(runs, name) for name in metric_names(*runs)]
    kept = [info for info in infos if info.kind != "corpus"]
    rate = [info.name for info in kept if info.name == BITRATE]
    quality = [info.name for info in kept if info.is_quality]
    speed = [info.name for info in kept if info.speed]
    return tuple([*rate, *quality, *speed] or [info.name for info in infos])


def _is_known(runs: Sequence[Run], name: str) -> bool:
    return any(name in run.metrics for run in runs)


def _group(runs: Sequence[Run], contests: Sequence[Contest], names: Sequence[str]) -> Group:
    columns = {one.info.name: _column(runs, one) for one in contests}
    rows = tuple(
        Row(
            label=run.name,
            codec=run.codec,
            n=len(run.clips),
            cells={name: columns[name][index] if name in columns else Cell() for name in names},
        )
        for index, run in enumerate(runs)
    )
    sizes = sorted({row.n for row in rows})
    clips = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return Group(runs[0].dataset, f"{runs[0].dataset} ({clips} clips)", rows)


def _column(runs: Sequence[Run], one: Contest) -> list[Cell]:
    cells = [_cell(run, one) for run in runs]
    needed = [_decimals((cell.high - cell.low) / 2) for cell in cells]
    known = [one for one in needed if one is not None]
    decimals = max(known) if known else None
    return [replace(cell, decimals=decimals) for cell in cells]


def _cell(run: Run, one: Contest) -> Cell:
    result = run.metrics.get(one.info.name)
    if result is None:
        return Cell()
    if result.whole is not None and result.whole.value is not None:
        return Cell(mean=result.whole.value, n=len(run.clips))
    _, undefined, failed = result.counts
    if run not in one.runs or not (values := one.values(run)):
        return Cell(undefined=undefined, failed=failed)
    interval = one.interval(run)
    return Cell(
        mean=one.mean(run),
        low=interval.low,
        high=interval.high,
        n=len(values),
        undefined=undefined,
        failed=failed,
        mark=one.marks.get(run.name, ""),
    )


def _decimals(half_width: float) -> int | None:
    """Those that show the half-width's first digit, and its second where the first is small."""
    if not half_width > 0:
        return None
    exponent = math.floor(math.log10(half_width))
    first = half_width / 10.0**exponent
    return min(6, max(0, -exponent + (1 if first < 3.55 else 0)))


def _caption(runs: Sequence[Run], num_tests: int) -> Iterator[str]:
    yield "Mean over clips ± half of its 95 % bootstrap interval."
    datasets = dict.fromkeys(run.dataset for run in runs)
    yield "Data: " + "; ".join(_data(name, runs) for name in datasets) + "."
    if num_tests:
        yield (
            "Bold: not shown to be worse than the best of its data; underlined: the best of the"
            " rest (paired sign-flip test, Holm-corrected over the table's"
            f" {num_tests} tests, significant below {ALPHA:g}). Rates and speeds are not ranked."
        )
    else:
        yield "Nothing is ranked."
    scored = (run.manifest.get("scoring", {}).get("reference_rate") for run in runs)
    if rates := sorted({rate for rate in scored if rate}):
        yield f"Scored at the sample rate of the {' or of the '.join(rates)}."
    yield "Versions: " + ", ".join(_versions(runs)) + "."


def _data(name: str, runs: Sequence[Run]) -> str:
    chosen = [run for run in runs if run.dataset == name]
    clips = {clip for run in chosen for clip in run.clips}
    speakers = {clip.speaker for run in chosen for clip in run.clips.values() if clip.speaker}
    return f"{name}, {len(clips)} clips" + (f" of {len(speakers)} speakers" if speakers else "")


def _versions(runs: Sequence[Run]) -> Iterator[str]:
    for name in _VERSIONS:
        found = dict.fromkeys(run.versions.get(name, "") for run in runs)
        known = [one for one in found if one and one != "not installed"]
        if known:
            yield f"{name} {' and '.join(known)}"


def _notes(groups: Mapping[str, Sequence[Run]], contests: _Contests) -> Iterator[str]:
    for dataset, runs in groups.items():
        yield from _contest_notes(dataset, contests[dataset])
        for run in runs:
            if not run.finished:
                yield f"{run.name} on {dataset}: the run was not finished."
            yield from _missing_notes(f"{run.name} on {dataset}", run, contests[dataset])


def _contest_notes(dataset: str, contests: Sequence[Contest]) -> Iterator[str]:
    """A line per reason and per number of shared clips, with the metrics that share it."""
    grouped: dict[str, list[str]] = {}
    for one in contests:
        if note := _contest_note(one):
            grouped.setdefault(note, []).append(one.info.name)
    for note, names in grouped.items():
        yield f"{dataset}: {note}: {', '.join(names)}."


def _contest_note(one: Contest) -> str:
    several, clips = len(one.runs) > 1, one.shared.clips
    if one.problem:
        return f"not comparable across rows ({one.problem})"
    most = max((len(run.clips) for run in one.runs), default=0)
    which = "that all rows scored" if several else "that were scored"
    few = "; too few to rank" if several and one.info.is_quality and not one.marks else ""
    if len(clips) == most and not few:
        return ""
    return f"over the {len(clips)} clips {which}{few}" if one.runs else ""


def _missing_notes(label: str, run: Run, contests: Sequence[Contest]) -> Iterator[str]:
    grouped: dict[str, list[str]] = {}
    for name in (one.info.name for one in contests if one.info.name in run.metrics):
        missing = run.metrics[name].missing.values()
        states = Counter("undefined" if one.status == "undefined" else "failed" for one in missing)
        if states:
            counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            grouped.setdefault(counts, []).append(name)
    for counts, names in grouped.items():
        yield f"{label}: {counts}: {', '.join(names)}."
