"""SpeechBERTScore: how well each frame of the estimate is found again in the reference, -1..1.

Saeki et al. (Interspeech 2024): both sides' features of a self-supervised model, here the 14th
layer of WavLM-large, are compared by cosine, every frame with every other. **Precision** is the
mean over the estimate's frames of the best match in the reference, **recall** the mean over the
reference's, **F1** their harmonic mean. The authors report precision, and so does
``speechbertscore``; ``@value=recall`` and ``@value=f1`` give the others, ``@layer=`` another layer.

As in the authors' package the signal goes into the model as it is, at 16 kHz, mixed to mono. Our
own code over transformers' WavLM (extra ``speaker``); ``microsoft/wavlm-large``, CC BY-SA 3.0. A
clip above 50 s is heard in windows, each with context.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import UsageError
from snac_eval.hub import HubModel, quiet_transformers
from snac_eval.metrics.base import SPEECH_ONLY, Memo, PairMetric
from snac_eval.metrics.hub import HubMetric, windowed
from snac_eval.types import Fingerprint, MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

RATE = 16000
MODEL = HubModel("microsoft/wavlm-large", "SNAC_EVAL_SPEECHBERT_WEIGHTS")
_VALUES = ("precision", "recall", "f1")
_LAYER = 14
_LAYERS = 24
_AT_ONCE = 1000


class SpeechBertScore(HubMetric, PairMetric):
    """Cosine of the best matches between frames, -1..1, higher is better."""

    papers = ('Saeki et al., "SpeechBERTScore", Interspeech 2024',)
    traps = (
        "Precision, recall and F1 are three metrics; the authors report precision, and so"
        " does the default.",
        "The model hears the signal as loud as it is.",
    )
    model = MODEL
    mixes_down = True
    shortest_s = 0.1
    imports = ("torch", "transformers")

    def __init__(self, value: str = _VALUES[0], layer: int = _LAYER) -> None:
        if value not in _VALUES:
            raise UsageError(f"speechbertscore@value={value}: give {', '.join(_VALUES)}")
        if not layer < _LAYERS:
            raise UsageError(f"speechbertscore@layer={layer}: layers are 0 to {_LAYERS - 1}")
        self._value, self._layer = value, layer
        chosen = (("value", value, _VALUES[0]), ("layer", layer, _LAYER))
        options = (f"@{key}={one}" for key, one, usual in chosen if one != usual)
        name = "speechbertscore" + "".join(options)
        self.info = MetricInfo(
            name=name,
            description=f"frames found again, {value} (WavLM-large, layer {layer})",
            unit="",
            higher_is_better=True,
            value_range=(-1.0, 1.0),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=self.fingerprint(name, RATE),
        )

    def fingerprint(self, name: str, sample_rate: int | None) -> Fingerprint:
        """With the layer, and which of the three values it is."""
        own = super().fingerprint(name.partition("@")[0], sample_rate)
        return own.extended(layer=self._layer, value=self._value)

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        found = memo.get((MODEL, self._layer), lambda: matches(reference, estimate, self._layer))
        return found[_VALUES.index(self._value)]

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._compute_with(Memo(), reference, estimate, sample_rate)


def matches(reference: Signal, estimate: Signal, layer: int) -> tuple[float, float, float]:
    """Precision, recall and F1 of two float32 ``[time]`` at 16 kHz."""
    one, other = features(reference, layer), features(estimate, layer)
    return best_matches(one, other)


def best_matches(
    reference: NDArray[np.float64], estimate: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Precision, recall and F1 of features ``[frames, channels]``."""
    one, other = (
        side / np.linalg.norm(side, axis=1, keepdims=True) for side in (reference, estimate)
    )
    rows = (other[at : at + _AT_ONCE] @ one.T for at in range(0, len(other), _AT_ONCE))
    best, found = np.full(len(one), -np.inf), []
    for cosines in rows:
        found.append(cosines.max(axis=1))
        best = np.maximum(best, cosines.max(axis=0))
    precision, recall = float(np.concatenate(found).mean()), float(best.mean())
    return precision, recall, 2 * precision * recall / (precision + recall)


def features(signal: Signal, layer: int) -> NDArray[np.float64]:
    """The layer's output ``[frames, channels]`` for float32 ``[time]`` at 16 kHz."""
    import torch

    model = _load(MODEL, layer)
    wave = torch.from_numpy(np.array(signal))[None]

    def ask(part: torch.Tensor) -> Any:  # noqa: ANN401
        return model(part, output_hidden_states=True).hidden_states[layer]

    with torch.inference_mode():
        found = torch.cat(list(windowed(wave, RATE, ask)), dim=1)[0]
    return np.asarray(found.double().numpy())


@cache
def _load(model: HubModel, layer: int) -> Any:  # noqa: ANN401 - transformers' models are Any
    import torch

    transformers = quiet_transformers()
    network = transformers.WavLMModel.from_pretrained(model.folder, dtype=torch.float32).eval()
    # What comes after the layer says nothing of it.
    network.encoder.layers = network.encoder.layers[: layer + 1]
    return network
