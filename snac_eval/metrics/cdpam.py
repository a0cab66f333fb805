"""CDPAM: a distance of two recordings that a network learned from what people can tell apart.

Manocha et al., "CDPAM: contrastive learning for perceptual audio similarity" (ICASSP 2021). The
package ``cdpam`` (extra ``cdpam``), whose wheel of 98 MB holds the weights, compares both sides at
22.05 kHz, mixed to mono, rounded to 16 bits, as its own reader leaves them. Identical sides give 0.
Code and weights: MIT.

It takes many times as long as the clip lasts: its network runs at the full rate. Clips of up to
30 s are compared whole, longer ones in equal pieces, whose mean counts.
"""

from __future__ import annotations

import math
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import SPEECH_ONLY, PairMetric, fingerprint
from snac_eval.metrics.hub import digest_of, in_wheel
from snac_eval.metrics.pieces import LONGEST_S, mean_of_pieces
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

RATE = 22050
SHORTEST_S = 0.1


class Cdpam(PairMetric):
    """CDPAM, 0 and up, lower is better."""

    papers = ('Manocha, Jin, Zhang and Finkelstein, "CDPAM", ICASSP 2021',)
    traps = ("It is slow: its network runs at the full rate.",)
    licence = "MIT (code and weights)"
    mixes_down = True
    shortest_s = SHORTEST_S

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="cdpam",
            description="distance that a network learned from what people tell apart (CDPAM)",
            unit="",
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=fingerprint(
                "cdpam",
                "cdpam",
                weights=digest_of(_weights()),
                longest_s=LONGEST_S,
                rate=RATE,
                resampler=RESAMPLER,
                v=1,
            ),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return float(mean_of_pieces(_distance, RATE, reference, estimate))


def _distance(reference: Signal, estimate: Signal) -> NDArray[np.float64]:
    import torch

    sides = [np.round(side * 32768)[None].astype(np.float32) for side in (reference, estimate)]
    with torch.inference_mode():
        return np.asarray(_network().forward(*sides).double()[0])


@cache
def _network() -> Any:  # noqa: ANN401 - the package is not installed where types are checked
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # of numpy.matlib
        import cdpam
        from cdpam.models import FINnet

    # The package's own loading asks torch to read its old checkpoint as plain weights, which that
    # refuses. What is in the wheel may run code, as the wheel itself does.
    kept = torch.load(str(_weights()[0]), map_location="cpu", weights_only=False)
    network = FINnet(encoder_layers=16, encoder_filters=64, classif_BN=0, input_size=512)
    network.load_state_dict(kept["state"])
    found = object.__new__(cdpam.CDPAM)
    found.device, found.model = torch.device("cpu"), network.eval()
    return found


def _weights() -> list[Path]:
    return in_wheel("cdpam", "CDPAM_trained/*.pth")
