"""The table that papers print: codecs as rows, metrics as columns, grouped by dataset.

A codec is marked best where it is not shown to be worse than the one with the best mean, second
where its mean is the best of the rest. "Shown" is the paired sign-flip test over the clips that
all of them scored, Holm-corrected over every test of the table, so that no third decimal decides.
Speeds, rates and whatever was not measured alike are shown and not ranked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, groupby
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from snac_eval.errors import StoreError, UsageError
from snac_eval.results.compare import is_quality
from snac_eval.results.record import (
    ScoredRun,
    check_names,
    is_speed,
    load_run,
    metric_names,
    pair,
    read_json,
)
from snac_eval.results.stats import PERMUTATIONS, holm, mean_interval, paired_difference
from snac_eval.results.tolerances import direction

Mark = Literal["", "best", "second"]
ALPHA = 0.05
_VERSIONS = ("snac-eval", "python", "torch", "av", "soxr", "pesq", "pystoi", "visqol-python")


@dataclass(frozen=True, slots=True)
class PaperRun:
    """A run, and what else its caption and its cells need.

    ``reference_rate`` is the rate that it was scored at, "clip" or "codec", empty where it says
    nothing; ``corpus`` the values of metrics that have one for the whole dataset.
    """

    run: ScoredRun
    reference_rate: str = ""
    corpus: Mapping[str, float] = field(default_factory=dict)


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

    metrics: tuple[str, ...]
    groups: tuple[Group, ...]
    caption: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Contest:
    """One metric of one dataset: who has it, on which clips, and why it is not ranked."""

    metric: str
    runs: list[ScoredRun]
    clips: tuple[str, ...] = ()
    problem: str = ""
    marks: dict[int, Mark] = field(default_factory=dict)

    def values(self, run: ScoredRun) -> list[float]:
        """Of the shared clips, or of all where the runs cannot be compared."""
        have = run.metrics[self.metric].values
        return [have[clip] for clip in (have if self.problem else self.clips)]

    def speakers(self, run: ScoredRun) -> list[str]:
        have = run.metrics[self.metric].values
        return [run.speakers.get(clip, "") for clip in (have if self.problem else self.clips)]


def load_paper_run(folder: Path) -> PaperRun:
    """The run in this folder. Raises StoreError where a file is missing or broken."""
    run = load_run(folder)
    scoring = read_json(folder / "manifest.json").get("scoring") or {}
    return PaperRun(run, str(scoring.get("reference_rate", "")), _corpus_values(folder, run))


def paper_table(runs: Sequence[PaperRun], metrics: Sequence[str] = ()) -> PaperTable:
    """The table of these runs, in their order. ``metrics`` chooses the columns; none: bitrate,
    quality and speed.

    Raises UsageError without runs, and for a metric that none has.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    check_names(tuple(metrics), *(one.run for one in runs))
    names = tuple(dict.fromkeys(metrics)) or _default_columns(runs)
    by_dataset: dict[str, list[PaperRun]] = {}
    for one in runs:
        by_dataset.setdefault(one.run.dataset, []).append(one)
    contests = {
        dataset: [_contest([one.run for one in group], name) for name in names]
        for dataset, group in by_dataset.items()
    }
    num_tests = _rank([one for group in contests.values() for one in group])
    return PaperTable(
        metrics=names,
        groups=tuple(_group(group, contests[name], names) for name, group in by_dataset.items()),
        caption=tuple(_caption(runs, by_dataset, num_tests)),
        notes=tuple(_notes(by_dataset, contests)),
    )


def _corpus_values(folder: Path, run: ScoredRun) -> dict[str, float]:
    path = folder / "summary.csv"
    if not run.corpus_metrics or not path.is_file():
        return {}
    try:
        means = pd.read_csv(path).set_index("metric")["mean"]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path}: not a summary of a run ({error}); write it again") from error
    return {name: float(means[name]) for name in run.corpus_metrics if name in means.index}


def _default_columns(runs: Sequence[PaperRun]) -> tuple[str, ...]:
    there = metric_names(*(one.run for one in runs))
    kept = [name for name in there if any(name in one.run.metrics for one in runs)]
    quality, speed = filter(is_quality, kept), filter(is_speed, kept)
    names = [*(name for name in kept if name == "bitrate"), *quality, *speed]
    return tuple(names or there)


def _contest(runs: Sequence[ScoredRun], name: str) -> _Contest:
    having = [run for run in runs if name in run.metrics and run.metrics[name].values]
    problems = (
        f"{first.name} and {second.name}: {pair(first, second, name).problem}"
        for first, second in combinations(having, 2)
        if pair(first, second, name).problem
    )
    if problem := next(problems, ""):
        return _Contest(name, having, problem=problem)
    scored = [run.metrics[name].values for run in having]
    clips = (
        tuple(clip for clip in scored[0] if all(clip in one for one in scored)) if having else ()
    )
    problem = "no clip was scored by all" if having and not clips else ""
    return _Contest(name, having, clips, problem)


def _rank(contests: Sequence[_Contest]) -> int:
    """Mark the contests that can be ranked; how many tests that took."""
    ranked = _long_enough([one for one in contests if _can_rank(one)])
    pairs = [
        (contest, best, other)
        for contest in ranked
        for best in [_best(contest, range(len(contest.runs)))]
        for other in range(len(contest.runs))
        if other != best
    ]
    # Enough for the smallest p-value to survive its own correction.
    permutations = max(PERMUTATIONS, math.ceil(2 * len(pairs) / ALPHA))
    p_values = holm([_p_value(*one, permutations) for one in pairs])
    for contest in ranked:
        contest.marks = dict.fromkeys(range(len(contest.runs)), "best")
    for (contest, _, other), p in zip(pairs, p_values, strict=True):
        if p < ALPHA:
            contest.marks[other] = ""
    for contest in ranked:
        rest = [index for index, mark in contest.marks.items() if not mark]
        if rest:
            contest.marks[_best(contest, rest)] = "second"
    return len(pairs)


def _can_rank(contest: _Contest) -> bool:
    return len(contest.runs) > 1 and not contest.problem and is_quality(contest.metric)


def _long_enough(contests: Sequence[_Contest]) -> list[_Contest]:
    """Those on so many clips or speakers that a test could show something after correction.

    ``n`` of them have 2 ** n sign patterns, so no two-sided p-value is below 2 ** (1 - n), and
    Holm multiplies it by the number of tests that can do no better.
    """
    kept: list[_Contest] = []
    num_tests = 0
    for units, group in groupby(sorted(contests, key=_num_units), key=_num_units):
        alike = list(group)
        tests = num_tests + sum(len(one.runs) - 1 for one in alike)
        if tests * 2.0 ** (1 - units) < ALPHA:
            kept, num_tests = kept + alike, tests
    return kept


def _num_units(contest: _Contest) -> int:
    first = contest.runs[0]
    return mean_interval(contest.values(first), contest.speakers(first)).num_units


def _best(contest: _Contest, among: Iterable[int]) -> int:
    sign = 1.0 if direction(contest.metric, None) else -1.0
    return max(among, key=lambda one: sign * float(np.mean(contest.values(contest.runs[one]))))


def _p_value(contest: _Contest, best: int, other: int, permutations: int) -> float:
    first, second = contest.runs[best], contest.runs[other]
    return paired_difference(
        contest.values(first),
        contest.values(second),
        contest.speakers(first),
        permutations=permutations,
    ).p_value


def _group(runs: Sequence[PaperRun], contests: Sequence[_Contest], names: Sequence[str]) -> Group:
    columns = [_column(runs, contest) for contest in contests]
    labels = _labels([one.run for one in runs])
    rows = tuple(
        Row(label, one.run.codec, len(one.run.clips), dict(zip(names, cells, strict=True)))
        for label, one, *cells in zip(labels, runs, *columns, strict=True)
    )
    sizes = sorted({row.n for row in rows})
    clips = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    dataset = runs[0].run.dataset
    return Group(dataset, f"{dataset} ({clips} clips)", rows)


def _labels(runs: Sequence[ScoredRun]) -> list[str]:
    """The codec's name, with the run's where a codec is there twice."""
    counts = Counter(run.codec for run in runs)
    return [run.codec if counts[run.codec] == 1 else f"{run.codec} ({run.name})" for run in runs]


def _column(runs: Sequence[PaperRun], contest: _Contest) -> list[Cell]:
    cells = [_cell(one, contest) for one in runs]
    needed = [_decimals((cell.high - cell.low) / 2) for cell in cells]
    known = [one for one in needed if one is not None]
    decimals = max(known) if known else None
    return [replace(cell, decimals=decimals) for cell in cells]


def _cell(one: PaperRun, contest: _Contest) -> Cell:
    run, name = one.run, contest.metric
    if name in one.corpus:
        return Cell(mean=one.corpus[name], n=len(run.clips))
    missing = run.metrics[name].missing.values() if name in run.metrics else ()
    undefined = sum(reason.startswith("undefined") for reason in missing)
    failed = len(missing) - undefined
    which = next((index for index, have in enumerate(contest.runs) if have is run), None)
    if which is None:
        return Cell(undefined=undefined, failed=failed)
    values = contest.values(run)
    interval = mean_interval(values, contest.speakers(run))
    mark = contest.marks.get(which, "")
    mean = float(np.mean(values))
    return Cell(mean, interval.low, interval.high, len(values), undefined, failed, mark)


def _decimals(half_width: float) -> int | None:
    """Those that show the half-width's first digit, and its second where the first is small."""
    if not half_width > 0:
        return None
    exponent = math.floor(math.log10(half_width))
    first = half_width / 10.0**exponent
    return min(6, max(0, -exponent + (1 if first < 3.55 else 0)))


def _caption(
    runs: Sequence[PaperRun], by_dataset: Mapping[str, Sequence[PaperRun]], num_tests: int
) -> Iterator[str]:
    yield "Mean over clips ± half of its 95 % bootstrap interval."
    yield "Data: " + "; ".join(_data(name, group) for name, group in by_dataset.items()) + "."
    if num_tests:
        yield (
            "Bold: not shown to be worse than the best of its data; underlined: the best of the"
            " rest (paired sign-flip test, Holm-corrected over the table's"
            f" {num_tests} tests, significant below {ALPHA:g}). Rates and speeds are not ranked."
        )
    else:
        yield "Nothing is ranked."
    if rates := sorted({one.reference_rate for one in runs if one.reference_rate}):
        yield f"Scored at the sample rate of the {' or of the '.join(rates)}."
    yield "Versions: " + ", ".join(_versions(runs)) + "."


def _data(name: str, runs: Sequence[PaperRun]) -> str:
    clips = {clip for one in runs for clip in one.run.clips}
    speakers = {speaker for one in runs for speaker in one.run.speakers.values() if speaker}
    return f"{name}, {len(clips)} clips" + (f" of {len(speakers)} speakers" if speakers else "")


def _versions(runs: Sequence[PaperRun]) -> Iterator[str]:
    for name in _VERSIONS:
        found = dict.fromkeys(one.run.versions.get(name, "") for one in runs)
        known = [one for one in found if one and one != "not installed"]
        if known:
            yield f"{name} {' and '.join(known)}"


def _notes(
    by_dataset: Mapping[str, Sequence[PaperRun]], contests: Mapping[str, Sequence[_Contest]]
) -> Iterator[str]:
    for dataset, group in by_dataset.items():
        yield from _contest_notes(dataset, contests[dataset])
        for label, one in zip(_labels([one.run for one in group]), group, strict=True):
            if not one.run.finished:
                yield f"{label} on {dataset}: the run was not finished."
            yield from _missing_notes(f"{label} on {dataset}", one.run, contests[dataset])


def _contest_notes(dataset: str, contests: Sequence[_Contest]) -> Iterator[str]:
    """A line per reason and per number of shared clips, with the metrics that share it."""
    grouped: dict[str, list[str]] = {}
    for one in contests:
        if note := _contest_note(one):
            grouped.setdefault(note, []).append(one.metric)
    for note, names in grouped.items():
        yield f"{dataset}: {note}: {', '.join(names)}."


def _contest_note(one: _Contest) -> str:
    several = len(one.runs) > 1
    if one.problem:
        return f"not comparable across rows ({one.problem})"
    most = max((len(run.clips) for run in one.runs), default=0)
    shared = "that all rows scored" if several else "that were scored"
    few = "; too few to rank" if several and is_quality(one.metric) and not one.marks else ""
    if len(one.clips) == most and not few:
        return ""
    return f"over the {len(one.clips)} clips {shared}{few}" if one.runs else ""


def _missing_notes(label: str, run: ScoredRun, contests: Sequence[_Contest]) -> Iterator[str]:
    grouped: dict[str, list[str]] = {}
    for name in (one.metric for one in contests if one.metric in run.metrics):
        states = Counter(
            "undefined" if reason.startswith("undefined") else "failed"
            for reason in run.metrics[name].missing.values()
        )
        if states:
            counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            grouped.setdefault(counts, []).append(name)
    for counts, names in grouped.items():
        yield f"{label}: {counts}: {', '.join(names)}."
