"""How late Codec 2 is, in samples: where the level contours of speech and of its output fit best.

    python -m benchmarks.codec2_delay FOLDER_OF_SPEECH

A vocoder keeps no waveform, so that cross-correlating samples finds pitch periods instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snac_eval import audio
from snac_eval.codecs.codec2 import Codec2
from snac_eval.registry.plugins import codec_card

_MODES = ("700c", "1200", "1300", "1400", "1600", "2400", "3200")


def contour(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Level in windows of 10 ms at 8 kHz, without its mean: ``[time]`` to ``[time]``."""
    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(80) / 80, "same")
    level = np.log10(np.sqrt(power.clip(0)) + 1e-3)
    return np.asarray(level - level.mean(), dtype=np.float32)


def delay(codec: Codec2, path: Path) -> int:
    """Samples by which one file's output lags."""
    reference = audio.resample(audio.to_mono(audio.read(path)), 8000).samples[0]
    coder = codec._coder()
    frames = np.pad(reference, (0, -len(reference) % coder.frame_length))
    decoded = coder.decode([coder.encode(f) for f in frames.reshape(-1, coder.frame_length)])
    return audio.measure_delay(contour(reference), contour(decoded), 1000)


def main(folder: Path) -> None:
    """Print the median delay of each mode over 24 files, with the 10th and 90th percentile."""
    files = sorted(folder.rglob("*.flac"))
    for mode in _MODES:
        codec = Codec2(codec_card(f"codec2_{mode}"))
        delays = [delay(codec, path) for path in files[:: max(1, len(files) // 24)]]
        low, middle, high = np.percentile(delays, [10, 50, 90])
        print(f"{mode:>5}  median {middle:.0f}  10 to 90 %: {low:.0f} to {high:.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
