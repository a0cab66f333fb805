"""Tables of one run: ``summary.*``. Those of several runs are made by reports/paper.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from snac_eval.reports.claims import INTERVALS, narrowed
from snac_eval.reports.grid import NONE, Cell, Column, Grid, count, interval, number, render
from snac_eval.reports.text import floor_notes, markdown_text, pooled_notes
from snac_eval.results.frames import intervals, streams_frame, summary_frame
from snac_eval.results.left_out import is_undefined_everywhere, left_out, left_out_of_all
from snac_eval.results.record import Run
from snac_eval.writing import write_csv, write_text

_FILES = ("summary.csv", "summary.md", "summary.tex")
CATASTROPHIC = "catastrophic"
"""The column of clips that are worse than their metric's floor, or failed."""
_STATISTICS = (
    *("mean", "95 % interval", "median", "p5 to p95"),
    *(CATASTROPHIC, "ok", "undefined", "failed"),
)
STATISTICS = tuple(map(Column, _STATISTICS))
"""The columns of :func:`statistics`."""


def write_tables(run: Run, folder: Path) -> None:
    """Write ``summary.csv``, ``summary.md``, ``summary.tex`` and, where the codec has code streams,
    ``streams.csv``. Raises OutputError where they cannot be written."""
    summary, streams = summary_frame(run), streams_frame(run)
    write_csv(folder / "summary.csv", summary)
    if not streams.empty:
        write_csv(folder / "streams.csv", streams)
    write_text(folder / "summary.md", summary_markdown(run))
    write_text(folder / "summary.tex", render(summary_grid(run), "latex"))


def has_tables(folder: Path) -> bool:
    """Whether the tables of a summary are there."""
    return all((folder / name).is_file() for name in _FILES)


def summary_markdown(run: Run) -> str:
    """The summary as a Markdown table under one line that says what it is of."""
    grid = summary_grid(run)
    table = render(replace(grid, caption="", notes=()), "md").rstrip("\n")
    return "\n\n".join([markdown_text(grid.caption), table, *map(markdown_text, grid.notes)]) + "\n"


def summary_grid(run: Run) -> Grid:
    """A row per metric that is defined on some clip; notes name the others, and say for whom the
    intervals hold."""
    rows = summary_frame(run).to_dict("records")
    nowhere = [name for name, one in run.metrics.items() if is_undefined_everywhere(one)]
    shown = [run.info(row["metric"]) for row in rows if row["metric"] not in nowhere]
    pooled, floors = pooled_notes(shown), floor_notes(shown)
    grid = Grid.of(
        [Column("metric"), *STATISTICS],
        (
            [Cell(run.info(row["metric"]).heading), *statistics(row)]
            for row in rows
            if row["metric"] not in nowhere
        ),
        caption=_caption(run),
        notes=[
            *left_out_lines(run),
            *(f"{caveat}." for caveat in run.caveats()),
            *(INTERVALS, *run_limits(run), *pooled, *floors),
        ],
    )
    return without_empty_catastrophes(grid)


def left_out_lines(run: Run) -> list[str]:
    """A line for each reason why metrics that one would expect have no value in this run."""
    return [f"Left out: {', '.join(one.metrics)} ({one.reason})." for one in left_out(run)]


def left_out_of_study(runs: Sequence[Run]) -> list[str]:
    """The same of several runs, each line once, with where it holds."""
    return [
        f"Left out: {', '.join(one.metrics)} ({one.reason}): {_some(where)}."
        for one, where in left_out_of_all(runs).items()
    ]


def _some(places: Sequence[str]) -> str:
    rest = f" and {len(places) - 4} more" if len(places) > 4 else ""
    return ", ".join(places[:4]) + rest


def without_empty_catastrophes(grid: Grid) -> Grid:
    """The grid, less the column of catastrophic clips where no metric has a floor."""
    index = [column.name for column in grid.columns].index(CATASTROPHIC)
    return grid if grid.numeric[index] else grid.without(CATASTROPHIC)


def run_limits(run: Run) -> list[str]:
    """For whom the run's intervals hold, where not for other speakers too."""
    found = intervals(run).items()
    return narrowed((name, one.claim, one.num_units, one.unit) for name, one in found)


def statistics(row: Mapping[Any, Any]) -> list[Cell]:
    """The numbers of a summary row, under :data:`STATISTICS`."""
    return [
        number(row["mean"]),
        interval(row["ci_low"], row["ci_high"]),
        number(row["median"]),
        interval(row["p05"], row["p95"]),
        _catastrophic(row),
        *(count(row[name]) for name in ("n_ok", "n_undefined", "n_error")),
    ]


def _catastrophic(row: Mapping[Any, Any]) -> Cell:
    share = row["catastrophic_share"]
    if share != share:
        return NONE
    return Cell(f"{row['n_catastrophic']} ({100 * share:.0f} %)", key=float(share))


def _caption(run: Run) -> str:
    """One line: codec, dataset, how many clips."""
    scored = run.num_scored
    left = len(run.clips) - scored
    unfinished = f", {left} more not scored yet" if left else ""
    return (
        f"{run.codec} on {run.dataset}, {scored} clips{unfinished};"
        " mean over clips with its 95 % interval"
    )
