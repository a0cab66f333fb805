"""Speaker similarity: whether a codec's speech still sounds like the same person, -1..1.

The cosine of two speaker embeddings (x-vectors over WavLM; Chen et al., IEEE JSTSP 2022) of
reference and estimate, as transformers runs ``microsoft/wavlm-base-plus-sv`` (extra ``speaker``) at
16 kHz, mixed to mono.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snac_eval.hub import HubModel
from snac_eval.metrics.base import SPEECH_ONLY, PairMetric
from snac_eval.metrics.hub import HubMetric, load
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 0.5
MODEL = HubModel("microsoft/wavlm-base-plus-sv", "SNAC_EVAL_SPEAKER_WEIGHTS")


class SpeakerSimilarity(HubMetric, PairMetric):
    """Cosine of speaker embeddings, -1..1, higher is better."""

    model = MODEL
    mixes_down = True
    shortest_s = SHORTEST_S
    imports = ("torch", "transformers")

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="speaker_similarity",
            description="cosine of the speaker embeddings of both sides (WavLM x-vectors)",
            unit="",
            higher_is_better=True,
            value_range=(-1.0, 1.0),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=self.fingerprint("speaker_similarity", RATE),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        one, other = embed(reference), embed(estimate)
        return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def embed(signal: Signal) -> NDArray[np.float64]:
    """Speaker embedding of float32 ``[time]`` at 16 kHz."""
    import torch

    extractor, model = load(MODEL, "AutoFeatureExtractor", "WavLMForXVector")
    features = extractor(np.array(signal), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        vector = model(features.input_values).embeddings[0]
    return np.asarray(vector.double().numpy())
