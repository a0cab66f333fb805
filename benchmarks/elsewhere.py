"""What a codec loses to the pipe where it runs in another interpreter (docs/environments.md).

    python benchmarks/elsewhere.py [--model snac_16khz_mini] [--python PATH] [--clips 200]
        [--seconds 5] [--rounds 1]

Every clip is encoded and decoded here and there in turn, so that both have the same load beside
them, on one thread, prepared and warmed up. ``--python`` is the interpreter there; by default it is
this one, so that both compute the same and the pipe is the difference. The figure is the time there
over the time here; the bar is 1.10. Codes and audio must be the same, to the bit where the
libraries are the same. The CPU time is counted as well, of both processes there: on a machine that
is busy, it says more than the clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from snac_eval.audio import speech_like
from snac_eval.codecs.contract import same_codes
from snac_eval.codecs.opening import open_model
from snac_eval.types import Codec, Codes, Waveform

BAR = 1.10
_WARM_UP = 3


def main(model: str, python: str, num_clips: int, seconds: float, rounds: int) -> None:
    """Print the ratio of both times."""
    os.environ["OMP_NUM_THREADS"] = "1"
    here, there = _opened(model, ""), _opened(model, python)
    rate, channels = here.card.sample_rate or 16000, here.card.channels or 1
    made = [speech_like(round(seconds * rate), rate, channels, one) for one in range(num_clips)]
    for clip in made[:_WARM_UP]:
        _coded(here, clip), _coded(there, clip)
    spent = np.zeros((2, 2))
    same_audio = 0
    for number, clip in enumerate(made * rounds):
        order = (0, 1) if number % 2 else (1, 0)
        answers: dict[int, tuple[Codes, Waveform]] = {}
        for one in order:
            codec = (here, there)[one]
            start = _now(there)
            answers[one] = _coded(codec, clip)
            spent[one] += _now(there) - start
        if not same_codes(answers[0][0], answers[1][0]):
            sys.exit(f"clip {number}: other codes there")
        same_audio += np.array_equal(answers[0][1].samples, answers[1][1].samples)
    count = num_clips * rounds
    (clock, cpu) = spent[1] / spent[0]
    each = 1000 * spent / count
    print(f"{model}: {count} clips of {seconds:g} s, load average {os.getloadavg()[0]:.1f}")
    print(f"  here   {each[0][0]:8.2f} ms a clip, {each[0][1]:8.2f} ms of CPU")
    print(f"  there  {each[1][0]:8.2f} ms a clip, {each[1][1]:8.2f} ms of CPU  ({python})")
    print(f"  there / here {clock:.3f}, of CPU {cpu:.3f}; the bar is {BAR:.2f}")
    print(f"  codes are the same; audio is the same to the bit of {same_audio} of {count}")


def _opened(model: str, python: str) -> Codec:
    codec = open_model(model, num_threads=1, python=python)
    codec.prepare()
    if codec.coder is None:
        sys.exit(f"{model}: codes nothing")
    return codec.coder


def _coded(codec: Codec, clip: Waveform) -> tuple[Codes, Waveform]:
    (codes,) = codec.encode([clip])
    (audio,) = codec.decode([codes], [1])
    return codes, audio


def _now(there: Codec) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The clock, and the CPU time of this process and of the worker, in seconds."""
    pid: int = there._guest.pid  # type: ignore[attr-defined]
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    nanoseconds = sum(int(one.read_text().split()[0]) for one in threads)
    return np.array([time.perf_counter(), time.process_time() + nanoseconds / 1e9])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="snac_16khz_mini")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    main(given.model, given.python, given.clips, given.seconds, given.rounds)
