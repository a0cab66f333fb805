"""The tables of the HTML report as grids, whose cells say what they sort by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from snac_eval.reports.agreed import long, page_note, shipped, short
from snac_eval.reports.claims import INTERVALS
from snac_eval.reports.grid import NONE, Cell, Column, Grid, count, metric_column, number
from snac_eval.reports.html.groups import Shown, clip_metrics
from snac_eval.reports.paper import contest_limits
from snac_eval.reports.summary import (
    STATISTICS,
    run_limits,
    statistics,
    without_empty_catastrophes,
)
from snac_eval.reports.text import (
    floor_notes,
    format_value,
    percent,
    pooled_notes,
    worst_mark,
    worst_notes,
)
from snac_eval.results.frames import summary_frame
from snac_eval.results.ranking import ALPHA, BITRATE, Contest
from snac_eval.results.record import Run, first_info, metric_names
from snac_eval.types import MetricInfo

MAX_ROWS = 300


def metric_columns(shown: Sequence[Shown]) -> dict[str, Column]:
    """Each metric's column: quality first, and last those of all clips together."""
    runs = [one.run for one in shown]
    together = [name for name in metric_names(*runs) if first_info(runs, name).kind == "corpus"]
    return {
        name: metric_column(first_info(runs, name)) for name in (*clip_metrics(runs), *together)
    }


def _column(info: MetricInfo) -> Column:
    """With how far the metric is known to agree with listeners."""
    known = shipped()
    hint = "\n".join(long(info, known))
    return replace(metric_column(info), remark=short(info, known), hint=hint)


def _named(column: Column) -> Cell:
    return Cell(column.heading, after=f"({column.remark})" if column.remark else "")


def summary_table(shown: Sequence[Shown]) -> Grid:
    """One row per metric and run, each with its own clips."""
    summaries = [
        (one, summary_frame(one.run).set_index("metric").to_dict("index")) for one in shown
    ]
    names = {
        name: _column(first_info([one.run for one in shown], name))
        for name in metric_columns(shown)
    }
    rows = [
        [_named(column), Cell(one.name), *statistics(summary[name])]
        for name, column in names.items()
        for one, summary in summaries
        if name in summary
    ]
    notes = [f"{INTERVALS} A value of all clips together, such as codebook use, has none."]
    notes += [f"{one.name}: {said}" for one in shown for said in run_limits(one.run)]
    infos = [first_info([one.run for one in shown], name) for name in names]
    notes += [*pooled_notes(infos), *floor_notes(infos)]
    notes += remark_notes(names.values())
    columns = [Column("metric"), Column("codec"), *STATISTICS]
    grid = Grid.of(columns, rows, "Every metric, over the clips of each run", notes, "summary")
    return without_empty_catastrophes(grid)


def comparison_table(shown: Sequence[Shown], contests: Sequence[Contest], num_tests: int) -> Grid:
    """One row per run, one column per metric, over the clips that all runs scored.

    ``num_tests`` is how many tests the contests' marks took, with those of the page's others.
    """
    rows = [[Cell(one.name), *(_mean_cell(one.run, each) for each in contests)] for one in shown]
    names = [each.info.name for each in contests]
    columns = [_column(each.info) for each in contests]
    return Grid.of(
        [Column("codec"), *columns],
        rows,
        "The same clips: mean ± half of its 95 % interval",
        [
            *_mark_notes(num_tests),
            f"Clips scored by every run: {_sizes(contests) or 'none'}.",
            *contest_limits(contests),
            *pooled_notes(each.info for each in contests),
            *worst_notes([one.run for one in shown], names),
            *remark_notes(columns),
        ],
        "comparison",
    )


def folded_columns(runs: Sequence[Run]) -> set[str]:
    """Metrics that narrow tables show on demand: neither quality, nor rate, nor speed."""
    infos = [first_info(runs, name) for name in metric_names(*runs)]
    kept = (info for info in infos if info.is_quality or info.speed or info.name == BITRATE)
    return {info.name for info in infos} - {info.name for info in kept}


def remark_notes(columns: Iterable[Column]) -> list[str]:
    """What stands behind the remarks, where there are any."""
    return [page_note(shipped())] if any(column.remark for column in columns) else []


def _sizes(contests: Sequence[Contest]) -> str:
    """How many clips the contests share; of several numbers the largest first."""
    by_size: dict[int, list[str]] = {}
    for one in contests:
        by_size.setdefault(len(one.shared.clips), []).append(one.info.name)
    first, *rest = sorted(by_size, reverse=True) or [0]
    others = (f"; {size} by {', '.join(by_size[size])}" for size in rest)
    return f"{first}{''.join(others)}" if first else ""


def _mark_notes(num_tests: int) -> list[str]:
    if not num_tests:
        return ["Nothing is ranked."]
    return [
        "Bold: not shown to be worse than the best of its dataset; underlined: the best of the rest"
        f" (paired t-test of the mean, Holm-corrected over the page's {num_tests} tests,"
        f" significant below {ALPHA:g}). Rates and speeds are not ranked."
    ]


def _mean_cell(run: Run, one: Contest) -> Cell:
    mean, interval = one.mean(run), one.interval(run)
    result, half = run.metrics[one.info.name], (interval.high - interval.low) / 2
    spread = "" if math.isnan(half) else f"± {format_value(half)}"
    after = f"{spread} {worst_mark(result)}".strip()
    return Cell(format_value(mean), after, one.marks.get(run.name, ""), key=mean)


def breakdown_table(shown: Sequence[Shown], by: str) -> Grid | None:
    """Means per ``speaker`` or ``domain`` and run; None where there are not two of them."""
    columns = metric_columns(shown)
    rows = []
    for one in shown:
        scores = one.run.compact[one.run.compact[by] != ""]
        for group, part in scores.groupby(by, observed=True):
            ok = part[part["status"] == "ok"]
            sums = ok.assign(value=ok["value"] * ok["weight"]).groupby("metric", observed=True)
            means = sums["value"].sum() / sums["weight"].sum()
            head = [Cell(str(group)), Cell(one.name), count(part["clip_id"].nunique())]
            rows.append([*head, *(number(means.get(name, math.nan)) for name in columns)])
    if len({row[0].text for row in rows}) < 2:
        return None
    grid = Grid.of(
        [Column(by), Column("codec"), Column("clips"), *columns.values()],
        rows[:MAX_ROWS],
        f"Mean per {by}",
        _cut_notes(len(rows), f"scores.parquet has every {by}"),
        by,
    )
    empty = [name for name, numeric in zip(columns, grid.numeric[3:], strict=True) if not numeric]
    return grid.without(*empty)


def stream_table(shown: Sequence[Shown]) -> Grid | None:
    """Codebook use per code stream; None where no run has streams."""
    rows = [[Cell(one.name), *_stream_cells(row)] for one in shown for row in one.run.streams]
    if not rows:
        return None
    names = ("codec", "stream", "entries", "tokens", "tokens/s", "seen", "used", "perplexity")
    return Grid.of(
        [*map(Column, names), Column("entropy", "bits")],
        rows,
        "Codebook use per stream, coarse to fine",
        [
            "Used: at least so much, estimated from all tokens; seen: what occurs in these clips."
            " Perplexity and entropy are estimates as well, which few tokens do not bias."
        ],
        "streams",
    )


def _stream_cells(row: Mapping[Any, Any]) -> list[Cell]:
    bits = math.log2(row["codebook_size"])
    return [
        count(row["stream"]),
        count(row["codebook_size"]),
        count(row["num_tokens"]),
        number(row["tokens_per_second"]),
        _seen(row.get("seen", math.nan)),
        Cell(percent(row["usage"]), key=row["usage"], share=row["usage"] / 100),
        number(row["perplexity"]),
        Cell(f"{row['entropy_bits']:.2f} of {bits:.2f}", key=row["entropy_bits"]),
    ]


def _seen(share: float) -> Cell:
    """Unknown for a run of an earlier version."""
    return NONE if math.isnan(share) else Cell(percent(share), key=share)


def failure_table(shown: Sequence[Shown]) -> Grid | None:
    """What has no value and why: metrics and clips of one reason share a row, errors first."""
    rows = []
    for one in shown:
        missing = one.run.compact[one.run.compact["status"] != "ok"]
        total = one.run.num_scored
        for status, reason, metrics, clips in _grouped(missing):
            who = f"all {total} clips" if len(clips) == total > 1 else _some(clips)
            row = [one.name, status, reason, ", ".join(metrics), who]
            rows.append([*map(Cell, row), count(len(clips))])
    rows.sort(key=lambda row: row[1].text != "failed")
    if not rows:
        return None
    return Grid.of(
        map(Column, ("codec", "status", "reason", "metrics", "clips", "n")),
        rows[:MAX_ROWS],
        "Scores that do not exist, and why",
        _cut_notes(len(rows), "scores.parquet has every row"),
        "failures",
    )


def _grouped(missing: pd.DataFrame) -> Iterable[tuple[str, str, list[str], tuple[str, ...]]]:
    words = {"error": "failed", "undefined": "undefined"}
    merged: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for found, part in missing.groupby(["status", "reason", "metric"], observed=True):
        status, reason, metric = map(str, found)
        clips = tuple(map(str, part["clip_id"]))
        merged.setdefault((words[status], reason, clips), []).append(metric)
    return [(status, reason, names, clips) for (status, reason, clips), names in merged.items()]


def _some(clips: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(clips) - limit} more" if len(clips) > limit else ""
    return ", ".join(clips[:limit]) + more


def _value(run: Run, metric: str, clip: str) -> Cell:
    values = run.metrics[metric].values if metric in run.metrics else {}
    return number(values[clip]) if clip in values else NONE


def score_table(shown: Sequence[Shown], clip: str) -> Grid:
    """The scores of one clip, a row per run; metrics that no run has of it are named below."""
    columns = metric_columns(shown)
    rows = [
        [Cell(one.name), *(_score_cell(one.run, name, clip) for name in columns)] for one in shown
    ]
    nowhere = [
        name
        for place, name in enumerate(columns, start=1)
        if all(row[place].key is None for row in rows)
    ]
    said = [name for name in nowhere if any(_has_none(one.run, name, clip) for one in shown)]
    notes = [f"Without a value: {', '.join(said)}."] if said else []
    grid = Grid.of([Column("codec"), *columns.values()], rows, f"Scores of {clip}", notes)
    return grid.without(*nowhere)


def _has_none(run: Run, metric: str, clip: str) -> bool:
    return metric in run.metrics and clip in run.metrics[metric].missing


def _score_cell(run: Run, metric: str, clip: str) -> Cell:
    missing = run.metrics[metric].missing if metric in run.metrics else {}
    if clip in missing:
        return Cell("undefined" if missing[clip].status == "undefined" else "failed")
    return _value(run, metric, clip)


def _cut_notes(total: int, where: str) -> list[str]:
    return [f"{MAX_ROWS} of {total} rows; {where}."] if total > MAX_ROWS else []
