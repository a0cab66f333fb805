"""``snac-eval run`` against a plain sequential loop over the same libraries, whole processes.

``python -m benchmarks.pipeline --data-root DIR`` runs both alternately and prints the ratio of
their wall times (min, median, max over the pairs), the ratio to the bound (CPU time of the bare
kernels over the number of cores), and whether every score is the same.
``--growth`` times the run with half of the clips, with all, and several times over, and reads the
parent's peak memory: time must grow with the clips, the parent's memory must not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import soundfile

from benchmarks.plain_loop import DATASET

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


_PROGRAM = """
import sys
from snac_eval.cli.main import main
from snac_eval.machine import peak_memory_mib
code = main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(peak_memory_mib()))
sys.exit(code)
"""
"""``snac-eval``, and its own peak memory at the end: what the system tells the parent counts the
parent's as well."""


@dataclass(frozen=True)
class Finished:
    """A run that ended well: wall seconds, and its own peak memory in MiB."""

    wall_s: float
    peak_mib: float


@dataclass(frozen=True)
class Pair:
    """The harness and the plain loop, one after the other."""

    harness_s: float
    plain_s: float
    kernel_s: float
    largest_difference: float

    @property
    def ratio(self) -> float:
        """How many times faster the harness is."""
        return self.plain_s / self.harness_s

    @property
    def over_bound(self) -> float:
        """Wall time over the bare kernels' CPU time spread over all cores; 1 is the bound."""
        return self.harness_s / (self.kernel_s / len(os.sched_getaffinity(0)))


def run_harness(model: str, dataset: Sequence[str], limit: int, output: Path) -> Finished:
    """One ``snac-eval run`` with the default metrics, into a new folder."""
    shutil.rmtree(output, ignore_errors=True)
    peak = output.with_suffix(".peak")
    command = [sys.executable, "-c", _PROGRAM, str(peak), "run", "--model", model, "--quiet"]
    command += ["--no-html", "--dataset", *dataset, "--output", str(output), "--limit", str(limit)]
    wall_s = _timed(command)
    return Finished(wall_s, float(peak.read_text()))


def run_plain(model: str, data_root: Path, limit: int, result: Path) -> float:
    """One plain loop, in a process of its own: its wall seconds."""
    arguments = [model, str(data_root), str(limit), str(result)]
    return _timed([sys.executable, "-m", "benchmarks.plain_loop", *arguments])


def pair(model: str, data_root: Path, limit: int, folder: Path) -> Pair:
    """Both, and how far their scores lie apart at most."""
    dataset = [DATASET, "--data-root", str(data_root)]
    harness = run_harness(model, dataset, limit, folder / "run")
    plain_s = run_plain(model, data_root, limit, folder / "plain.json")
    outcome = json.loads((folder / "plain.json").read_text())
    difference = largest_difference(folder / "run", outcome["scores"])
    return Pair(harness.wall_s, plain_s, outcome["kernel_s"], difference)


def largest_difference(run_dir: Path, plain: dict[str, dict[str, float]]) -> float:
    """Between the run's scores and the plain loop's, over every clip and metric of the latter."""
    frame = pd.read_parquet(run_dir / "scores.parquet")
    scores = frame.pivot_table(index="clip_id", columns="metric", values="value")
    by_hand = pd.DataFrame.from_dict(plain, orient="index")
    assert set(scores.index) == set(by_hand.index)
    return float((scores.loc[by_hand.index, by_hand.columns] - by_hand).abs().max().max())


def _timed(command: Sequence[str]) -> float:
    start = time.perf_counter()
    environment = {**os.environ, **ONE_THREAD}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    wall_s = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}")
    return wall_s


def compare(model: str, data_root: Path, limit: int, num_pairs: int) -> None:
    """Print the pairs, and what they say."""
    with _folder() as folder:
        pairs = []
        for index in range(num_pairs):
            one = pair(model, data_root, limit, folder)
            pairs.append(one)
            print(
                f"{model} pair {index + 1}: run {one.harness_s:.1f} s, plain loop {one.plain_s:.1f}"
                f" s, ratio {one.ratio:.2f}, kernels {one.kernel_s:.1f} s CPU, over bound"
                f" {one.over_bound:.2f}, largest difference {one.largest_difference:.1e}",
                flush=True,
            )
    print(f"{model}, {limit} clips: plain loop / run {spread([one.ratio for one in pairs])};")
    print(f"  run / bound {spread([one.over_bound for one in pairs])}")


def growth(model: str, data_root: Path, limits: Sequence[int]) -> None:
    """Print wall time and the parent's peak memory for growing numbers of clips."""
    with _folder() as folder:
        manifest = repeated_clips(data_root, max(limits), folder)
        for limit in limits:
            done = run_harness(model, [f"manifest:{manifest}"], limit, folder / "run")
            print(f"{model}, {limit} clips: {done.wall_s:.1f} s, parent {done.peak_mib:.0f} MiB")


def repeated_clips(data_root: Path, count: int, folder: Path) -> Path:
    """A manifest of ``count`` excerpts of 5 s from the local clips, each another piece of audio."""
    files = sorted((data_root / "LibriSpeech" / "test-mini").rglob("*.flac"))
    long_enough = [file for file in files if soundfile.info(file).duration >= 10]
    rows = []
    for index in range(count):
        turn, which = divmod(index, len(long_enough))
        where = {"path": long_enough[which], "start": 0.1 * turn, "duration": 5.0}
        rows.append({"id": f"clip{index:04d}", "domain": "speech", **where})
    path = folder / "clips.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def spread(values: Sequence[float]) -> str:
    """Min, median and max."""
    middle = statistics.median(values)
    return f"min {min(values):.2f}, median {middle:.2f}, max {max(values):.2f}"


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="snac-eval-pipeline-") as folder:
        yield Path(folder)


def _main() -> None:
    parser: Any = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data-root", type=Path, required=True, help="holds LibriSpeech/test-mini")
    parser.add_argument("--model", default="opus_12kbps")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--growth", default="", help="numbers of clips, such as 20,40,200")
    options = parser.parse_args()
    if options.growth:
        growth(options.model, options.data_root, [int(one) for one in options.growth.split(",")])
    else:
        compare(options.model, options.data_root, options.limit, options.pairs)


if __name__ == "__main__":
    _main()
