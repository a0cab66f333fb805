"""DistillMOS: quality of transmitted speech that a small network predicts without a reference.

Stahl and Gamper, "Distillation and pruning for scalable self-supervised representation-based
speech quality assessment" (ICASSP 2025). The package ``distillmos`` (extra ``distillmos``), whose
wheel holds the weights, predicts from the estimate at 16 kHz, mixed to mono. It looks at 7.68 s at
a time, at most one second apart, brings each window to full scale and averages; a shorter clip is
padded with silence. Code and weights: MIT.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import SPEECH_ONLY, PairMetric, fingerprint
from snac_eval.metrics.hub import digest_of, in_wheel
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 0.25
_TOGETHER = 8
"""Windows that are scored at once: a long clip has hundreds."""


class DistillMos(PairMetric):
    """DistillMOS, a predicted MOS of 1..5, higher is better."""

    papers = ("Stahl and Gamper, ICASSP 2025",)
    traps = (
        "A network's guess of an opinion: set it beside that of the clips themselves (model"
        " pcm_16bit), for natural speech gets no full marks.",
        "It hears 16 kHz alone: the same codec at 16 and at 48 kHz is equal to it, and not to"
        " listeners.",
    )
    licence = "MIT (code and weights)"
    mixes_down = True
    shortest_s = SHORTEST_S
    imports = ("torch", "snac_eval.metrics._distillmos")

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="distillmos",
            description="predicted opinion of transmitted speech (DistillMOS), no reference",
            unit="MOS",
            higher_is_better=True,
            value_range=(1.0, 5.0),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=fingerprint(
                "distillmos",
                "distillmos",
                "xls-r-sqa",
                weights=digest_of(in_wheel("distillmos", "weights/*.pt")),
                rate=RATE,
                resampler=RESAMPLER,
                v=1,
            ),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        import torch

        network, length, longest_hop = _network()
        scores = []
        with torch.inference_mode():
            for batch in _batches(estimate, length, longest_hop):
                scores += network(torch.from_numpy(batch)).flatten().tolist()
        return float(np.mean(scores))


def _batches(signal: Signal, length: int, longest_hop: int) -> Iterator[Signal]:
    """Windows ``[window, time]`` where the package sets them, a few at a time."""
    signal = np.pad(signal, (0, max(0, length - len(signal))))
    over = len(signal) - length
    starts = [int(share * over) for share in np.linspace(0, 1, -(-over // longest_hop) + 1)]
    for index in range(0, len(starts), _TOGETHER):
        yield np.stack([signal[at : at + length] for at in starts[index : index + _TOGETHER]])


@cache
def _network() -> tuple[Any, int, int]:
    """The network, the samples that it looks at, and the most between two looks."""
    import torch

    from snac_eval.metrics._distillmos import sqa

    # The package would print where its weights lie.
    network = sqa.ConvTransformerSQAModel(load_weights=False)
    weights = torch.load(sqa.DEFAULT_WEIGHTS_CHKPT, map_location="cpu", weights_only=True)
    network.load_state_dict(weights["model"])
    return network.eval(), sqa.SEQ_LEN, sqa.MAX_HOP_LEN
