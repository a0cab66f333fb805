"""How late one signal is after another, as a property of what lies between them: a codec.

Between them lies no pure delay. A high-pass filter turns low frequencies, resamplers turn high
ones, and coding adds noise that follows the signal. Where two signals correlate best then depends
on the signal: a voice with a strong fundamental finds the high-pass filter, hiss the top of the
band. What is measured here does not. It is the straight line through zero that fits the phase of
the cross-spectrum best between 300 and 3400 Hz, where speech is understood and every speech codec
works. All frequencies count alike there, but those of which less than a tenth is kept: they count
by the ratio of kept to lost power. With weights that went on growing, a coder of few bits, which
keeps the low frequencies best, would show another delay than one of many.

A pure delay comes out exact, noise moves nothing to either side, and dispersion comes out as the
same average whatever the signal. ``benchmarks/delay_simulation.py`` measures all three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.floating[Any]]

BAND_HZ = (300.0, 3400.0)
LONGEST_S = 0.5
"""The longest delay that is looked for, in seconds, to either side."""
SHORTEST_S = 0.5
"""Two signals must overlap by so many seconds."""
_WINDOW_S = 0.032
_RATE = 8000
_STEPS = 4
_CAP = 0.1
_FINE = 1e-9


@dataclass(frozen=True, slots=True)
class Lag:
    """What lies between two signals, where they fit best."""

    seconds: float
    """By which the second is late; negative: early."""
    kept: float
    """Correlation of the two at that lag, each frequency of the band counting alike: 0 to 1.
    Unrelated signals and what a vocoder makes are near 0."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Spectra of two signals, padded by the longest delay."""

    sides: NDArray[np.complex128]
    """``[side, bin]``: reference, estimate."""
    sizes: tuple[int, int]
    """Samples of either side."""
    length: int
    """Samples that the spectra are of."""
    rate: int

    @property
    def frequencies(self) -> Samples:
        """Of the bins, in Hz."""
        return np.fft.rfftfreq(self.length, 1 / self.rate)


def measure_lag(reference: Samples, estimate: Samples, sample_rate: int) -> Lag | None:
    """By how much ``estimate [time]`` is late after ``reference [time]``, both at one rate in Hz.

    None where one is silent in the band, or where less than half a second of both overlaps.
    """
    pair = _pair(reference, estimate, sample_rate)
    seconds, sign = _whole(pair)
    for _ in range(_STEPS):
        overlap = _overlap(pair, seconds)
        if overlap is None:
            return None
        step, kept = _line(*overlap, pair.rate, sign)
        seconds += step
    return Lag(seconds, kept)


def _pair(reference: Samples, estimate: Samples, rate: int) -> _Pair:
    """Spectra of both, at no higher rate than the band needs."""
    from scipy.fft import next_fast_len, rfft

    low = min(rate, _RATE)
    common = math.gcd(rate, low)
    longest = max(len(reference), len(estimate)) + round(LONGEST_S * rate)
    blocks = next_fast_len(-(-longest * common // rate))
    length, kept = blocks * rate // common, blocks * low // common
    sides = np.stack([rfft(side.astype(np.float64), length) for side in (reference, estimate)])
    sizes = len(reference) * low // rate, len(estimate) * low // rate
    return _Pair(sides[:, : kept // 2 + 1], sizes, kept, low)


def _whole(pair: _Pair) -> tuple[float, int]:
    """The lag in seconds, to a whole sample, at which the phases of most frequencies agree, and
    whether they agree as they are (1) or inverted (-1)."""
    from scipy.fft import irfft

    cross = np.conj(pair.sides[0]) * pair.sides[1] * _in_band(pair.frequencies)
    size = np.abs(cross)
    phases = np.divide(cross, size, out=np.zeros_like(cross), where=size > 0)
    limit = round(LONGEST_S * pair.rate)
    lags = np.arange(-limit, limit + 1)
    agreement = irfft(phases, pair.length)[lags]
    best = int(np.argmax(np.abs(agreement)))
    return float(lags[best]) / pair.rate, 1 if agreement[best] >= 0 else -1


def _in_band(frequencies: Samples) -> NDArray[np.bool_]:
    return (frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1])


def _overlap(pair: _Pair, late_s: float) -> tuple[Samples, Samples] | None:
    """Both sides where they overlap once ``late_s`` is taken out; None where they hardly do."""
    from scipy.fft import irfft

    late = late_s * pair.rate
    first = max(0, math.ceil(-late))
    last = min(pair.sizes[0], math.floor(pair.sizes[1] - late))
    if last - first < SHORTEST_S * pair.rate:
        return None
    turned = pair.sides[1] * np.exp(2j * np.pi * late_s * pair.frequencies)
    reference, estimate = (irfft(side, pair.length) for side in (pair.sides[0], turned))
    if not all(np.ptp(side[first:last]) for side in (reference, estimate)):
        return None
    return reference[first:last], estimate[first:last]


def _line(reference: Samples, estimate: Samples, rate: int, sign: int) -> tuple[float, float]:
    """Seconds by which the estimate is late by the slope of its phase, and the share it keeps."""
    size = round(_WINDOW_S * rate)
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    band = _in_band(frequencies)
    frequencies = frequencies[band]
    one, other = (_short(side, size)[:, band] for side in (reference, estimate))
    powers = [np.sum(np.abs(side) ** 2, axis=0) for side in (one, other)]
    norm = np.sqrt(powers[0] * powers[1])
    cross = sign * np.sum(np.conj(one) * other, axis=0)
    correlation = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    # Unrelated noise of so many windows, half of them shared, seems to share this much by chance.
    chance = 1.5 / len(one)
    shared = np.clip((np.abs(correlation) ** 2 - chance) / (1 - chance), 0, 1)
    weights = np.minimum(_CAP, shared / np.maximum(1 - shared, _FINE)) * frequencies
    moment = float(np.dot(weights, frequencies))
    late = -float(np.dot(weights, np.angle(correlation))) / (2 * np.pi * moment) if moment else 0.0
    return late, float(np.mean(correlation.real))


def _short(samples: Samples, size: int) -> NDArray[np.complex128]:
    """``[window, bin]`` of windows that overlap by half."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, size)[:: size // 2]
    return np.fft.rfft(windows * np.hanning(size))
