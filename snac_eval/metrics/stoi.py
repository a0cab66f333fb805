"""STOI and ESTOI: predicted intelligibility of speech, as correlations of -1..1.

Taal et al., "An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy Speech"
(2011); Jensen and Taal (2016) for the extended measure. Computed by ``pystoi``, which gets 16 kHz
and resamples to its 10 kHz itself. Stereo is mixed to mono first. A score needs 30 frames (0.4 s)
that are not silent. ESTOI adds a little noise: NumPy's global generator is seeded for it and then
restored.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import (
    SPEECH_ONLY,
    PairMetric,
    Undefined,
    fingerprint,
    numpy_seeded,
)
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

SHORTEST_S = 0.4
SEED = 0


class _Stoi(PairMetric):
    shortest_s = SHORTEST_S
    mixes_down = True
    imports = ("pystoi",)

    def __init__(self, name: str, description: str, extended: bool) -> None:
        self._extended = extended
        self.info = MetricInfo(
            name=name,
            description=description,
            unit="",
            higher_is_better=True,
            value_range=(-1.0, 1.0),
            domains=SPEECH_ONLY,
            sample_rate=16000,
            fingerprint=fingerprint(
                name, "pystoi", extended=extended, seed=SEED, rate=16000, resampler=RESAMPLER, v=1
            ),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        from pystoi import stoi

        with warnings.catch_warnings(), numpy_seeded(SEED):
            # pystoi answers 1e-5 with this warning where it has no score.
            warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
            try:
                value = stoi(reference, estimate, sample_rate, extended=self._extended)
            except RuntimeWarning as warning:
                raise Undefined(f"fewer than 30 frames ({SHORTEST_S} s) of speech") from warning
        # Identical signals overshoot 1 by rounding.
        return float(min(1.0, value))


class Stoi(_Stoi):
    """Short-time objective intelligibility, -1..1, higher is better."""

    def __init__(self) -> None:
        super().__init__("stoi", "short-time objective intelligibility of speech", extended=False)


class Estoi(_Stoi):
    """Extended STOI, -1..1, higher is better; sees modulated distortion that STOI does not."""

    def __init__(self) -> None:
        super().__init__("estoi", "extended short-time objective intelligibility", extended=True)
