"""``snac-eval run`` against what it could be at best, against a plain loop, and against itself.

``python -m benchmarks.pipeline --data-root DIR`` times, for each model:

- pairs of a run and a plain sequential loop over the same libraries, as whole processes: the ratio
  of their wall times, and whether every score is the same;
- the run over its bound, which is the CPU time that codec and metrics take alone while as many
  processes as there are cores do nothing else (:mod:`benchmarks.bare_kernels`), over the number of
  cores. What a run takes to start is told apart, by a run of few clips and one of many.

``--against FOLDER`` runs another checkout alternately with this one and compares all scores but
timings bit by bit. ``--parent`` measures the CPU time of the process that plans and stores.
``--growth 20,40,200`` reads the parent's peak memory: time must grow with the clips, it must not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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

_HERE = Path(__file__).resolve().parents[1]
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
    """A run that ended well: wall seconds, CPU seconds of all its processes, and the parent's peak
    memory in MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


@dataclass(frozen=True)
class Pair:
    """The harness and the plain loop, one after the other."""

    harness_s: float
    plain_s: float
    largest_difference: float

    @property
    def ratio(self) -> float:
        """How many times faster the harness is."""
        return self.plain_s / self.harness_s


@dataclass(frozen=True)
class Bound:
    """Runs of few and of many clips, and what the kernels of the clips between took alone."""

    few: int
    many: int
    runs: tuple[Finished, Finished]
    kernel_s: float

    @property
    def steady(self) -> float:
        """Wall time of the clips between over their bound."""
        few, many = self.runs
        return (many.wall_s - few.wall_s) / (self.kernel_s / _num_cores())

    @property
    def steady_cpu(self) -> float:
        """The same of CPU times, which says something on a machine that others use as well."""
        few, many = self.runs
        return (many.cpu_s - few.cpu_s) / self.kernel_s

    @property
    def start_s(self) -> float:
        """What a run takes beside its clips."""
        few, many = self.runs
        each_s = (many.wall_s - few.wall_s) / (self.many - self.few)
        return few.wall_s - each_s * self.few


def run_harness(
    model: str, dataset: Sequence[str], limit: int, output: Path, checkout: Path = _HERE
) -> Finished:
    """One ``snac-eval run`` with the default metrics, into a new folder."""
    shutil.rmtree(output, ignore_errors=True)
    peak = output.with_suffix(".peak")
    command = [sys.executable, "-c", _PROGRAM, str(peak), "run", "--model", model, "--quiet"]
    command += ["--no-html", "--dataset", *dataset, "--output", str(output), "--limit", str(limit)]
    wall_s, cpu_s = _timed(command, checkout)
    return Finished(wall_s, cpu_s, float(peak.read_text()))


def run_plain(model: str, data_root: Path, limit: int, result: Path) -> float:
    """One plain loop, in a process of its own: its wall seconds."""
    arguments = [model, str(data_root), str(limit), str(result)]
    return _timed([sys.executable, "-m", "benchmarks.plain_loop", *arguments])[0]


def pair(model: str, data_root: Path, limit: int, folder: Path) -> Pair:
    """Both, and how far their scores lie apart at most."""
    dataset = [DATASET, "--data-root", str(data_root)]
    harness = run_harness(model, dataset, limit, folder / "run")
    plain_s = run_plain(model, data_root, limit, folder / "plain.json")
    outcome = json.loads((folder / "plain.json").read_text())
    difference = largest_difference(folder / "run", outcome["scores"])
    return Pair(harness.wall_s, plain_s, difference)


def largest_difference(run_dir: Path, plain: dict[str, dict[str, float]]) -> float:
    """Between the run's scores and the plain loop's, over every clip and metric of the latter."""
    frame = pd.read_parquet(run_dir / "scores.parquet")
    scores = frame.pivot_table(index="clip_id", columns="metric", values="value")
    by_hand = pd.DataFrame.from_dict(plain, orient="index")
    assert set(scores.index) == set(by_hand.index)
    ours = scores.reindex(columns=by_hand.columns).loc[by_hand.index]
    assert (ours.isna() == by_hand.isna()).all().all()
    return float((ours - by_hand).abs().max().max())


def bound(model: str, data_root: Path, few: int, many: int, folder: Path) -> Bound:
    """Both runs, and the kernels of the clips between."""
    manifests = [repeated_clips(data_root, count, folder / str(count)) for count in (few, many)]
    first, second = (
        run_harness(model, [f"manifest:{one}"], 0, folder / "run") for one in manifests
    )
    between = repeated_clips(data_root, many, folder / "between", few)
    return Bound(few, many, (first, second), _kernels_s(model, between))


def _kernels_s(model: str, manifest: Path) -> float:
    """CPU seconds of the kernels, each core with a share of the clips, all at once."""
    results = [manifest.with_name(f"kernels{index}") for index in range(_num_cores())]
    program = [sys.executable, "-m", "benchmarks.bare_kernels", model, str(manifest)]
    parts = [
        subprocess.Popen(
            [*program, str(index), str(len(results)), str(result)],
            env={**os.environ, **ONE_THREAD},
        )
        for index, result in enumerate(results)
    ]
    if any(part.wait() for part in parts):
        raise SystemExit("the bare kernels failed")
    return sum(float(result.read_text()) for result in results)


def against(model: str, data_root: Path, limit: int, num_pairs: int, other: Path) -> None:
    """Print how many times faster this checkout is than another, and whether scores are the
    same."""
    dataset = [DATASET, "--data-root", str(data_root.resolve())]
    with _folder() as folder:
        ratios = []
        for index in range(num_pairs):
            now = run_harness(model, dataset, limit, folder / "now")
            before = run_harness(model, dataset, limit, folder / "before", other)
            ratios.append(before.wall_s / now.wall_s)
            print(
                f"{model} pair {index + 1}: now {now.wall_s:.1f} s ({now.cpu_s:.1f} s CPU), before"
                f" {before.wall_s:.1f} s ({before.cpu_s:.1f} s CPU), ratio {ratios[-1]:.2f},"
                f" {num_other_scores(folder / 'now', folder / 'before')}",
                flush=True,
            )
    print(f"{model}, {limit} clips: before / now {spread(ratios)}")


def num_other_scores(now: Path, before: Path) -> str:
    """How many scores of two runs differ in any bit, timings apart."""
    frames = [pd.read_parquet(run / "scores.parquet") for run in (now, before)]
    keys = ["clip_id", "metric"]
    both = frames[0].merge(frames[1], on=keys, how="outer", suffixes=("", "_before"))
    both = both[~both["metric"].str.endswith("real_time_factor")]
    same = (both["value"] == both["value_before"]) | both[["value", "value_before"]].isna().all(
        axis=1
    )
    same &= both["status"] == both["status_before"]
    return f"{(~same).sum()} of {len(both)} scores differ"


def parent(data_root: Path, count: int) -> None:
    """Print the parent's CPU time for each clip of a codec that costs nothing and has large
    codes."""
    program = [sys.executable, "-m", "benchmarks.parent"]
    with _folder() as folder:
        manifest = repeated_clips(data_root, count, folder)
        for model in ("pcm_16bit", "opus_12kbps"):
            subprocess.run([*program, model, str(manifest)], check=True)


def _timed(command: Sequence[str], checkout: Path = _HERE) -> tuple[float, float]:
    """Wall and CPU seconds, those of its children included."""
    start, before = time.perf_counter(), _children_cpu_s()
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        command, env=environment, cwd=checkout, stdout=subprocess.DEVNULL, check=False
    )
    wall_s = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}")
    return wall_s, _children_cpu_s() - before


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))


def compare(model: str, data_root: Path, limit: int, num_pairs: int) -> None:
    """Print the pairs, and what they say."""
    with _folder() as folder:
        pairs = []
        for index in range(num_pairs):
            one = pair(model, data_root, limit, folder)
            pairs.append(one)
            print(
                f"{model} pair {index + 1}: run {one.harness_s:.1f} s, plain loop {one.plain_s:.1f}"
                f" s, ratio {one.ratio:.2f}, largest difference {one.largest_difference:.1e}",
                flush=True,
            )
    print(f"{model}, {limit} clips: plain loop / run {spread([one.ratio for one in pairs])}")


def over_bound(model: str, data_root: Path, few: int, many: int, times: int) -> None:
    """Print runs over their bound."""
    found = []
    for index in range(times):
        with _folder() as folder:
            one = bound(model, data_root, few, many, folder)
        found.append(one)
        print(
            f"{model} {index + 1}: {few} and {many} clips {one.runs[0].wall_s:.1f} and"
            f" {one.runs[1].wall_s:.1f} s, kernels of those between {one.kernel_s:.1f} s CPU, over"
            f" bound {one.steady:.3f} (CPU {one.steady_cpu:.3f}), start {one.start_s:.1f} s",
            flush=True,
        )
    print(f"{model}: clips / bound {spread([one.steady for one in found])}")


def growth(model: str, data_root: Path, limits: Sequence[int]) -> None:
    """Print wall time and the parent's peak memory for growing numbers of clips."""
    with _folder() as folder:
        manifest = repeated_clips(data_root, max(limits), folder)
        for limit in limits:
            done = run_harness(model, [f"manifest:{manifest}"], limit, folder / "run")
            print(f"{model}, {limit} clips: {done.wall_s:.1f} s, parent {done.peak_mib:.0f} MiB")


def repeated_clips(data_root: Path, count: int, folder: Path, first: int = 0) -> Path:
    """A manifest of ``count`` excerpts of 5 s from the local clips, each another piece of audio,
    but for the ``first`` of them."""
    folder.mkdir(exist_ok=True)
    files = sorted((data_root / "LibriSpeech" / "test-mini").rglob("*.flac"))
    long_enough = [file for file in files if soundfile.info(file).duration >= 10]
    rows = []
    for index in range(first, count):
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
    parser.add_argument("--model", action="append", help="default: Opus and the bundled SNAC")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--clips", default="40,240", help="few and many, for the bound")
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--parent", action="store_true")
    parser.add_argument("--growth", default="", help="numbers of clips, such as 20,40,200")
    options = parser.parse_args()
    few, many = map(int, options.clips.split(","))
    if options.parent:
        parent(options.data_root, many)
        return
    for model in options.model or ["opus_12kbps", "snac_16khz_mini"]:
        if options.growth:
            growth(model, options.data_root, [int(one) for one in options.growth.split(",")])
        elif options.against:
            other = options.against.resolve()
            against(model, options.data_root, options.limit, options.pairs, other)
        else:
            compare(model, options.data_root, options.limit, options.pairs)
            over_bound(model, options.data_root, few, many, options.pairs)


if __name__ == "__main__":
    _main()
