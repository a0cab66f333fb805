"""How late a codec is: what it states, measured on speech and on noise.

The speech is what ships with snac-eval, the noise has the spectrum of speech. Both are measured,
for a codec may treat them apart: LC3's postfilter turns voiced sounds alone, and CELP coders follow
a voice better than noise. A codec that does not keep the waveform has no delay to be measured: its
output correlates with its input by less than :data:`KEPT`, mean over the frequencies of speech.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from snac_eval import audio
from snac_eval.alignment import Lag, measure_lag
from snac_eval.registry.cards import data_dir
from snac_eval.types import Codec, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind: TypeAlias = Literal["speech", "noise"]

TOLERANCE = 0.05
"""By so many samples may a codec's delay differ from what it states."""
KEPT = 0.25
_DEFAULT_RATE = 16000
_NOISE_S = 4.0
_NOISE_CLIPS = 3
_NOISE_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """The delay of one codec on clips of one kind."""

    samples: float
    """Mean over the clips at the rate that comes out; negative: it is early."""
    error: float
    """Standard error of the mean."""
    kept: float
    """Correlation of what goes in and out, mean over clips and frequencies: 0 to 1."""
    clips: tuple[float, ...] = ()
    """Each clip's, in the order of the clips."""

    @property
    def keeps_waveform(self) -> bool:
        """Whether there is a delay to speak of."""
        return self.kept >= KEPT

    def __str__(self) -> str:
        if not self.keeps_waveform:
            return f"none (correlation {self.kept:.2f})"
        samples = round(self.samples, 2) + 0.0
        return f"{samples:+.2f} ± {self.error:.2f} (correlation {self.kept:.2f})"


def measured_delay(codec: Codec) -> dict[Kind, Measured]:
    """A prepared codec's delay on speech and on noise. Raises what the codec raises."""
    rate = codec.card.sample_rate or _DEFAULT_RATE
    return {kind: _measured(codec, clips) for kind, clips in signals(rate).items()}


def stated_from(found: Mapping[Kind, Measured]) -> float | None:
    """What a codec that was found to be so late should state: speech's where it keeps speech, else
    noise's; None where it keeps no waveform."""
    for kind in ("speech", "noise"):
        if kind in found and found[kind].keeps_waveform:
            return round(found[kind].samples, 2) + 0.0
    return None


def agrees(stated: float, found: Mapping[Kind, Measured]) -> bool:
    """Whether what is stated is within :data:`TOLERANCE` of what was measured, where anything was.

    The measurement's own error, twice the standard error, is allowed for. A codec that treats
    speech and noise apart may state either, or a value between.
    """
    kept = [one for one in found.values() if one.keeps_waveform]
    if not kept:
        return True
    lowest = min(one.samples - 2 * one.error for one in kept)
    highest = max(one.samples + 2 * one.error for one in kept)
    return lowest - TOLERANCE <= stated <= highest + TOLERANCE


@lru_cache(maxsize=2)
def signals(sample_rate: int) -> dict[Kind, list[NDArray[np.float32]]]:
    """Mono clips ``[time]`` at a rate in Hz."""
    files = sorted((data_dir("datasets") / "demo").glob("speech_*.flac"))
    speech = [audio.resample(audio.to_mono(audio.read(one)), sample_rate) for one in files]
    noise = [_speech_shaped(sample_rate, seed) for seed in range(_NOISE_CLIPS)]
    return {"speech": [one.samples[0] for one in speech], "noise": noise}


def _speech_shaped(rate: int, seed: int) -> NDArray[np.float32]:
    """Gaussian noise that is flat up to 500 Hz and falls by 9 dB an octave, as speech does."""
    size = round(_NOISE_S * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(size))
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    spectrum *= np.where(frequencies < 100, 0, (1 + (frequencies / 500) ** 2) ** -0.75)
    noise = np.fft.irfft(spectrum, size)
    return np.asarray(_NOISE_LEVEL / noise.std() * noise, dtype=np.float32)


def _measured(codec: Codec, clips: Sequence[NDArray[np.float32]]) -> Measured:
    rate = codec.card.sample_rate or _DEFAULT_RATE
    found = [_of_clip(codec, Waveform(clip[None], rate)) for clip in clips]
    lags = [lag for lag, _ in found if lag is not None]
    if not lags:
        return Measured(math.nan, math.nan, 0.0)
    samples = np.array([lag.seconds for lag in lags]) * found[0][1]
    kept = np.array([lag.kept for lag in lags])
    weights = np.minimum(1, kept**2 / np.maximum(1 - kept**2, 1e-9)) + 1e-9
    weights /= weights.sum()
    mean = float(np.dot(weights, samples))
    spread = float(np.dot(weights**2, (samples - mean) ** 2)) / max(1 - float(weights.max()), 1e-9)
    return Measured(mean, math.sqrt(spread), float(kept.mean()), tuple(samples.tolist()))


def _of_clip(codec: Codec, mono: Waveform) -> tuple[Lag | None, int]:
    """The lag of what comes out, and the rate in Hz at which it came."""
    (codes,) = codec.encode([audio.fill_channels(mono, codec.card.channels)])
    (decoded,) = codec.decode([codes], [0])
    heard = audio.resample(audio.to_mono(decoded), mono.sample_rate)
    return measure_lag(mono.samples[0], heard.samples[0], mono.sample_rate), decoded.sample_rate
