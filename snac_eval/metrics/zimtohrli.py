"""Zimtohrli: a psychoacoustic distance of 0..1 between two sounds, speech and music alike.

Google's ``zimtohrli`` (extra ``zimtohrli``; github.com/google/zimtohrli) compares auditory
spectrograms at 48 kHz, aligned in time; 0 is the same. Stereo is scored per channel and averaged.
Its native code crashes on less than 0.1 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import ALL_DOMAINS, PairMetric, fingerprint
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

RATE = 48000
SHORTEST_S = 0.1


class Zimtohrli(PairMetric):
    """Zimtohrli distance, 0..1, lower is better."""

    papers = ("github.com/google/zimtohrli, Google",)
    traps = ("Versions of the package differ: the fingerprint says which one scored.",)
    shortest_s = SHORTEST_S
    imports = ("zimtohrli",)

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="zimtohrli",
            description="psychoacoustic distance (Zimtohrli)",
            unit="",
            higher_is_better=False,
            value_range=(0.0, 1.0),
            domains=ALL_DOMAINS,
            sample_rate=RATE,
            fingerprint=fingerprint("zimtohrli", "zimtohrli", rate=RATE, resampler=RESAMPLER, v=1),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        from zimtohrli import Pyohrli

        sides = [np.ascontiguousarray(side, np.float32) for side in (reference, estimate)]
        return float(Pyohrli().distance(*sides))
