"""Run the command line in this process or in one of its own, and read what it left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

# Real-time factors are measured anew by every run; everything else must repeat.
MEASURED = ("encode_real_time_factor", "decode_real_time_factor")


def command(*arguments: str | Path) -> list[str]:
    """``snac-eval`` with these arguments, as a process's argument list."""
    return [sys.executable, "-m", "snac_eval", *map(str, arguments)]


def run_process(
    *arguments: str | Path, path: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run to the end in a process of its own; ``path`` is put on its PYTHONPATH."""
    env = {**os.environ, **environment}
    if path is not None:
        env["PYTHONPATH"] = str(path)
    return subprocess.run(
        command(*arguments), env=env, capture_output=True, text=True, check=False, timeout=300
    )


def scores(run_dir: Path) -> pd.DataFrame:
    """The tidy frame that a run wrote."""
    return pd.read_parquet(run_dir / "scores.parquet")


def repeatable(frame: pd.DataFrame) -> pd.DataFrame:
    """The part of the scores that does not depend on the machine's mood."""
    return frame[~frame["metric"].isin(MEASURED)].reset_index(drop=True)
