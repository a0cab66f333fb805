"""``snac-eval run --engine ray`` on a cluster of two nodes that this starts on this machine.

    python -m benchmarks.ray_scale equal         200 clips: is the frame this machine's?
    python -m benchmarks.ray_scale node          a node is killed in the middle
    python -m benchmarks.ray_scale driver        the driver is killed in the middle, and continued
    python -m benchmarks.ray_scale throughput    against two local workers, alternately
    python -m benchmarks.ray_scale memory        the driver's memory at 1,000 and 10,000 clips

Everything listens on 127.0.0.1. The codec of the first four burns 0.3 s of CPU time for each clip.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import soundfile

from snac_eval.audio import speech_like
from snac_eval.codecs.opening import open_model
from snac_eval.types import Codec, Codes, Waveform

MODEL = "benchmarks.ray_scale:costly"
METRICS = ("bitrate", "encode_real_time_factor", "mel_dac_paper", "si_sdr", "estoi")
CHEAP = ("bitrate", "si_sdr")
_BURNT_S = 0.3
_MEASURED = "encode_real_time_factor"
_LISTEN_HERE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    # By default Ray's workers give way to whatever else runs, which local ones do not.
    "RAY_worker_niceness": "0",
}
_PROGRAM = """
import sys, time
from snac_eval.cli.main import main
from snac_eval.machine import peak_memory_mib
from snac_eval.run import loop
compute, spent = loop._compute, []
def timed(*arguments):
    start = time.perf_counter(), time.process_time(), peak_memory_mib()
    compute(*arguments)
    now = time.perf_counter(), time.process_time(), peak_memory_mib()
    spent.extend(after - before for after, before in zip(now, start))
loop._compute = timed
code = main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    print(*spent, peak_memory_mib(), file=file)
sys.exit(code)
"""
"""``snac-eval``, and what its own process spent from the first task to the last result."""


def costly() -> Codec:
    """16-bit PCM that computes for 0.3 s a clip."""
    return _Costly()


class _Costly:
    device = "cpu"
    fingerprint = "costly_pcm/1"

    def __init__(self) -> None:
        inner = open_model("pcm_16bit").coder
        assert inner is not None
        self.inner = inner
        self.card = replace(inner.card, name="costly_pcm", sample_rate=16000)

    def prepare(self) -> None:
        """Nothing is to be loaded."""

    def padded_length(self, _: int) -> int | None:
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        end = time.thread_time() + _BURNT_S * len(waveforms)
        while time.thread_time() < end:
            pass
        return self.inner.encode(waveforms)

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        return self.inner.decode(codes, seeds)


@dataclass(frozen=True)
class Finished:
    """A run that ended well: seconds of the whole process, seconds from the first task to the last
    result, CPU seconds of the driver in these, by how many MiB its peak memory grew in these, and
    what it was at the end."""

    wall_s: float
    work_s: float
    driver_s: float
    grown_mib: float
    peak_mib: float


def run(
    dataset: Path, output: Path, *options: str, model: str = MODEL, metrics: Sequence[str] = METRICS
) -> Finished:
    """One run into this folder, which is continued if it exists."""
    spent = output.with_suffix(".spent")
    arguments = _arguments(dataset, output, options, model, metrics)
    command = [sys.executable, "-c", _PROGRAM, str(spent), *arguments]
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[4:])}: exit code {done.returncode}")
    return Finished(time.perf_counter() - start, *map(float, spent.read_text().split()))


def equal(folder: Path, num_clips: int) -> None:
    """Is every score the same, to the bit?"""
    clips = write_clips(folder, num_clips)
    here = run(clips, folder / "here", "--workers", "2")
    with two_nodes() as cluster:
        there = run(clips, folder / "there", "--engine", "ray", "--address", cluster.address)
    same = frame(folder / "there").equals(frame(folder / "here"))
    print(
        f"{num_clips} clips: local {here.wall_s:.1f} s, Ray {there.wall_s:.1f} s;"
        f" frames equal: {same}"
    )


def node(folder: Path, num_clips: int) -> None:
    """What is lost with a node?"""

    def kill(cluster: Any, process: subprocess.Popen[str]) -> int:  # noqa: ANN401
        (victim,) = cluster.worker_nodes
        for pid in [*workers(victim.node_id), victim.all_processes["raylet"][0].process.pid]:
            os.kill(pid, signal.SIGKILL)
        return process.wait()

    before, code, last, same = _cut_short(folder, num_clips, kill)
    print(
        f"{num_clips} clips, a node killed at {before}: exit code {code}, frames equal: {same};"
        f" run again: {last}"
    )


def driver(folder: Path, num_clips: int) -> None:
    """What is done again where the driver is killed?"""

    def kill(_: Any, process: subprocess.Popen[str]) -> int:  # noqa: ANN401
        process.kill()
        return process.wait()

    before, _, last, same = _cut_short(folder, num_clips, kill)
    print(f"{num_clips} clips, driver killed at {before}: {last}; frames equal: {same}")


def _cut_short(
    folder: Path, num_clips: int, kill: Callable[[Any, subprocess.Popen[str]], int]
) -> tuple[int, int, str, bool]:
    """Kill something half way: clips stored by then, the run's exit code, what the same command
    said last, and whether its frame is that of a run on this machine."""
    clips = write_clips(folder, num_clips)
    run(clips, folder / "here", "--workers", "2")
    with two_nodes() as cluster:
        options = ["--engine", "ray", "--address", cluster.address]
        process = _started(clips, folder / "there", options)
        _wait_for(folder / "there", num_clips // 2)
        before = num_stored(folder / "there")
        code = kill(cluster, process)
        again = _started(clips, folder / "there", options, stdout=subprocess.PIPE)
        last = again.communicate()[0].splitlines()[-1]
    return before, code, last, frame(folder / "there").equals(frame(folder / "here"))


def throughput(folder: Path, num_clips: int, num_pairs: int) -> None:
    """Clips a second on the same two cores, one engine after the other."""
    clips = write_clips(folder, num_clips)
    whole, work = [], []
    with two_nodes() as cluster:
        for index in range(num_pairs):
            here = run(clips, folder / f"here{index}", "--workers", "2")
            options = ["--engine", "ray", "--address", cluster.address]
            there = run(clips, folder / f"there{index}", *options)
            whole.append(here.wall_s / there.wall_s)
            work.append(here.work_s / there.work_s)
            print(
                f"pair {index + 1}: local {here.wall_s:.1f} s ({here.work_s:.1f} s of work), Ray"
                f" {there.wall_s:.1f} s ({there.work_s:.1f} s): {whole[-1]:.2f} ({work[-1]:.2f})"
                f" of local; driver {1000 * there.driver_s / num_clips:.1f} ms CPU a clip",
                flush=True,
            )
    print(
        f"{num_clips} clips, Ray's throughput over local: median {statistics.median(whole):.2f}"
        f" of whole runs, {statistics.median(work):.2f} from the first task to the last result"
    )


def memory(folder: Path, counts: Sequence[int]) -> None:
    """Does the driver's memory grow with the clips?"""
    with two_nodes() as cluster:
        for count in counts:
            clips = write_excerpts(folder, count)
            done = run(
                clips,
                folder / f"run{count}",
                *("--engine", "ray", "--address", cluster.address),
                model="pcm_16bit",
                metrics=CHEAP,
            )
            here = run(clips, folder / f"here{count}", model="pcm_16bit", metrics=CHEAP)
            print(
                f"{count} short clips: driver {done.peak_mib:.0f} MiB, {done.grown_mib:.0f} of them"
                f" while clips were in work, {done.work_s:.0f} s,"
                f" {1000 * done.driver_s / count:.2f} ms CPU a clip; a local run's parent"
                f" {here.peak_mib:.0f} MiB, {here.grown_mib:.0f} of them, {here.work_s:.0f} s",
                flush=True,
            )


def write_clips(folder: Path, count: int) -> Path:
    """A manifest of so many clips of 1 s, each with other audio."""
    rows = []
    for index in range(count):
        path = folder / f"{index:04d}.wav"
        soundfile.write(path, speech_like(16000, 16000, seed=index).samples[0], 16000)
        rows.append({"id": f"{index:04d}", "path": path, "domain": "speech"})
    return _manifest(folder, rows)


def write_excerpts(folder: Path, count: int) -> Path:
    """A manifest of so many excerpts of 0.5 s, each with other audio, of one file."""
    path = folder / "long.wav"
    if not path.exists():
        soundfile.write(path, speech_like(16000 * 600, 16000, seed=0).samples[0], 16000)
    where = [{"start": 0.05 * index, "duration": 0.5} for index in range(count)]
    common = {"path": path, "domain": "speech"}
    return _manifest(folder, [{"id": f"{i:05d}", **common, **one} for i, one in enumerate(where)])


def frame(folder: Path) -> pd.DataFrame:
    """A run's scores, less what was timed."""
    found = pd.read_parquet(folder / "scores.parquet")
    return found[found["metric"] != _MEASURED].reset_index(drop=True)


def num_stored(folder: Path) -> int:
    """How many clips the store of a run has, while it is written."""
    file = folder / "store.sqlite"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        try:
            return int(database.execute("SELECT COUNT(*) FROM reconstructions").fetchone()[0])
        except sqlite3.OperationalError:  # It is just being made.
            return 0


def workers(node_id: str) -> list[int]:
    """The processes of a node that Ray's own started, by their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"RAY_NODE_ID={node_id}".encode() in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
    return found


@contextmanager
def two_nodes() -> Iterator[Any]:
    """A cluster of two nodes of one core each."""
    os.environ.update(_LISTEN_HERE)
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def _arguments(
    dataset: Path,
    output: Path,
    options: Sequence[str],
    model: str = MODEL,
    metrics: Sequence[str] = METRICS,
) -> list[str]:
    what = ["run", "--model", model, "--dataset", f"manifest:{dataset}", "--quiet", "--no-html"]
    return [*what, "--metrics", ",".join(metrics), "--output", str(output), *options]


def _started(
    dataset: Path, output: Path, options: Sequence[str], stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "snac_eval", *_arguments(dataset, output, options)]
    return subprocess.Popen(command, stdout=stdout, text=True)


def _wait_for(folder: Path, count: int) -> None:
    while num_stored(folder) < count:
        time.sleep(0.05)


def _manifest(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path = folder / "clips.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def _main() -> None:
    parser: Any = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=("equal", "node", "driver", "throughput", "memory"))
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--counts", default="1000,10000", help="numbers of short clips")
    options = parser.parse_args()
    do: dict[str, Callable[[Path], None]] = {
        "equal": lambda folder: equal(folder, options.clips),
        "node": lambda folder: node(folder, options.clips),
        "driver": lambda folder: driver(folder, options.clips),
        "throughput": lambda folder: throughput(folder, options.clips, options.pairs),
        "memory": lambda folder: memory(folder, [int(one) for one in options.counts.split(",")]),
    }
    with tempfile.TemporaryDirectory(prefix="snac-eval-ray-scale-") as folder:
        do[options.what](Path(folder))


if __name__ == "__main__":
    _main()
