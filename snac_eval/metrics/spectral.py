"""Distances between spectrograms: two definitions of the mel distance, and one of the STFT's.

Conventions: short-time spectra use a periodic Hann window, hops of a quarter window, reflected
edges and frames centred on their hop. Mel filters are Slaney's (linear below 1 kHz, logarithmic
above; each of unit area), from 0 Hz to half the reference's own rate. Distances are means of
absolute differences, summed over scales; 0 for identical signals, symmetric, lower is better.
Stereo: channels are averaged. Scores of different sample rates are not comparable.

The log-spectral distance is in dB: per frame the root of the mean over frequencies of the squared
difference of both levels, mean over frames (Gray and Markel, "Distance measures for speech
processing", IEEE Trans. ASSP 24, 1976). Window 2048, hop 512, and powers of less than 1e-8 as that,
as papers on bandwidth extension and neural codecs have it since NU-Wave (Lee and Han, Interspeech
2021); they leave out the factor of 10 that makes it dB: their 0.85 is 8.5 dB here.

Sources: Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN" (arXiv 2306.06546)
for ``mel_dac_paper``; the defaults of descript-audiotools' losses for the other two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import ALL_DOMAINS, Memo, PairMetric, Undefined, fingerprint
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

    Matrix = NDArray[np.float64]

FLOOR = 1e-5
LSD_WINDOW = 2048
LSD_FLOOR = 1e-4
_BLOCK_FRAMES_TIMES_WINDOW = 1 << 17


@dataclass(frozen=True, slots=True)
class Scale:
    """One resolution: window length in samples; number of mel bands, 0 for the plain STFT."""

    window: int
    num_mels: int = 0


DAC_PAPER_SCALES = tuple(
    Scale(window, mels)
    for window, mels in zip(
        (32, 64, 128, 256, 512, 1024, 2048), (5, 10, 20, 40, 80, 160, 320), strict=True
    )
)
AUDIOTOOLS_MEL_SCALES = (Scale(2048, 150), Scale(512, 80))
AUDIOTOOLS_STFT_SCALES = (Scale(2048), Scale(512))
# Several metrics want these spectra. The others are made and filtered in blocks that fit the cache.
_SHARED_WINDOWS = frozenset(scale.window for scale in AUDIOTOOLS_STFT_SCALES)


def mel_filters(sample_rate: int, window: int, num_mels: int) -> Matrix:
    """Slaney's triangular filters ``[window // 2 + 1, num_mels]``, each of unit area in Hz."""
    edges_hz = _mel_to_hz(np.linspace(0.0, hz_to_mel(sample_rate / 2), num_mels + 2))
    bins_hz = np.linspace(0.0, sample_rate / 2, window // 2 + 1)[:, None]
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    return np.maximum(0.0, np.minimum(rising, falling)) * 2 / (high - low)


def magnitudes(signal: Signal, window: int, filters: Matrix | None = None) -> Matrix:
    """Magnitude spectra ``[frames, bins]``, or mel spectra ``[frames, mels]`` with filters.

    Raises Undefined where the signal is too short to be reflected at its edges.
    """
    from scipy.fft import rfft

    if len(signal) <= window // 2:
        raise Undefined(
            f"too short: {len(signal)} samples, a window of {window} needs {window // 2 + 1}"
        )
    padded = np.pad(signal.astype(np.float64), window // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // 4]
    weights = _hann(window)
    # Blocks that fit the cache: whole-signal temporaries of the short windows cost twice the time.
    block = max(1, _BLOCK_FRAMES_TIMES_WINDOW // window)
    spectra = []
    for start in range(0, len(frames), block):
        spectrum = np.abs(rfft(frames[start : start + block] * weights, axis=-1))
        spectra.append(spectrum if filters is None else spectrum @ filters)
    return np.concatenate(spectra)


class _SpectralMetric(PairMetric):
    """Sum over scales of the distance of log spectra; ``linear`` adds that of plain spectra."""

    traps: ClassVar[tuple[str, ...]] = (
        "Several definitions of the mel distance are in use, and their values differ by a"
        " factor: name the one that you report.",
        "Spectra of other sample rates give other values: compare codecs on clips of one rate.",
    )
    imports = ("scipy.fft",)

    def __init__(
        self, name: str, description: str, scales: tuple[Scale, ...], power: int, linear: bool
    ) -> None:
        self._scales = scales
        self._power = power
        self._linear = linear
        self.info = MetricInfo(
            name=name,
            description=description,
            unit="",
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=ALL_DOMAINS,
            sample_rate=None,
            fingerprint=fingerprint(
                name,
                windows=_joined(scale.window for scale in scales),
                mels=_joined(scale.num_mels for scale in scales),
                power=power,
                linear=linear,
                floor=FLOOR,
                resampler=RESAMPLER,
                v=1,
            ),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._compute_with(Memo(), reference, estimate, sample_rate)

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        def spectra(side: str, signal: Signal, scale: Scale) -> Matrix:
            filters = _filters(sample_rate, scale)
            if scale.window not in _SHARED_WINDOWS:
                return magnitudes(signal, scale.window, filters)
            plain = _shared_magnitudes(memo, side, signal, scale.window)
            return plain if filters is None else plain @ filters

        return sum(
            self._distance(
                spectra("reference", reference, scale), spectra("estimate", estimate, scale)
            )
            for scale in self._scales
        )

    def _distance(self, first: Matrix, second: Matrix) -> float:
        linear = float(np.abs(first - second).mean()) if self._linear else 0.0
        return linear + self._power * float(np.abs(_log(first) - _log(second)).mean())


class MelDacPaper(_SpectralMetric):
    """Mel distance of the DAC paper: log10 magnitudes, windows 32 to 2048, 5 to 320 bands."""

    papers = (
        'Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN" (DAC), arXiv'
        " 2306.06546",
    )

    def __init__(self) -> None:
        super().__init__(
            "mel_dac_paper",
            "mel distance of the DAC paper: 7 scales, log magnitude",
            DAC_PAPER_SCALES,
            power=1,
            linear=False,
        )


class MelAudiotools(_SpectralMetric):
    """Mel distance by audiotools' defaults: log10 power plus magnitude, windows 2048 and 512."""

    papers = ("the defaults of MelSpectrogramLoss in descript-audiotools",)

    def __init__(self) -> None:
        super().__init__(
            "mel_audiotools",
            "mel distance by audiotools' defaults: 2 scales, log power and magnitude",
            AUDIOTOOLS_MEL_SCALES,
            power=2,
            linear=True,
        )


class StftDistance(_SpectralMetric):
    """STFT distance by audiotools' defaults: log10 power plus magnitude, windows 2048 and 512."""

    papers = ("the defaults of MultiScaleSTFTLoss in descript-audiotools",)
    traps: ClassVar[tuple[str, ...]] = (
        "Spectra of other sample rates give other values: compare codecs on clips of one rate.",
    )

    def __init__(self) -> None:
        super().__init__(
            "stft_distance",
            "STFT distance by audiotools' defaults: 2 scales, log power and magnitude",
            AUDIOTOOLS_STFT_SCALES,
            power=2,
            linear=True,
        )


class LogSpectralDistance(PairMetric):
    """Log-spectral distance in dB, 0 and up; the delay, if any, stays in."""

    papers = (
        'Gray and Markel, IEEE Trans. ASSP 24, 1976; as in Lee and Han, "NU-Wave",'
        " Interspeech 2021",
    )
    traps: ClassVar[tuple[str, ...]] = (
        "Papers since NU-Wave leave out the factor of 10 that makes it dB: their 0.85 is 8.5 here.",
        "Spectra of other sample rates give other values: compare codecs on clips of one rate.",
    )
    imports = ("scipy.fft",)

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="log_spectral_distance",
            description="root mean square of level differences over frequency, mean over frames",
            unit="dB",
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=ALL_DOMAINS,
            sample_rate=None,
            fingerprint=fingerprint(
                "log_spectral_distance",
                window=LSD_WINDOW,
                hop=LSD_WINDOW // 4,
                floor=LSD_FLOOR,
                resampler=RESAMPLER,
                v=1,
            ),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._compute_with(Memo(), reference, estimate, sample_rate)

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        sides = (("reference", reference), ("estimate", estimate))
        spectra = (_shared_magnitudes(memo, side, signal, LSD_WINDOW) for side, signal in sides)
        levels = [_level_db(one) for one in spectra]
        squares = np.square(levels[0] - levels[1])
        return float(np.sqrt(squares.mean(axis=1)).mean())


def _shared_magnitudes(memo: Memo, side: str, signal: Signal, window: int) -> Matrix:
    return memo.get(("magnitudes", side, window), lambda: magnitudes(signal, window))


def _level_db(spectra: Matrix) -> Matrix:
    return np.asarray(20 * np.log10(np.maximum(spectra, LSD_FLOOR)))


def _log(spectra: Matrix) -> Matrix:
    return np.asarray(np.log10(np.maximum(spectra, FLOOR)))


@lru_cache(maxsize=64)
def _filters(sample_rate: int, scale: Scale) -> Matrix | None:
    return mel_filters(sample_rate, scale.window, scale.num_mels) if scale.num_mels else None


@lru_cache(maxsize=16)
def _hann(window: int) -> Matrix:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))


def hz_to_mel(hz: float) -> float:
    """The frequency in Slaney's mel."""
    # Slaney: 3 mel per 200 Hz up to 1 kHz (15 mel), then 27 mel per factor of 6.4.
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def _mel_to_hz(mel: Matrix) -> Matrix:
    return np.where(mel < 15, 200 * mel / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def _joined(values: Iterable[int]) -> str:
    return "/".join(map(str, values))
