"""Tables of one run: ``summary.*``. Those of several runs are made by reports/paper.py."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from snac_eval.reports.text import latex_text, markdown_text
from snac_eval.results.frames import RunFrames, load_frames
from snac_eval.run.store import Store
from snac_eval.writing import write_file, write_text

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
    lines = [markdown_text(summary_caption(frames)), "", _markdown(_display_summary(frames))]
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


def _heading(name: str, unit: str, higher_is_better: bool | None) -> str:
    arrow = _ARROWS[None if higher_is_better is None else bool(higher_is_better)]
    return " ".join(part for part in (name, f"[{unit}]" if unit else "", arrow) if part)


def _span(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{format_value(low)} to {format_value(high)}"


def _markdown(frame: pd.DataFrame) -> str:
    escaped = frame.map(lambda cell: markdown_text(str(cell)))
    return str(escaped.to_markdown(index=False, disable_numparse=True))


def _latex(frame: pd.DataFrame, caption: str) -> str:
    escaped = frame.map(lambda cell: latex_text(str(cell))).rename(columns=latex_text)
    return str(escaped.to_latex(index=False, escape=False, caption=latex_text(caption)))
