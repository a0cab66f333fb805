"""Tables of one run (``summary.*``) and of several runs side by side (``snac-eval table``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from snac_eval.errors import UsageError
from snac_eval.files import write_file, write_text
from snac_eval.reports.frames import RunFrames, load_frames
from snac_eval.store import Store

TableFormat = Literal["md", "latex", "csv"]
FORMATS: tuple[str, ...] = get_args(TableFormat)
_ARROWS = {True: "↑", False: "↓", None: ""}


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
    write_text(run_dir / "summary.tex", _latex(_display_summary(frames), summary_caption(frames)))
    return frames


def summary_markdown(frames: RunFrames) -> str:
    """The summary as a Markdown table under one line that says what it is of."""
    lines = [summary_caption(frames), "", _markdown(_display_summary(frames))]
    if nowhere := _undefined_everywhere(frames):
        lines += ["", f"Undefined on every clip: {', '.join(nowhere)}."]
    return "\n".join(lines) + "\n"


def summary_caption(frames: RunFrames) -> str:
    """One line: codec, dataset, how many clips."""
    scored = frames.scores["clip_id"].nunique()
    left = frames.num_clips - scored
    unfinished = f", {left} more not scored yet" if left else ""
    return (
        f"{frames.codec} on {frames.dataset}, {scored} clips{unfinished};"
        " mean over clips with its 95 % bootstrap interval"
    )


def comparison_table(
    runs: Sequence[RunFrames], table_format: TableFormat, metrics: Sequence[str] = ()
) -> str:
    """Runs as rows, metrics as columns, mean and half the interval's width in each cell.

    ``metrics`` chooses the columns and their order; none: all. ``csv`` gives plain numbers:
    ``<metric>``, ``<metric>_ci_low``, ``<metric>_ci_high`` and ``<metric>_n``. Raises UsageError
    without runs, or for a metric that no run has.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    runs = [_only(run, metrics) for run in runs] if metrics else runs
    known = {name for run in runs for name in run.summary["metric"]}
    if missing := [name for name in metrics if name not in known]:
        raise UsageError(f"no run here has scores of '{missing[0]}'; run it with --metrics first")
    if table_format == "csv":
        return pd.DataFrame([_numbers(run) for run in runs]).to_csv(index=False)
    frame = pd.DataFrame([_cells(run) for run in runs]).fillna("–")
    notes = _definition_notes(runs)
    if table_format == "latex":
        caption = "Mean over clips ± half of the 95 % bootstrap interval. " + " ".join(notes)
        return _latex(frame, caption.strip())
    return "\n".join([_markdown(frame), *(f"\n{note}" for note in notes)]) + "\n"


def _only(run: RunFrames, metrics: Sequence[str]) -> RunFrames:
    """The same run with these metrics alone, in this order."""
    summary = run.summary.set_index("metric", drop=False)
    kept = [name for name in metrics if name in summary.index]
    scores = run.scores[run.scores["metric"].isin(kept)]
    return replace(run, summary=summary.loc[kept].reset_index(drop=True), scores=scores)


def format_value(value: float) -> str:
    """A number with as many digits as mean something: about three, never in powers of ten."""
    if math.isnan(value):
        return "–"
    digits = next((d for d, low in enumerate((1000, 100, 10)) if abs(value) >= low), 3)
    return f"{value:.{digits}f}"


def _display_summary(frames: RunFrames) -> pd.DataFrame:
    nowhere = _undefined_everywhere(frames)
    rows = [
        {
            "metric": _heading(row["metric"], row["unit"], row["higher_is_better"]),
            "mean": format_value(row["mean"]),
            "95 % interval": _span(row["ci_low"], row["ci_high"]),
            "median": format_value(row["median"]),
            "p5 to p95": _span(row["p05"], row["p95"]),
            "ok": row["n_ok"],
            "undefined": row["n_undefined"],
            "error": row["n_error"],
        }
        for row in frames.summary.to_dict("records")
        if row["metric"] not in nowhere
    ]
    return pd.DataFrame(rows)


def _undefined_everywhere(frames: RunFrames) -> list[str]:
    rows = frames.summary.to_dict("records")
    return [
        row["metric"]
        for row in rows
        if row["n_undefined"] and not row["n_ok"] and not row["n_error"]
    ]


def _cells(run: RunFrames) -> dict[str, str]:
    cells = {"codec": run.codec, "dataset": run.dataset}
    cells["clips"] = str(run.scores["clip_id"].nunique())
    for row in run.summary.to_dict("records"):
        half_width = (row["ci_high"] - row["ci_low"]) / 2
        spread = "" if math.isnan(half_width) else f" ± {format_value(half_width)}"
        heading = _heading(row["metric"], row["unit"], row["higher_is_better"])
        cells[heading] = format_value(row["mean"]) + spread
    return cells


def _numbers(run: RunFrames) -> dict[str, object]:
    numbers: dict[str, object] = {"codec": run.codec, "dataset": run.dataset}
    for row in run.summary.to_dict("records"):
        name = row["metric"]
        numbers |= {name: row["mean"], f"{name}_ci_low": row["ci_low"]}
        numbers |= {f"{name}_ci_high": row["ci_high"], f"{name}_n": row["n_ok"]}
    return numbers


def _definition_notes(runs: Sequence[RunFrames]) -> list[str]:
    """A line for each metric whose fingerprints differ between runs: not the same measurement."""
    scores = pd.concat([run.scores for run in runs])
    counts = scores.groupby("metric")["fingerprint"].nunique()
    return [
        f"Not comparable across rows: {name} was computed in {count} different ways"
        " (column fingerprint of scores.parquet)."
        for name, count in counts.items()
        if count > 1
    ] + _dataset_note(runs)


def _dataset_note(runs: Sequence[RunFrames]) -> list[str]:
    clips = {frozenset(run.scores["clip_id"]) for run in runs}
    return [] if len(clips) == 1 else ["The rows are not all over the same clips."]


def _heading(name: str, unit: str, higher_is_better: bool | None) -> str:
    arrow = _ARROWS[None if higher_is_better is None else bool(higher_is_better)]
    return " ".join(part for part in (name, f"[{unit}]" if unit else "", arrow) if part)


def _span(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{format_value(low)} to {format_value(high)}"


def _markdown(frame: pd.DataFrame) -> str:
    escaped = frame.map(lambda cell: str(cell).replace("|", "\\|"))
    return str(escaped.to_markdown(index=False, disable_numparse=True))


def _latex(frame: pd.DataFrame, caption: str) -> str:
    symbols = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "–": "--"}
    text = str(frame.to_latex(index=False, escape=True, caption=caption.replace("%", r"\%")))
    for symbol, command in symbols.items():
        text = text.replace(symbol, command)
    return text
