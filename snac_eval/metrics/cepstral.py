"""Mel-cepstral distortion (MCD) in dB, as papers on speech synthesis and voice conversion have it.

``10 sqrt(2) / ln 10`` times the Euclidean distance of mel-cepstral coefficients 1 to 24, without
the zeroth, which is level; mean over all frames (Toda, Black and Tokuda, "Voice Conversion Based on
Maximum-Likelihood Estimation of Spectral Parameter Trajectory", IEEE TASLP 15(8), 2007; the measure
is Kubichek's, PACRIM 1993). ``mcd@order=13`` takes the first 13. The mel-cepstrum is SPTK's, warped
by 0.42 for 16 kHz, of WORLD's spectral envelope every 5 ms (DIO, StoneMask and CheapTrick, by the
package ``pyworld``). Mixed to mono; 0 for identical signals; lower is better.

Frames are compared as they come, without dynamic time warping, for codecs keep time; a delay that
both waveforms show is taken out. Other tools count otherwise and give other figures: VERSA takes 39
coefficients and the zeroth, warped by 0.466, with Harvest for DIO; many warp time.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.errors import UsageError
from snac_eval.metrics.base import SPEECH_ONLY, Memo, PairMetric, fingerprint
from snac_eval.metrics.waveform import in_time
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

    Matrix = NDArray[np.float64]

RATE = 16000
ORDER = 24
WARP = 0.42
FRAME_MS = 5.0
SHORTEST_S = 0.1
_MOST_ORDER = 100
_DB = 10 * math.sqrt(2) / math.log(10)


class Mcd(PairMetric):
    """Mel-cepstral distortion in dB, 0 and up, lower is better."""

    papers = ("Kubichek, PACRIM 1993; Toda, Black and Tokuda, IEEE TASLP 15(8), 2007",)
    traps = (
        "Tools count otherwise: VERSA takes 39 coefficients and the zeroth, many warp time."
        " Their figures are other numbers.",
    )
    mixes_down = True
    aligns = True
    shortest_s = SHORTEST_S
    imports = ("pyworld", "scipy.fft")

    def __init__(self, order: int = ORDER) -> None:
        if not 1 <= order <= _MOST_ORDER:
            raise UsageError(f"mcd@order={order}: must be 1 to {_MOST_ORDER}")
        self._order = order
        self.info = MetricInfo(
            name="mcd" if order == ORDER else f"mcd@order={order}",
            description=f"mel-cepstral distortion, coefficients 1 to {order}",
            unit="dB",
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=fingerprint(
                "mcd", "pyworld-prebuilt", coefficients=f"1-{order}", warp=WARP,
                frame_ms=FRAME_MS, envelope="dio+stonemask+cheaptrick", alignment="delay",
                rate=RATE, resampler=RESAMPLER, v=1,
            ),
        )  # fmt: skip

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._compute_with(Memo(), reference, estimate, sample_rate)

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        sides = in_time(memo, reference, estimate, sample_rate)
        first, second = (mel_cepstrum(envelope(one), self._order) for one in sides)
        return _DB * float(np.linalg.norm((first - second)[:, 1:], axis=1).mean())


def envelope(signal: Signal) -> Matrix:
    """WORLD's power envelope ``[frame, bin]`` of a ``[time]`` at 16 kHz, a frame every 5 ms."""
    import pyworld

    samples = signal.astype(np.float64)
    rough, times = pyworld.dio(samples, RATE, frame_period=FRAME_MS)
    pitch = pyworld.stonemask(samples, rough, times, RATE)
    return np.asarray(pyworld.cheaptrick(samples, pitch, times, RATE))


def mel_cepstrum(power: Matrix, order: int, warp: float = WARP) -> Matrix:
    """Mel-cepstral coefficients ``[frame, order + 1]`` of power spectra ``[frame, bin]``: what
    SPTK's ``sp2mc`` gives."""
    from scipy.fft import irfft

    cepstrum = irfft(np.log(power), axis=1)[:, : power.shape[1]]
    cepstrum[:, 0] /= 2
    return np.asarray(cepstrum @ _warping(power.shape[1], order, warp))


@lru_cache(maxsize=8)
def _warping(num: int, order: int, warp: float) -> Matrix:
    """What turns ``num`` cepstral coefficients to mel-cepstral ones: ``[num, order + 1]``, by the
    recursion of Oppenheim and Johnson, "Discrete representation of signals" (Proc. IEEE 60, 1972).
    """
    rows = np.zeros((order + 1, num))
    rows[0] = warp ** np.arange(num)
    for row in range(1, order + 1):
        scale = 1 - warp**2 if row == 1 else 1.0
        kept = warp if row > 1 else 0.0
        for column in range(1, num):
            came = scale * rows[row - 1, column - 1] - kept * rows[row - 1, column]
            rows[row, column] = came + warp * rows[row, column - 1]
    return rows.T
