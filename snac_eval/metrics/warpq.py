"""WARP-Q: how far coded speech is from the reference after warping time; made for neural codecs.

Jassim et al., ICASSP 2021 and IET Signal Processing 2022. Subsequence dynamic time warping of
normalised MFCC patches where there is speech, by the package ``warpq`` with its defaults at 16 kHz;
the raw score is reported, without the mapping of its authors. Stereo is mixed to mono first.

The package's own dependencies need NumPy 1 and a C compiler, hence an environment.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from snac_eval.audio import RESAMPLER
from snac_eval.environments.computing import computed
from snac_eval.metrics.base import SPEECH_ONLY, PairMetric, fingerprint_in
from snac_eval.types import Environment, MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 1.0


class WarpQ(PairMetric):
    """Raw WARP-Q score, 0 and up, lower is better."""

    papers = (
        'Jassim, Skoglund, Chinen and Hines, "WARP-Q", ICASSP 2021; IET Signal Processing 2022',
    )
    traps = (
        "The raw score, without its authors' mapping to opinions: lower is better here, and"
        " papers that map it print the contrary.",
    )
    shortest_s = SHORTEST_S
    mixes_down = True
    imports = ("warpq.core",)
    environment = Environment(
        "warpq",
        # webrtcvad, which finds the speech, asks for its version in a way that setuptools dropped.
        ("warpq==1.5.2", "librosa==0.9.2", "pyvad==0.2.0", "numpy==1.26.4", "setuptools<81"),
    )

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="warpq",
            description="cost of warping MFCC patches of speech onto the reference (WARP-Q, raw)",
            unit="",
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=fingerprint_in(
                self.environment, "warpq", "warpq", rate=RATE, resampler=RESAMPLER, v=1
            ),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        sides = {"reference": reference, "estimate": estimate, "sample_rate": sample_rate}
        audio_s = len(reference) / sample_rate
        function = "snac_eval.metrics._warpq:raw_score"
        return float(computed(self.environment, function, sides, audio_s))
