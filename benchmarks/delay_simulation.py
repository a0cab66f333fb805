"""Is the delay found that was put in, whatever the sound, the filter and the noise between?

    python -m benchmarks.delay_simulation FOLDER_OF_SPEECH

Known delays of -40 to 40 samples, fractions among them, then a filter, then noise of the signal's
own spectrum, as a codec's is. Told is the error in samples: bias and spread over the clips, by
``snac_eval.alignment`` and, beside it, by the peak of the cross-correlation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfiltfilt

from snac_eval import audio
from snac_eval.alignment import measure_lag
from snac_eval.codecs.delays import signals
from snac_eval.metrics.waveform import delay_samples, spectra

Samples = NDArray[np.float64]

RATES = (8000, 24000, 48000)
SNRS_DB = (60, 20, 10, 0, -5)
CLIPS = 8
LENGTH_S = 6
FILTERS: dict[str, Callable[[Samples, int], Samples]] = {
    "none": lambda one, _: one,
    "low-pass, 3 kHz": lambda one, rate: sosfiltfilt(butter(4, 3000, fs=rate, output="sos"), one),
    "high-pass, 80 Hz": lambda one, rate: sosfilt(
        butter(2, 80, "high", fs=rate, output="sos"), one
    ),
}


def clips(folder: Path, rate: int) -> Iterator[tuple[str, Samples]]:
    """Real speech from a folder, and the noise that validate uses."""
    files = sorted(folder.rglob("*.flac"))
    for path in files[:: max(1, len(files) // CLIPS)][:CLIPS]:
        speech = audio.resample(audio.to_mono(audio.read(path)), rate).samples[0]
        yield "speech", speech[: LENGTH_S * rate].astype(np.float64)
    for noise in signals(rate)["noise"]:
        yield "noise", noise.astype(np.float64)


def delayed(samples: Samples, by: float) -> Samples:
    """Later by so many samples."""
    size = 2 * len(samples)
    turned = np.fft.rfft(samples, size) * np.exp(-2j * np.pi * by * np.fft.rfftfreq(size))
    return np.asarray(np.fft.irfft(turned, size)[: len(samples)])


def noisy(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """With noise of the same spectrum."""
    drawn = np.fft.rfft(rng.standard_normal(len(samples))) * np.abs(np.fft.rfft(samples))
    noise = np.fft.irfft(drawn, len(samples))
    return samples + noise * samples.std() / noise.std() * 10 ** (-snr_db / 20)


def main(folder: Path) -> None:
    """Print bias and spread of both, by rate, filter, noise and kind of sound."""
    rng = np.random.default_rng(0)
    print("rate   filter             SNR  sound    by phase          by the peak")
    for rate in RATES:
        sounds = list(clips(folder, rate))
        for name, through in FILTERS.items():
            for snr_db in SNRS_DB:
                errors: dict[str, list[tuple[float, float]]] = {}
                for kind, sound in sounds:
                    late = rng.uniform(-40, 40)
                    out = noisy(through(delayed(sound, late), rate), snr_db, rng)
                    lag = measure_lag(sound, out, rate)
                    found = lag.seconds * rate if lag else np.nan
                    peak = delay_samples(spectra(sound, out, rate))
                    errors.setdefault(kind, []).append((found - late, peak - late))
                for kind, pairs in errors.items():
                    (ours, peaks), (spread, around) = np.mean(pairs, 0), np.std(pairs, 0)
                    print(
                        f"{rate:5}  {name:16} {snr_db:4}  {kind:7}"
                        f"  {ours:+.4f} ± {spread:.4f}  {peaks:+.4f} ± {around:.4f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
