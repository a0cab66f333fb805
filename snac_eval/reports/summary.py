"""Tables of one run: ``summary.*``. Those of several runs are made by reports/paper.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from snac_eval.reports.grid import Cell, Column, Grid, count, interval, number, render
from snac_eval.reports.text import markdown_text
from snac_eval.results.frames import RunFrames, load_frames
from snac_eval.run.store import Store
from snac_eval.writing import write_file, write_text

_STATISTICS = ("mean", "95 % interval", "median", "p5 to p95", "ok", "undefined", "failed")
STATISTICS = tuple(map(Column, _STATISTICS))
"""The columns of :func:`statistics`."""


def write_tables(store: Store, run_dir: Path) -> RunFrames:
    """Write every report file of the run and return its frames.

    ``scores.parquet``, ``summary.csv``, ``summary.md``, ``summary.tex`` and, where the codec has
    code streams, ``streams.csv``. Raises OutputError where they cannot be written.
    """
    frames = load_frames(store)
    write_file(run_dir / "scores.parquet", lambda path: frames.scores.to_parquet(path, index=False))
    write_file(run_dir / "summary.csv", lambda path: frames.summary.to_csv(path, index=False))
    if not frames.streams.empty:
        write_file(run_dir / "streams.csv", lambda path: frames.streams.to_csv(path, index=False))
    write_text(run_dir / "summary.md", summary_markdown(frames))
    write_text(run_dir / "summary.tex", render(summary_grid(frames), "latex"))
    return frames


def summary_markdown(frames: RunFrames) -> str:
    """The summary as a Markdown table under one line that says what it is of."""
    grid = summary_grid(frames)
    table = render(replace(grid, caption="", notes=()), "md").rstrip("\n")
    return "\n\n".join([markdown_text(grid.caption), table, *map(markdown_text, grid.notes)]) + "\n"


def summary_grid(frames: RunFrames) -> Grid:
    """A row per metric that is defined on some clip; a note names the others."""
    rows = frames.summary.to_dict("records")
    nowhere = [row["metric"] for row in rows if _undefined_everywhere(row)]
    return Grid.of(
        [Column("metric"), *STATISTICS],
        (
            [Cell(summary_column(row).heading), *statistics(row)]
            for row in rows
            if row["metric"] not in nowhere
        ),
        caption=_caption(frames),
        notes=[f"Undefined on every clip: {', '.join(nowhere)}."] if nowhere else (),
    )


def summary_column(row: Mapping[Any, Any]) -> Column:
    """The metric of a summary row, with its unit and an arrow towards better."""
    return Column(row["metric"], row["unit"], direction(row))


def direction(row: Mapping[Any, Any]) -> bool | None:
    """A summary row's ``higher_is_better``, which pandas may have made a NumPy bool."""
    better = row["higher_is_better"]
    return None if better is None or better != better else bool(better)


def statistics(row: Mapping[Any, Any]) -> list[Cell]:
    """The numbers of a summary row, under :data:`STATISTICS`."""
    return [
        number(row["mean"]),
        interval(row["ci_low"], row["ci_high"]),
        number(row["median"]),
        interval(row["p05"], row["p95"]),
        *(count(row[name]) for name in ("n_ok", "n_undefined", "n_error")),
    ]


def _caption(frames: RunFrames) -> str:
    """One line: codec, dataset, how many clips."""
    scored = frames.scores["clip_id"].nunique()
    left = frames.num_clips - scored
    unfinished = f", {left} more not scored yet" if left else ""
    return (
        f"{frames.codec} on {frames.dataset}, {scored} clips{unfinished};"
        " mean over clips with its 95 % bootstrap interval"
    )


def _undefined_everywhere(row: Mapping[Any, Any]) -> bool:
    return bool(row["n_undefined"] and not row["n_ok"] and not row["n_error"])
