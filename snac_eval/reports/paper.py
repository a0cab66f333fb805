"""The table that papers print: codecs as rows, metrics as columns, grouped by dataset.

:mod:`snac_eval.results.ranking` decides who is marked; here it is put into cells and sentences.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from snac_eval.errors import UsageError
from snac_eval.reports.claims import INTERVALS, narrowed
from snac_eval.reports.grid import NONE, Block, Cell, Column, Grid, count, metric_column, number
from snac_eval.reports.published import (
    Published,
    PublishedRow,
    listener_values,
    published_cells,
)
from snac_eval.reports.text import format_value, lost_lines, worst_mark, worst_notes
from snac_eval.results.pairing import lost_by_metric
from snac_eval.results.ranking import ALPHA, BITRATE, Contest, Mark, contest, mark, tells_quality
from snac_eval.results.record import (
    MetricResult,
    Run,
    check_names,
    first_info,
    metric_names,
    named_apart,
)
from snac_eval.results.stats import Interval

_VERSIONS = ("snac-eval", "python", "torch", "av", "soxr", "pesq", "pystoi", "visqol-python")
_LOST = "Clips were lost: the notes say whose, and what is therefore not ranked."
"""What a caption begins with then."""

_Contests = Mapping[str, Sequence[Contest]]


def paper_grid(
    runs: Sequence[Run], metrics: Sequence[str] = (), published: Published | None = None
) -> Grid:
    """The table of these runs, in their order, a block per dataset.

    ``metrics`` chooses the columns; none: bitrate, quality and speed. ``published`` figures become
    the last block. As CSV it has a row per run: ``<metric>``, ``<metric>_ci_low``,
    ``<metric>_ci_high``, ``<metric>_ci_units``, ``<metric>_ci_claim``, ``<metric>_n``,
    ``<metric>_undefined``, ``<metric>_failed``, ``<metric>_catastrophic`` and ``<metric>_mark``;
    published figures follow with ``<metric>``, ``<metric>_definition``, ``read`` and what listeners
    said.

    Raises UsageError without runs, and for a metric that none has.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    check_names(metrics, *runs)
    names = tuple(dict.fromkeys(metrics)) or _default_columns(runs)
    datasets = dict.fromkeys(run.dataset for run in runs)
    groups = {name: named_apart([run for run in runs if run.dataset == name]) for name in datasets}
    contests = {
        dataset: [contest(group, name, bool(metrics)) for name in names if _is_known(group, name)]
        for dataset, group in groups.items()
    }
    num_tests = mark([one for several in contests.values() for one in several])
    blocks = [_block(group, contests[dataset], names) for dataset, group in groups.items()]
    lost = {
        dataset: lost_by_metric(group, [one.info.name for one in contests[dataset]])
        for dataset, group in groups.items()
    }
    notes = [f"{dataset}: {line}" for dataset in lost for line in lost_lines(lost[dataset])]
    notes += _notes(groups, contests)
    notes += worst_notes(runs, names)
    if published is not None:
        shown = published.of(names)
        rows = tuple(_published_row(shown, row, names) for row in shown.rows)
        blocks.append(Block("Published, on other data, not ranked", rows))
        notes += shown.notes()
    columns = [metric_column(first_info(runs, name)) for name in names]
    return Grid(
        columns=(Column("codec"), Column("clips"), *columns),
        blocks=tuple(blocks),
        caption=" ".join(
            [*([_LOST] if any(lost.values()) else []), *_caption(runs, num_tests, contests)]
        ),
        notes=tuple(notes),
    )


def _default_columns(runs: Sequence[Run]) -> tuple[str, ...]:
    infos = [first_info(runs, name) for name in metric_names(*runs)]
    kept = [info for info in infos if info.kind != "corpus"]
    rate = [info.name for info in kept if info.name == BITRATE]
    quality = [info.name for info in kept if tells_quality(info)]
    speed = [info.name for info in kept if info.speed]
    return tuple([*rate, *quality, *speed] or [info.name for info in infos])


def _is_known(runs: Sequence[Run], name: str) -> bool:
    return any(name in run.metrics for run in runs)


def _block(runs: Sequence[Run], contests: Sequence[Contest], names: Sequence[str]) -> Block:
    columns = {one.info.name: _column(runs, one) for one in contests}
    rows = []
    for index, run in enumerate(runs):
        values = {"codec": run.codec, "dataset": run.dataset, "label": run.name}
        clips = replace(count(len(run.clips)), values={"clips": len(run.clips)})
        cells = (columns[name][index] if name in columns else NONE for name in names)
        rows.append((Cell(run.name, values=values), clips, *cells))
    sizes = sorted({len(run.clips) for run in runs})
    size = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return Block(f"{runs[0].dataset} ({size} clips)", tuple(rows))


def _column(runs: Sequence[Run], one: Contest) -> list[Cell]:
    """A metric's cells, all with the decimals that their intervals leave standing."""
    intervals = [one.interval(run) for run in one.runs]
    needed = [_decimals((interval.high - interval.low) / 2) for interval in intervals]
    decimals = max((digits for digits in needed if digits is not None), default=None)
    return [_cell(run, one, decimals) for run in runs]


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
        return Cell(format_value(mean), worst, mark, mean, values=values)
    half_width = (interval.high - interval.low) / 2
    spread = "" if math.isnan(half_width) else f"± {half_width:.{decimals}f}"
    after = f"{spread} {worst}".strip()
    return Cell(f"{mean:.{decimals}f}", after, mark, mean, values=values)


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


def _published_row(
    published: Published, row: PublishedRow, names: Sequence[str]
) -> tuple[Cell, ...]:
    label = published.label(row)
    values = {
        "codec": row.card or row.codec,
        "dataset": row.data,
        "label": label,
        "nominal_bps": row.nominal_bps,
        "exact_bps": row.exact_bps,
        "source": " ".join(row.source),
        "read": row.read,
        **listener_values(row),
    }
    return Cell(label, values=values), NONE, *published_cells(row, names)


def _decimals(half_width: float) -> int | None:
    """Those that show the half-width's first digit, and its second where the first is small."""
    if not half_width > 0:
        return None
    exponent = math.floor(math.log10(half_width))
    first = half_width / 10.0**exponent
    return min(6, max(0, -exponent + (1 if first < 3.55 else 0)))


def contest_limits(contests: Sequence[Contest]) -> list[str]:
    """For whom the intervals of these contests hold, where not for other speakers too."""
    found = ((one.info.name, one.interval(run)) for one in contests for run in one.runs)
    return narrowed((name, one.claim, one.num_units, one.unit) for name, one in found)


def _caption(runs: Sequence[Run], num_tests: int, contests: _Contests) -> Iterator[str]:
    yield f"Mean over clips ± half of its 95 % interval. {INTERVALS}"
    datasets = dict.fromkeys(run.dataset for run in runs)
    yield "Data: " + "; ".join(_data(name, runs) for name in datasets) + "."
    if num_tests:
        yield (
            "Bold: not shown to be worse than the best of its data; underlined: the best of the"
            " rest (paired t-test of the mean, Holm-corrected over the table's"
            f" {num_tests} tests, significant below {ALPHA:g}). Rates and speeds are not ranked."
        )
    else:
        yield "Nothing is ranked."
    for dataset, several in contests.items():
        yield from (f"{dataset}: {said}" for said in contest_limits(several))
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
            if run.unfinished:
                yield f"{run.name} on {dataset}: {run.unfinished}."
            shown = {one.info.name for one in contests[dataset]}
            yield from (f"{run.name} on {dataset}: {caveat}." for caveat in run.caveats(shown))
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
    unmarked = several and one.info.is_quality and not one.marks and not one.lost
    few = "; too few to rank" if unmarked else ""
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
