"""The table at the end of a study: short names, quality first, as wide as the screen.

Who is best is what :mod:`snac_eval.results.ranking` decided, as in every other table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.reports.agreed import agreement_block, agreement_notes
from snac_eval.reports.fragment import html_table
from snac_eval.reports.grid import NONE, Block, Cell, Column, Grid, metric_column
from snac_eval.reports.naming import Rows
from snac_eval.reports.paper import contest_limits, contest_notes, lost_notes, published_block
from snac_eval.reports.published import Published
from snac_eval.reports.standings import Standings, metric_cells, standings
from snac_eval.reports.summary import (
    CATASTROPHIC,
    STATISTICS,
    statistics,
    summary_grid,
    without_empty_catastrophes,
)
from snac_eval.reports.terminal import render_terminal
from snac_eval.reports.text import metric_title, pooled_notes, worst_notes
from snac_eval.results.agreement.shapes import Agreement
from snac_eval.results.frames import summary_frame
from snac_eval.results.ranking import ALPHA, BITRATE, tells_quality
from snac_eval.results.record import Run, first_info
from snac_eval.types import MetricInfo

_FIRST = ("pesq_wb", "visqol_speech", "visqol_audio", "mel_dac_paper", "stoi", "si_sdr_aligned")
"""What readers look for first, of the default metrics."""
_MOST_LOSSES = 10
_DIGITS = 4
BY_RATE = Rows(sort=BITRATE)
_SUMMARY = (
    "mean",
    "95 % interval",
    "failed",
    "undefined",
    CATASTROPHIC,
    "ok",
    "median",
    "p5 to p95",
)
"""The columns of a summary, most important first."""
_COUNTS = {"undefined": "n_undefined", "failed": "n_error"}


def compact_terminal(runs: Sequence[Run], width: int, colour: bool) -> str:
    """The table of several runs for a screen of this many columns, ending in a line break.

    What is best is bold where ``colour``, else marked with ``*``. Names cannot steer the terminal.
    """
    return render_terminal(compact_grid(runs), width, colour, hint())


def summary_terminal(run: Run, width: int, colour: bool) -> str:
    """The summary of one run for a screen of this many columns, ending in a line break."""
    return render_terminal(
        _summary(run), width, colour, "summary.md, in the folder of the run, has them"
    )


def hint(study: str = "STUDY") -> str:
    """How to see the columns that there was no room for: ``{names}`` stands for theirs."""
    return f"snac-eval table {study} --metrics {{names}}"


def compact_html(runs: Sequence[Run], metrics: Sequence[str] = ()) -> str:
    """The same table as a piece of HTML for a notebook: escaped, without script or links."""
    return html_table(compact_grid(runs, metrics))


def compact_grid(
    runs: Sequence[Run],
    metrics: Sequence[str] = (),
    published: Published | None = None,
    rows: Rows = BY_RATE,
    agreements: Sequence[Agreement] = (),
) -> Grid:
    """A block a dataset, a row a codec; quality, then bitrate, then speed; then how far each metric
    agrees with listeners.

    ``metrics`` chooses the columns, in this order. Raises UsageError without runs, for a metric
    that none has, and for a codec, a label or an order that there is not.
    """
    found = standings(runs, metrics, rows)
    infos = [first_info(runs, name) for name in found.names]
    shown = infos if metrics else sorted(infos, key=_place)
    order = [info.name for info in (infos if metrics else sorted(infos, key=_importance))]
    blocks = [_block(found, dataset, shown) for dataset in found.groups]
    notes = [*_legend(found, rows.against), *_notes(found), *pooled_notes(infos)]
    notes += worst_notes(runs, found.names)
    names = [info.name for info in shown]
    if published is not None:
        of_these = published.of(names)
        blocks.append(_narrowed(published_block(of_these, names)))
        notes += of_these.notes()
    if agreements:
        blocks.append(_narrowed(agreement_block(agreements, shown)))
        notes += agreement_notes(agreements, shown)
    return Grid(
        columns=(
            Column("codec", title="Codec"),
            *(replace(metric_column(info), importance=order.index(info.name)) for info in shown),
        ),
        blocks=tuple(blocks),
        notes=tuple(notes),
        lead=tuple(_few(list(lost_notes(found)))),
    )


def _narrowed(block: Block) -> Block:
    """Rows of a paper's table, less the column of clips."""
    return Block(block.title, tuple((row[0], *row[2:]) for row in block.rows))


def _summary(run: Run) -> Grid:
    """Quality, rates and speed of one run under each other; counts only where they say a thing."""
    whole = summary_grid(run)
    by_metric = {row["metric"]: row for row in summary_frame(run).to_dict("records")}
    kinds: dict[int, list[tuple[Cell, ...]]] = {0: [], 1: [], 2: []}
    for info in sorted((run.info(name) for name in by_metric), key=_place):
        row = by_metric[info.name]
        if row["n_ok"] or row["n_error"]:
            kinds[_place(info)[0]].append((Cell(metric_column(info).printed), *statistics(row)))
    grid = replace(
        whole,
        columns=(
            Column("metric"),
            *(replace(one, importance=_SUMMARY.index(one.name)) for one in STATISTICS),
        ),
        blocks=tuple(Block("", tuple(rows)) for rows in kinds.values() if rows),
        caption="",
        lead=(*_failed(run), whole.caption),
    )
    rows = list(by_metric.values())
    empty = [name for name, count in _COUNTS.items() if not any(row[count] for row in rows)]
    idle = [*empty, "ok"] if {"undefined", "failed"} <= set(empty) else empty
    return without_empty_catastrophes(grid).without(*idle)


def _failed(run: Run) -> Iterator[str]:
    """What the run lost, a line for all metrics that lost as many clips."""
    lost: dict[tuple[int, str], list[str]] = {}
    for result in run.metrics.values():
        errors = [score.reason for score in result.missing.values() if score.status == "error"]
        if result.counts[2]:
            reason = f" ({errors[0]})" if errors else ""
            lost.setdefault((result.counts[2], reason), []).append(metric_title(result.info))
    for (count, reason), names in lost.items():
        yield f"Lost: {count} of {len(run.clips)} clips failed{reason}: {', '.join(names)}."


def _place(info: MetricInfo) -> tuple[int, int]:
    """Where a metric stands: quality, the default ones first, then rates and codes, then speed."""
    is_of_codes = info.kind == "corpus" and info.corpus_of != "audio"
    kind = 2 if info.speed else 0 if tells_quality(info) and not is_of_codes else 1
    return kind, _familiarity(info)


def _importance(info: MetricInfo) -> tuple[int, int]:
    """Which column goes last where there is little room: the rate stays beside the first ones."""
    if info.name == BITRATE:
        return 0, 1
    return (1 if info.speed else 0 if _familiarity(info) < len(_FIRST) else 2), _familiarity(info)


def _familiarity(info: MetricInfo) -> int:
    known = dict.fromkeys(
        [*_FIRST, *(name for names in DEFAULT_METRICS.values() for name in names)]
    )
    return list(known).index(info.name) if info.name in known else len(known)


def _block(found: Standings, dataset: str, infos: Sequence[MetricInfo]) -> Block:
    runs = found.groups[dataset]
    columns = {one.info.name: metric_cells(runs, one, _DIGITS) for one in found.contests[dataset]}
    rows = [
        (
            Cell(run.name),
            *(columns[info.name][index] if info.name in columns else NONE for info in infos),
        )
        for index, run in enumerate(runs)
    ]
    return Block(f"{dataset} ({found.size(dataset)})", tuple(rows))


def _legend(found: Standings, against: str) -> Iterator[str]:
    if found.num_tests:
        yield (
            "Best is whatever is not shown to be worse than the best of its data (paired t-test of"
            f" the mean, Holm-corrected over {found.num_tests} tests, significant below {ALPHA:g})."
            " Rates and speeds are not ranked."
        )
    elif len(found.runs) > 1:
        yield "Nothing is ranked."
    yield from [found.against_note(against)] if against else []


def _notes(found: Standings) -> Iterator[str]:
    for dataset, runs in found.groups.items():
        contests = found.contests[dataset]
        yield from (f"{dataset}: {said}" for said in contest_limits(contests))
        yield from contest_notes(dataset, contests)
        for run in runs:
            where = f"{run.name} on {dataset}"
            yield from [f"{where}: {run.unfinished}."] if run.unfinished else []
            shown = {one.info.name for one in contests}
            yield from (f"{where}: {caveat}." for caveat in run.caveats(shown))


def _few(notes: Sequence[str]) -> list[str]:
    """At most so many sentences, and how many more there are."""
    if len(notes) <= _MOST_LOSSES:
        return list(notes)
    more = len(notes) - _MOST_LOSSES
    return [*notes[:_MOST_LOSSES], f"And {more} more: snac-eval table STUDY --format md"]
