"""SI-SDR and delay: the waveform itself, sample by sample.

Conventions: SI-SDR after Le Roux et al., "SDR - half-baked or well done?" (ICASSP 2019), with the
mean of both signals removed, in dB, at the reference's rate. The score is undefined where the ratio
has no finite value: nothing is added to avoid a division by zero. Neural codecs are not trained
to keep the waveform, so a low SI-SDR alone says little about how they sound.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.audio import RESAMPLER, measure_delay
from snac_eval.metrics.base import (
    ALL_DOMAINS,
    Memo,
    PairMetric,
    Undefined,
    fingerprint,
    is_silent,
)
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

LIMIT_MS = 100
# A lower peak is chance: the best of thousands of lags of unrelated noise reaches about 0.05.
MIN_CORRELATION = 0.2
# Samples are float32 (about 150 dB): a residual this far down is rounding, not a difference.
_ROUNDING_RATIO = 1e-20


def _info(
    name: str, unit: str, description: str, better: bool | None, **settings: object
) -> MetricInfo:
    low, high = (-math.inf, math.inf) if unit == "dB" else (-float(LIMIT_MS), float(LIMIT_MS))
    return MetricInfo(
        name=name,
        description=description,
        unit=unit,
        higher_is_better=better,
        value_range=(low, high),
        domains=ALL_DOMAINS,
        sample_rate=None,
        fingerprint=fingerprint(name, **settings, resampler=RESAMPLER, v=1),
    )


def si_sdr(reference: Signal, estimate: Signal) -> float:
    """Scale-invariant SDR in dB of two ``[time]``, zero-mean.

    Raises Undefined where it is not finite: a constant signal, the same signal up to a factor, an
    estimate with nothing of the reference in it.
    """
    target = reference.astype(np.float64) - reference.mean(dtype=np.float64)
    signal = estimate.astype(np.float64) - estimate.mean(dtype=np.float64)
    for side, centred in (("reference", target), ("estimate", signal)):
        if is_silent(centred):
            raise Undefined(f"the {side} is constant or silent in a channel")
    target *= np.dot(signal, target) / np.dot(target, target)
    kept = float(np.dot(target, target))
    signal -= target
    lost = float(np.dot(signal, signal))
    if lost <= _ROUNDING_RATIO * kept:
        raise Undefined("identical signals (up to a factor): SI-SDR is infinite")
    if kept <= _ROUNDING_RATIO * lost:
        raise Undefined("the estimate holds nothing of the reference: SI-SDR is minus infinite")
    return 10 * math.log10(kept / lost)


def delay_samples(reference: Signal, estimate: Signal, sample_rate: int) -> int:
    """Samples by which the estimate lags, within 100 ms. Raises Undefined without a peak."""
    limit = sample_rate * LIMIT_MS // 1000
    # An offset would pull the peak of the correlation towards no delay.
    delay = measure_delay(reference - reference.mean(), estimate - estimate.mean(), limit)
    if abs(delay) >= limit:
        raise Undefined(f"no delay within {LIMIT_MS} ms aligns the two signals")
    return delay


def _aligned(reference: Signal, estimate: Signal, delay: int) -> tuple[Signal, Signal]:
    length = len(reference) - abs(delay)
    first, second = max(0, -delay), max(0, delay)
    return reference[first : first + length], estimate[second : second + length]


class _DelayMetric(PairMetric):
    """Measures the delay once for all that need it. Subclasses write ``_at_delay``."""

    imports = ("scipy.signal",)

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._compute_with(Memo(), reference, estimate, sample_rate)

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        delay = memo.get("delay", lambda: delay_samples(reference, estimate, sample_rate))
        return self._at_delay(reference, estimate, delay, sample_rate)

    @abstractmethod
    def _at_delay(self, reference: Signal, estimate: Signal, delay: int, sample_rate: int) -> float:
        """Value of a pair whose estimate lags by ``delay`` samples."""


class SiSdr(PairMetric):
    """SI-SDR in dB as the signals are, delay included; channels are averaged."""

    def __init__(self) -> None:
        self.info = _info(
            "si_sdr", "dB", "scale-invariant signal-to-distortion ratio", True, zero_mean=True
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return si_sdr(reference, estimate)


class SiSdrAligned(_DelayMetric):
    """SI-SDR in dB after the measured delay (whole samples, up to 100 ms) is taken out.

    Each channel is aligned by itself; channels are averaged.
    """

    def __init__(self) -> None:
        self.info = _info(
            "si_sdr_aligned",
            "dB",
            f"SI-SDR with a delay of up to {LIMIT_MS} ms taken out",
            True,
            zero_mean=True,
            limit_ms=LIMIT_MS,
        )

    def _at_delay(self, reference: Signal, estimate: Signal, delay: int, sample_rate: int) -> float:
        return si_sdr(*_aligned(reference, estimate, delay))


class Delay(_DelayMetric):
    """Milliseconds by which the estimate lags the reference; negative: it leads.

    The peak of the cross-correlation's magnitude within 100 ms, in whole samples of the reference's
    rate, on the mono mix. Periodic signals have several such peaks. Undefined where even the peak's
    correlation is below 0.2: a codec that does not keep the waveform has no delay to measure.
    """

    mixes_down = True

    def __init__(self) -> None:
        self.info = _info(
            "delay", "ms", "lag of the estimate at the cross-correlation's peak", None,
            limit_ms=LIMIT_MS, min_correlation=MIN_CORRELATION,
        )  # fmt: skip

    def _at_delay(self, reference: Signal, estimate: Signal, delay: int, sample_rate: int) -> float:
        correlation = abs(np.corrcoef(*_aligned(reference, estimate, delay))[0, 1])
        if not correlation >= MIN_CORRELATION:
            raise Undefined(
                f"the waveforms hardly correlate (at most {correlation:.2f} within {LIMIT_MS} ms):"
                " no delay can be measured"
            )
        return 1000 * delay / sample_rate
