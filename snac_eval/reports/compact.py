"""The table at the end of a study: short names, quality first, as wide as the screen.

Who is best is what :mod:`snac_eval.results.ranking` decided, as in every other table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.reports.grid import NONE, Block, Cell, Column, Grid, metric_column
from snac_eval.reports.paper import contest_limits, contest_notes, lost_notes
from snac_eval.reports.standings import Standings, metric_cells, standings
from snac_eval.reports.summary import summary_grid
from snac_eval.reports.terminal import render_terminal
from snac_eval.reports.text import worst_notes
from snac_eval.results.ranking import ALPHA, BITRATE, tells_quality
from snac_eval.results.record import Run, first_info
from snac_eval.types import MetricInfo

_FIRST = ("pesq_wb", "visqol_speech", "visqol_audio", "mel_dac_paper", "stoi", "si_sdr_aligned")
"""What readers look for first, of the default metrics."""
_MOST_NOTES = 10


def compact_terminal(runs: Sequence[Run], width: int, colour: bool) -> str:
    """The table of several runs for a screen of this many columns, ending in a line break.

    What is best is bold where ``colour``, else marked with ``*``. Names cannot steer the terminal.
    """
    return render_terminal(compact_grid(runs), width, colour)


def summary_terminal(run: Run, width: int, colour: bool) -> str:
    """The summary of one run for a screen of this many columns, ending in a line break."""
    return render_terminal(summary_grid(run), width, colour)


def compact_grid(runs: Sequence[Run], metrics: Sequence[str] = ()) -> Grid:
    """A block a dataset, a row a codec; quality, then bitrate, then speed.

    ``metrics`` chooses the columns, in this order. Raises UsageError without runs, and for a metric
    that none has.
    """
    found = standings(runs, metrics)
    infos = [first_info(runs, name) for name in found.names]
    shown = infos if metrics else sorted(infos, key=_place)
    order = [info.name for info in (infos if metrics else sorted(infos, key=_importance))]
    columns = [
        replace(metric_column(info), importance=order.index(info.name) + 1) for info in shown
    ]
    return Grid(
        columns=(Column("codec"), *columns),
        blocks=tuple(_block(found, dataset, shown) for dataset in found.groups),
        notes=tuple(_few([*_legend(found), *_notes(found), *worst_notes(found.runs, found.names)])),
        lead=tuple(_few(list(lost_notes(found)))),
    )


def _place(info: MetricInfo) -> tuple[int, int]:
    """Where a column stands: quality, the default metrics first, then bitrate, then speed."""
    kind = 2 if info.speed else 0 if tells_quality(info) else 1
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
    columns = {one.info.name: metric_cells(runs, one) for one in found.contests[dataset]}
    rows = [
        (
            Cell(run.name),
            *(columns[info.name][index] if info.name in columns else NONE for info in infos),
        )
        for index, run in enumerate(runs)
    ]
    sizes = sorted({len(run.clips) for run in runs})
    size = " to ".join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))
    return Block(f"{dataset} ({size} clips)", tuple(rows))


def _legend(found: Standings) -> Iterator[str]:
    if found.num_tests:
        yield (
            "Marked: not shown to be worse than the best of its data (paired t-test,"
            f" Holm-corrected over {found.num_tests} tests, significant below {ALPHA:g})."
        )
    elif len(found.runs) > 1:
        yield "Nothing is ranked."


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
    if len(notes) <= _MOST_NOTES:
        return list(notes)
    more = len(notes) - _MOST_NOTES
    return [*notes[:_MOST_NOTES], f"And {more} more: snac-eval table STUDY --format md"]
