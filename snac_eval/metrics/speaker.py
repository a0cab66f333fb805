"""Speaker similarity: whether a codec's speech still sounds like the same person, -1..1.

The cosine of two speaker embeddings of reference and estimate at 16 kHz, mixed to mono (extra
``speaker``). Two models are called so, and their numbers have nothing to do with each other:

- ``speaker_similarity``: x-vectors over WavLM-base-plus (Chen et al., IEEE JSTSP 2022), as
  transformers runs ``microsoft/wavlm-base-plus-sv``. Its cosines are high: two people reach 0.8.
- ``speaker_similarity@model=wavlm_large``: WavLM-large and ECAPA-TDNN fine-tuned for verification,
  which papers mean by SIM or SIM-o: see the module ``verification``. One person's recordings reach
  0.7, two people's lie about 0.

``@model=OWNER/MODEL`` takes another model with an x-vector head from the hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snac_eval.errors import UsageError
from snac_eval.hub import HubModel, model_named
from snac_eval.metrics import verification
from snac_eval.metrics.base import SPEECH_ONLY, PairMetric
from snac_eval.metrics.hub import HubMetric, load
from snac_eval.types import Fingerprint, MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 0.5
MODEL = HubModel("microsoft/wavlm-base-plus-sv", "SNAC_EVAL_SPEAKER_WEIGHTS")
DEFAULT, LARGE = "wavlm_base_plus", "wavlm_large"


class SpeakerSimilarity(HubMetric, PairMetric):
    """Cosine of speaker embeddings, -1..1, higher is better."""

    papers = (
        'Chen et al., "WavLM", IEEE JSTSP 2022; with @model=wavlm_large also Desplanques et'
        ' al., "ECAPA-TDNN", Interspeech 2020',
    )
    traps = (
        "The default's cosines are high: two people reach 0.8. Papers' SIM is"
        " @model=wavlm_large, another metric.",
    )
    model: HubModel
    mixes_down = True
    shortest_s = SHORTEST_S
    imports = ("torch", "transformers")

    def __init__(self, model: str = DEFAULT) -> None:
        self.model = _named(model)
        self._is_large = self.model is verification.WAVLM_LARGE
        name = "speaker_similarity" + ("" if model == DEFAULT else f"@model={model}")
        who = "WavLM x-vectors" if model == DEFAULT else self.model.repository
        who = "WavLM-large with ECAPA-TDNN, as papers report it" if self._is_large else who
        self.info = MetricInfo(
            name=name,
            description=f"cosine of the speaker embeddings of both sides ({who})",
            unit="",
            higher_is_better=True,
            value_range=(-1.0, 1.0),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=self.fingerprint(name, RATE),
        )

    def prepare(self) -> None:
        """Get the weights. Raises WeightsUnavailable."""
        super().prepare()
        if self._is_large:
            verification.check_published()

    def fingerprint(self, name: str, sample_rate: int | None) -> Fingerprint:
        """Of the model, whichever name chose it."""
        own = super().fingerprint(name.partition("@")[0], sample_rate)
        return own.extended(longest_s=verification.LONGEST_S) if self._is_large else own

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        one, other = (self._embedded(side) for side in (reference, estimate))
        return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))

    def _embedded(self, signal: Signal) -> NDArray[np.float64]:
        return verification.embed(signal) if self._is_large else embed(signal, self.model)


def embed(signal: Signal, model: HubModel = MODEL) -> NDArray[np.float64]:
    """Speaker embedding of float32 ``[time]`` at 16 kHz by a model with an x-vector head."""
    import torch

    extractor, network = load(model, "AutoFeatureExtractor", "AutoModelForAudioXVector")
    features = extractor(np.array(signal), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        vector = network(features.input_values).embeddings[0]
    return np.asarray(vector.double().numpy())


def _named(model: str) -> HubModel:
    known = {DEFAULT: MODEL, LARGE: verification.WAVLM_LARGE}
    if model in known:
        return known[model]
    if (own := model_named(model, "SNAC_EVAL_SPEAKER")) is None:
        there = ", ".join(known)
        raise UsageError(f"speaker model '{model}': give {there}, or OWNER/MODEL of the hub")
    return own
