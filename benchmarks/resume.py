"""A run that starts again with nothing to do: how long it takes, and how much memory.

    python -m benchmarks.resume [--clips 20000] [--repeats 3] [--folder DIR]

Makes that many clips of 0.2 s and a store that holds their codes and scores by the default metrics,
through the store's own interface, as a run would have left them; no metric is computed. Then
``snac-eval run`` in a process of its own: once to end the run (it counts the tokens of every clip
and writes the files), then again and again with nothing to do. Each says its seconds (by the clock
and of this process's computing) and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from snac_eval.run.config import RunConfig
from snac_eval.run.loop import make_plan
from snac_eval.run.rows import StoredCodes
from snac_eval.run.store import Store
from snac_eval.types import CodecCard, Codes, Score, Timing, Waveform

_RATE = 16000
_LENGTH = 3200
_SIZES = (1024, 1024, 1024)
MODEL = "benchmarks.resume:Tokens"


class Tokens:
    """A codec whose codes are in the store already: three streams, as SNAC's."""

    card = CodecCard(
        name="tokens",
        family="benchmark",
        description="three streams of tokens",
        sample_rate=_RATE,
        nominal_bitrate_bps=1750.0,
        codebook_sizes=_SIZES,
        frame_rates_hz=(25.0, 50.0, 100.0),
    )
    device = "cpu"
    fingerprint = "tokens:v=1"

    def prepare(self) -> None:
        """Nothing to load."""

    def padded_length(self, num_samples: int) -> int | None:
        """One clip at a time."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Never asked: nothing is to be done."""
        raise AssertionError("a clip was encoded again")

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Never asked: nothing is to be done."""
        raise AssertionError("a clip was decoded again")


def make_clips(folder: Path, count: int) -> None:
    """Clips of 0.2 s, a thousand to a folder."""
    rng = np.random.default_rng(0)
    for index in range(count):
        place = folder / "speech" / f"{index // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        samples = rng.uniform(-0.5, 0.5, _LENGTH).astype(np.float32)
        soundfile.write(place / f"{index:06}.wav", samples, _RATE, subtype="PCM_16")


def fill_store(config: RunConfig) -> None:
    """Codes and a score by each metric for every clip, and nothing else of a run."""
    plan = make_plan(config)
    rng = np.random.default_rng(1)
    with Store.create(config.output, overwrite=True) as store:
        for clip, key in zip(plan.clips, plan.keys, strict=True):
            values = rng.uniform(0, 4, len(plan.metrics))
            streams = tuple(
                rng.integers(0, size, count).astype(np.int32)
                for size, count in zip(_SIZES, (5, 10, 20), strict=True)
            )
            codes = Codes(_LENGTH, streams=streams, codebook_sizes=_SIZES)
            keys = plan.score_keys(plan.clip_metrics(clip), clip)
            scores = {
                one: Score.ok(float(value))
                for one, value in zip(keys.values(), values, strict=False)
            }
            store.put(key, scores, StoredCodes(codes, Timing(0.001, 0.001)))


def measure(config: RunConfig) -> str:
    """``snac-eval run`` in a process of its own."""
    command = [sys.executable, "-m", "snac_eval", "run", "--model", config.model, "--quiet"]
    command += ["--dataset", config.dataset, "--output", str(config.output), "--no-html"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - start
    if process.returncode or "\n0 clips computed now" not in printed:
        raise SystemExit(f"the run went wrong:\n{printed}")
    memory_mib = used.ru_maxrss / 1024
    return (
        f"{wall_s:5.2f} s, computing {used.ru_utime + used.ru_stime:5.2f} s, {memory_mib:.0f} MiB"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=20000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep clips and run here, and use them again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        data = folder / f"clips{options.clips}"
        if not data.exists():
            make_clips(data, options.clips)
        config = RunConfig(MODEL, f"folder:{data}", folder / f"run{options.clips}")
        if not (config.output / "manifest.json").exists():
            fill_store(config)
            print(f"{options.clips} clips, the run ended:   {measure(config)}")
        for _ in range(options.repeats):
            print(f"{options.clips} clips, nothing to do:   {measure(config)}")


if __name__ == "__main__":
    main()
