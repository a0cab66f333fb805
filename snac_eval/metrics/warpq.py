"""WARP-Q: how far coded speech is from the reference after warping time; made for neural codecs.

Jassim et al., ICASSP 2021 and IET Signal Processing 2022. Subsequence dynamic time warping of
normalised MFCC patches where there is speech, by the package ``warpq`` (extra ``warpq``) with its
defaults at 16 kHz; the raw score is reported, without the mapping of its authors. Stereo is mixed
to mono first.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import SPEECH_ONLY, PairMetric, fingerprint
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 1.0


class WarpQ(PairMetric):
    """Raw WARP-Q score, 0 and up, lower is better."""

    shortest_s = SHORTEST_S
    mixes_down = True
    imports = ("warpq.core",)

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="warpq",
            description="cost of warping MFCC patches of speech onto the reference (WARP-Q, raw)",
            unit="",
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=fingerprint("warpq", "warpq", rate=RATE, resampler=RESAMPLER, v=1),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        result = _measure().evaluate(reference, estimate, arr_sr=sample_rate)
        return float(result["raw_warpq_score"])


@cache
def _measure() -> Any:  # noqa: ANN401 - the package is untyped
    from warpq.core import warpqMetric

    return warpqMetric(sr=RATE, n_jobs=1)
