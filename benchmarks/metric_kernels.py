"""Our kernels of ViSQOL, STOI and ESTOI against their packages, and what scoring a clip costs.

    python -m benchmarks.metric_kernels [--speech DIR] [--music DIR] [--seconds 10] [--pairs 3]

Eight clips of speech and four of music, spread over the folders, through Opus at 12 kbit/s. CPU
time of one thread; package and ours alternate in one process, so that a busy machine slows both
alike. Prints the ratios (min, median, max), the largest difference of a value, and the CPU seconds
of each default metric of speech per 10 s of audio.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

# Libraries read these as they are loaded.
for _library in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pystoi

from snac_eval import audio
from snac_eval.api import load_codec, load_metric
from snac_eval.metrics.base import DEFAULT_METRICS, PreparedPair
from snac_eval.metrics.level import active_level_db
from snac_eval.metrics.opening import open_metric
from snac_eval.metrics.visqol import SPEECH_LEVEL_DB, _measurer

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CODEC = "opus_12kbps"
NUM_SPEECH, NUM_MUSIC = 8, 4
SUFFIXES = {".flac", ".ogg", ".wav", ".mp3"}

Values = tuple[float, ...]
Kernel = Callable[[PreparedPair], Values]


@dataclass(frozen=True)
class Round:
    """One pair by the package and by us: CPU seconds of both, and how far the values are apart."""

    package_s: float
    own_s: float
    difference: float


def clips(folder: Path, count: int, seconds: float) -> Iterator[PreparedPair]:
    """Clips spread over a folder, mono, each with what the codec makes of it."""
    codec = load_codec(CODEC)
    files = sorted(one for one in folder.rglob("*") if one.suffix in SUFFIXES)
    if len(files) < count:
        raise SystemExit(f"{folder} holds {len(files)} audio files; {count} are needed")
    for index in range(count):
        path = files[index * len(files) // count]
        reference = audio.to_mono(audio.read(path, length_s=seconds))
        sides = [audio.resample(reference, codec.card.sample_rate)]
        estimate = audio.resample(codec.decode(codec.encode(sides), [0])[0], reference.sample_rate)
        yield PreparedPair(reference, audio.fit_length(estimate, reference.num_samples))


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU seconds that one call takes."""
    start = time.process_time()
    run()
    return time.process_time() - start


def rounds(package: Kernel, own: Kernel, pairs: Sequence[PreparedPair], count: int) -> list[Round]:
    """Each pair by both in turn, ``count`` times, after one round that is not counted."""
    found = []
    for pair in pairs:
        expected, values = package(pair), own(pair)
        apart = max(abs(one - two) for one, two in zip(expected, values, strict=True))
        for _ in range(count):
            package_s, own_s = (cpu_seconds(partial(run, pair)) for run in (package, own))
            found.append(Round(package_s, own_s, apart))
    return found


def visqol_package(mode: str, mapper: str, rate: int) -> Kernel:
    """The package's own measure of what our metric would give it."""
    api = _measurer(mode, mapper)

    def run(pair: PreparedPair) -> Values:
        reference, estimate = (one.samples[0] for one in pair.at(rate, mono=True, aligns=True))
        gain = 1.0
        if mode == "speech":
            gain = 10 ** ((SPEECH_LEVEL_DB - active_level_db(reference, rate)) / 20)
        sides = [gain * one.astype(np.float64) for one in (reference, estimate)]
        return (api.measure_from_arrays(*sides, rate).moslqo,)

    return run


def stoi_package(pair: PreparedPair) -> Values:
    """STOI and ESTOI by the package, whose noise is seeded as ours is."""
    reference, estimate = (one.samples[0] for one in pair.at(16000, mono=True))
    plain = pystoi.stoi(reference, estimate, 16000)
    np.random.seed(0)
    return min(1.0, plain), min(1.0, pystoi.stoi(reference, estimate, 16000, extended=True))


def by_metrics(*names: str) -> Kernel:
    """Our metrics, whole, with all that they check; they share work, but none between rounds."""
    metrics = [load_metric(name) for name in names]

    def run(pair: PreparedPair) -> Values:
        fresh = PreparedPair(pair.reference, pair.estimate, pair._cache)
        scores = [metric.score_prepared(fresh, None) for metric in metrics]
        assert all(one.value is not None for one in scores), scores
        return tuple(one.value for one in scores)

    return run


def report(name: str, found: Sequence[Round]) -> None:
    """One line of ratios and the largest difference."""
    ratios = [one.package_s / one.own_s for one in found]
    print(
        f"{name}: {min(ratios):.2f}, {statistics.median(ratios):.2f}, {max(ratios):.2f} times as"
        f" fast as the package; largest difference {max(one.difference for one in found)}"
    )


def costs(pairs: Sequence[PreparedPair], count: int) -> dict[str, float]:
    """CPU seconds per 10 s of audio of each default metric of a waveform of speech, in the order in
    which a run scores them: the least of ``count`` rounds per clip."""
    opened = {name: open_metric(name).pair for name in DEFAULT_METRICS["speech"]}
    metrics = {name: metric for name, metric in opened.items() if metric is not None}
    least = {name: [float("inf")] * len(pairs) for name in metrics}
    for _ in range(count + 1):
        for index, pair in enumerate(pairs):
            fresh = PreparedPair(pair.reference, pair.estimate)
            for name, metric in metrics.items():
                spent = cpu_seconds(partial(metric.score_prepared, fresh, "speech"))
                least[name][index] = min(least[name][index], spent)
    seconds = sum(pair.reference.duration_s for pair in pairs)
    return {name: 10 * sum(spent) / seconds for name, spent in least.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--speech", type=Path, default=DATA / "LibriSpeech")
    parser.add_argument("--music", type=Path, default=DATA / "music")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    speech = list(clips(options.speech, NUM_SPEECH, options.seconds))
    music = list(clips(options.music, NUM_MUSIC, options.seconds))
    both = [*speech, *music]
    wanted: list[tuple[str, Kernel, Kernel, list[PreparedPair]]] = [
        ("visqol_audio", visqol_package("audio", "svr", 48000), by_metrics("visqol_audio"), both),
        (
            "visqol_speech",
            visqol_package("speech", "lattice", 16000),
            by_metrics("visqol_speech"),
            speech,
        ),
        ("stoi and estoi", stoi_package, by_metrics("stoi", "estoi"), both),
    ]
    for name, package, own, pairs in wanted:
        report(name, rounds(package, own, pairs, options.pairs))
    found = costs(speech, options.pairs)
    print("CPU seconds per 10 s of speech:", end=" ")
    print(", ".join(f"{name} {spent:.4f}" for name, spent in found.items()), end="; ")
    print(f"all {sum(found.values()):.3f}")


if __name__ == "__main__":
    main()
