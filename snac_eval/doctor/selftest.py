"""The self-test: a small run of the bundled codec on the bundled clips, in a process of its own."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from snac_eval.doctor.findings import Finding

_TIMEOUT_S = 900
_MODEL = "snac_16khz_mini"


def self_test_findings(model: str = _MODEL, options: Sequence[str] = ()) -> Iterator[Finding]:
    """Codes two clips of speech and two of music, scores them with the default metrics, and tells
    of each metric whether it gave a value. ``options`` are further flags of ``run``."""
    with tempfile.TemporaryDirectory() as folder:
        problem = _run(model, options, Path(folder) / "run")
        if problem:
            yield Finding("self-test", model, problem, "broken")
            return
        yield Finding("self-test", model, "codes and decodes")
        yield from _metrics(Path(folder) / "run" / "summary.csv")


def _run(model: str, options: Sequence[str], folder: Path) -> str:
    """What went wrong; empty where nothing did."""
    command = [sys.executable, "-m", "snac_eval", "run", "--model", model, "--dataset", "demo"]
    command += ["--limit", "4", "--balance", "domain", "--workers", "0", "--device", "cpu"]
    command += ["--no-html", "--quiet", "--output", str(folder), *options]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"took longer than {_TIMEOUT_S} s"
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines()
    return f"exit code {done.returncode}: {said[-1] if said else 'nothing was said'}"


def _metrics(summary: Path) -> Iterator[Finding]:
    with summary.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        scored, failed = int(row["n_ok"]), int(row["n_error"])
        works = scored > 0 and failed == 0
        mean = f"{float(row['mean']):.4g}" if row["mean"] else "no value"
        said = f"{mean} on {scored} clips" + (f", {failed} failed" if failed else "")
        yield Finding("self-test", row["metric"], said, "ok" if works else "broken")
