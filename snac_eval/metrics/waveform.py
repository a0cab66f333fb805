"""SI-SDR and delay: the waveform itself, sample by sample.

Conventions: SI-SDR after Le Roux et al., "SDR - half-baked or well done?" (ICASSP 2019), with the
mean of both signals removed, in dB, at the reference's rate. Nothing is added to avoid a division
by zero. Values are cut at -140 and 140 dB, where the rounding of float32 samples begins: a copy at
half the level is exact, one at 0.7 of it differs by that rounding alone (152 dB), and both get 140.
Neural codecs are not trained to keep the waveform, so a low SI-SDR alone says little about how they
sound, and none is so low that it says a clip's content is lost.

A delay is the peak of the magnitude of the cross-correlation within 100 ms (half the clip where
that is less), found to a fraction of a sample by the phase of the cross-spectrum. A frequency
counts there as much as both sides have of it: what only one side has does not pull. To take a
fraction out, the estimate's spectrum is turned by the phase that belongs to the delay. What
overlaps is scored, below 99 % of half the rate on both sides: a fraction of a sample has no meaning
at half the rate itself.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import ALL_DOMAINS, Memo, PairMetric, Undefined, fingerprint
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

    Samples = NDArray[np.floating[Any]]

LIMIT_MS = 100
# A lower peak is chance: the best of thousands of lags of unrelated noise reaches about 0.05.
MIN_CORRELATION = 0.2
CEILING_DB = 140.0
_BAND = 0.99
_STEPS = 60
_PRECISION = 1e-6


def _info(
    name: str, unit: str, description: str, better: bool | None, *, ranked: bool = True,
    **settings: object,
) -> MetricInfo:  # fmt: skip
    bound = CEILING_DB if unit == "dB" else float(LIMIT_MS)
    return MetricInfo(
        name=name,
        description=description,
        unit=unit,
        higher_is_better=better,
        value_range=(-bound, bound),
        domains=ALL_DOMAINS,
        sample_rate=None,
        fingerprint=fingerprint(name, **settings, resampler=RESAMPLER, v=2),
        ranked=ranked,
    )


def si_sdr(reference: Samples, estimate: Samples) -> float:
    """Scale-invariant SDR in dB of two ``[time]``, zero-mean, cut at -140 and 140 dB.

    Raises Undefined where the reference is constant.
    """
    target = reference - reference.mean(dtype=np.float64)
    signal = estimate - estimate.mean(dtype=np.float64)
    energy = float(np.dot(target, target))
    if not energy:
        raise Undefined("the reference is constant")
    target *= float(np.dot(signal, target)) / energy
    kept = float(np.dot(target, target))
    signal -= target
    lost = float(np.dot(signal, signal))
    if not kept:
        return -CEILING_DB
    if not lost:
        return CEILING_DB
    return min(CEILING_DB, max(-CEILING_DB, 10 * math.log10(kept / lost)))


@dataclass(frozen=True, slots=True)
class Spectra:
    """Both sides of a pair ``[bin]``, without their means and what lies next to half the rate."""

    sides: NDArray[np.complex128]
    """``[side, bin]``: reference, estimate."""
    sizes: tuple[int, int]
    """Samples of either side."""
    length: int
    """Samples that the spectra are of."""
    limit: int
    """Samples of the longest delay that is looked for."""

    @property
    def nbytes(self) -> int:
        """What they take of a memo."""
        return self.sides.nbytes


def spectra(reference: Signal, estimate: Signal, sample_rate: int) -> Spectra:
    """Spectra of a pair, padded so that no delay within 100 ms wraps around."""
    from scipy.fft import next_fast_len, rfft

    limit = max(1, min(sample_rate * LIMIT_MS // 1000, len(reference) // 2))
    sizes = len(reference), len(estimate)
    length = next_fast_len(max(sizes) + 2 * limit, real=True)
    # An offset would pull the peak of the correlation towards no delay.
    centred = [side - side.mean(dtype=np.float64) for side in (reference, estimate)]
    sides = np.stack([rfft(side, length) for side in centred])
    sides[:, round(_BAND * sides.shape[1]) :] = 0
    return Spectra(sides, sizes, length, limit)


def delay_samples(pair: Spectra) -> float:
    """Samples, to a fraction, by which the estimate lags the reference, within 100 ms."""
    from scipy.fft import irfft

    correlation = irfft(np.conj(pair.sides[0]) * pair.sides[1], pair.length)
    lags = np.arange(-pair.limit, pair.limit + 1)
    peak = int(lags[np.argmax(np.abs(correlation[lags]))])
    if abs(peak) >= pair.limit:
        return float(peak)
    return peak + _fraction(correlation[peak + lags])


def _fraction(correlation: NDArray[np.float64]) -> float:
    """Where the magnitude of a correlation of odd length peaks, from its middle sample: -1 to 1.

    Between its samples the correlation is what its spectrum says. Its slope is zero at the peak:
    Newton's steps find where, and bisection where a step would leave the bracket.
    """
    half = len(correlation) // 2
    faded = correlation * np.hanning(len(correlation) + 2)[1:-1] * np.sign(correlation[half])
    cross = np.fft.rfft(np.roll(faded, -half))
    frequencies = 2 * np.pi / len(faded) * np.arange(len(cross))
    low, high, fraction = -1.0, 1.0, 0.0
    for _ in range(_STEPS):
        turned = cross * np.exp(1j * frequencies * fraction)
        slope = -float(np.dot(frequencies, turned.imag))
        bend = -float(np.dot(frequencies**2, turned.real))
        low, high = (fraction, high) if slope > 0 else (low, fraction)
        step = fraction - slope / bend if bend < 0 else math.nan
        step = step if low <= step <= high else (low + high) / 2
        if abs(step - fraction) < _PRECISION:
            break
        fraction = step
    return round(fraction, 6)


@dataclass(frozen=True, slots=True)
class Aligned:
    """Both sides ``[time]`` of a pair without its delay."""

    reference: Samples
    estimate: Samples

    @property
    def nbytes(self) -> int:
        """What they take of a memo."""
        return self.reference.nbytes + self.estimate.nbytes


def aligned(pair: Spectra, delay: float) -> Aligned:
    """Both sides where they overlap once the estimate's ``delay`` in samples is taken out."""
    from scipy.fft import irfft

    first = max(0, math.ceil(-delay))
    last = min(pair.sizes[0], math.floor(pair.sizes[1] - delay))
    bins = np.arange(pair.sides.shape[1])
    turned = pair.sides[1] * np.exp(2j * np.pi / pair.length * delay * bins)
    reference, estimate = (irfft(side, pair.length) for side in (pair.sides[0], turned))
    return Aligned(reference[first:last], estimate[first:last])


def in_time(memo: Memo, reference: Signal, estimate: Signal, rate: int) -> tuple[Signal, Signal]:
    """Both sides where they overlap once the delay is taken out, to a whole sample; as they are
    where they hardly correlate, for then there is no delay to be measured."""
    pair = memo.get("spectra", lambda: spectra(reference, estimate, rate))
    late = round(memo.get("delay", lambda: delay_samples(pair)))
    first, second = reference[max(0, -late) :], estimate[max(0, late) :]
    size = min(len(first), len(second))
    first, second = first[:size], second[:size]
    if abs(late) < pair.limit and size and _correlation(first, second) >= MIN_CORRELATION:
        return first, second
    size = min(len(reference), len(estimate))
    return reference[:size], estimate[:size]


def _correlation(one: Samples, other: Samples) -> float:
    """Magnitude of the correlation; 0 where a side is constant."""
    if not (np.ptp(one) and np.ptp(other)):
        return 0.0
    return float(abs(np.corrcoef(one, other)[0, 1]))


class _DelayMetric(PairMetric):
    """Measures the delay once for all that need it. Subclasses write ``_at_delay``."""

    aligns = True
    imports = ("scipy.fft",)

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._compute_with(Memo(), reference, estimate, sample_rate)

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        pair = memo.get("spectra", lambda: spectra(reference, estimate, sample_rate))
        delay = memo.get("delay", lambda: delay_samples(pair))
        self._require(delay, pair.limit)
        sides = memo.get("aligned", lambda: aligned(pair, delay))
        return self._of_aligned(sides, delay, sample_rate)

    def _require(self, delay: float, limit: int) -> None:
        """Raises Undefined where the pair has no value at this delay, both in samples."""

    @abstractmethod
    def _of_aligned(self, sides: Aligned, delay: float, sample_rate: int) -> float:
        """Value of a pair whose estimate lagged by ``delay`` samples."""


class SiSdr(PairMetric):
    """SI-SDR in dB as the signals are, delay included; channels are averaged.

    Shown and not ranked: half a sample of delay, which nobody hears, leaves a perfect copy of
    speech at 2 to 13 dB.
    """

    papers = (
        'Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?", ICASSP 2019',
    )
    traps = (
        "A shift by half a sample, which nobody hears, leaves a perfect copy of speech at 2"
        " to 13 dB: it is shown and decides nothing. si_sdr_aligned is what tables rank.",
        "Neural codecs are not trained to keep the waveform: a low value alone says little"
        " about how they sound.",
    )

    def __init__(self) -> None:
        self.info = _info(
            "si_sdr",
            "dB",
            "scale-invariant signal-to-distortion ratio, delay included",
            True,
            ranked=False,
            zero_mean=True,
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return si_sdr(reference, estimate)


class SiSdrAligned(_DelayMetric):
    """SI-SDR in dB after the measured delay, up to 100 ms, is taken out to a fraction of a sample.

    Each channel is aligned by itself; channels are averaged.
    """

    papers = (
        'Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?", ICASSP 2019',
    )
    traps = (
        "Neural codecs are not trained to keep the waveform: a low value alone says little"
        " about how they sound.",
    )

    def __init__(self) -> None:
        self.info = _info(
            "si_sdr_aligned",
            "dB",
            f"SI-SDR with a delay of up to {LIMIT_MS} ms taken out",
            True,
            zero_mean=True,
            limit_ms=LIMIT_MS,
            band=_BAND,
        )

    def _of_aligned(self, sides: Aligned, delay: float, sample_rate: int) -> float:
        return si_sdr(sides.reference, sides.estimate)


class Delay(_DelayMetric):
    """Milliseconds by which the estimate lags the reference; negative: it leads.

    To a fraction of a sample of the reference's rate, on the mono mix. Periodic signals have
    several such peaks. Undefined where no peak lies within 100 ms, and where even the peak's
    correlation is below 0.2: a codec that does not keep the waveform has no delay to measure.
    """

    traps = (
        "A codec that does not keep the waveform has no delay to measure: undefined."
        " snac-eval validate measures what a codec states.",
    )
    mixes_down = True

    def __init__(self) -> None:
        self.info = _info(
            "delay", "ms", "lag of the estimate at the cross-correlation's peak", None,
            limit_ms=LIMIT_MS, min_correlation=MIN_CORRELATION, band=_BAND,
        )  # fmt: skip

    def _require(self, delay: float, limit: int) -> None:
        if abs(delay) >= limit:
            raise Undefined(f"no delay within {LIMIT_MS} ms aligns the two signals")

    def _of_aligned(self, sides: Aligned, delay: float, sample_rate: int) -> float:
        correlation = abs(np.corrcoef(sides.reference, sides.estimate)[0, 1])
        if not correlation >= MIN_CORRELATION:
            raise Undefined(
                f"the waveforms hardly correlate (at most {correlation:.2f} within {LIMIT_MS} ms):"
                " no delay can be measured"
            )
        return 1000 * delay / sample_rate
