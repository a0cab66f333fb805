"""Audiobox Aesthetics: four ratings of any audio that a network predicts without a reference.

Tjandra et al., "Meta Audiobox Aesthetics: unified automatic quality assessment for speech, music,
and sound" (2025): content enjoyment (``ce``), content usefulness (``cu``), production complexity
(``pc``, where more is not better) and production quality (``pq``), each from 1 to 10. The package
``audiobox_aesthetics`` (extra ``audiobox``) runs a WavLM with four heads, pinned by revision on the
hub, on the estimate at 16 kHz, mixed to mono, 10 s at a time. Windows count by their length. Code
and weights: CC BY 4.0.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.hub import HubModel
from snac_eval.metrics.base import ALL_DOMAINS, Memo, PairMetric
from snac_eval.metrics.hub import HubMetric
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from pathlib import Path

    from snac_eval.metrics.base import Signal

RATE = 16000
WINDOW_S = 10
SHORTEST_S = 0.25
MODEL = HubModel(
    "facebook/audiobox-aesthetics",
    "SNAC_EVAL_AUDIOBOX_WEIGHTS",
    revision="9b1dd8e5df9af7216e836a98974fe3b82c56ded6",
    files=("model.safetensors",),
)


class _Audiobox(HubMetric, PairMetric):
    papers = ('Tjandra et al., "Meta Audiobox Aesthetics", 2025',)
    traps = (
        "A network's guess of an opinion: set it beside that of the clips themselves (model"
        " pcm_16bit), for natural speech gets no full marks.",
        "It rates content as well as quality: compare codecs on the same clips only.",
    )
    model = MODEL
    licence = "CC BY 4.0 (code and weights)"
    packages = ("audiobox-aesthetics",)
    settings = {"window_s": WINDOW_S}  # noqa: RUF012 - never changed
    mixes_down = True
    shortest_s = SHORTEST_S
    imports = ("torch", "audiobox_aesthetics.model.aes")

    def __init__(self, axis: str, what: str, higher_is_better: bool | None = True) -> None:
        self._axis = axis
        name = f"audiobox_{axis.lower()}"
        self.info = MetricInfo(
            name=name,
            description=f"predicted {what} (Audiobox Aesthetics), no reference",
            unit="",
            higher_is_better=higher_is_better,
            # A regression without a bound, of ratings that lie between 1 and 10.
            value_range=(-1.0, 12.0),
            domains=ALL_DOMAINS,
            sample_rate=RATE,
            fingerprint=self.fingerprint(name, RATE),
        )

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        return memo.get("audiobox", lambda: _predict(estimate))[self._axis]

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return _predict(estimate)[self._axis]


class AudioboxEnjoyment(_Audiobox):
    """Content enjoyment, 1..10, higher is better."""

    def __init__(self) -> None:
        super().__init__("CE", "enjoyment of the content")


class AudioboxUsefulness(_Audiobox):
    """Content usefulness, 1..10, higher is better."""

    def __init__(self) -> None:
        super().__init__("CU", "usefulness of the content")


class AudioboxComplexity(_Audiobox):
    """Production complexity, 1..10; neither direction is better."""

    def __init__(self) -> None:
        super().__init__("PC", "complexity of the production", None)


class AudioboxQuality(_Audiobox):
    """Production quality, 1..10, higher is better."""

    def __init__(self) -> None:
        super().__init__("PQ", "quality of the production")


def _predict(signal: Signal) -> dict[str, float]:
    """All four axes: the mean of windows, one at a time, by their length."""
    import torch

    network = _network(MODEL.folder)
    length = WINDOW_S * RATE
    windows = [signal[at : at + length] for at in range(0, len(signal), length)]
    found: dict[str, list[float]] = {}
    for window in windows:
        wav, mask = torch.zeros(1, 1, length), torch.zeros(1, 1, length, dtype=torch.bool)
        wav[..., : len(window)] = torch.from_numpy(np.array(window))
        mask[..., : len(window)] = True
        with torch.inference_mode(), _quiet():
            for axis, value in network({"wav": wav, "mask": mask}).items():
                found.setdefault(axis, []).append(float(value))
    scales, weights = network.target_transform, [len(window) for window in windows]
    return {
        axis: float(np.average(values, weights=weights)) * scales[axis]["std"]
        + scales[axis]["mean"]
        for axis, values in found.items()
    }


@cache
def _network(folder: Path) -> Any:  # noqa: ANN401 - the package is not installed where types are checked
    from audiobox_aesthetics.model.aes import AesMultiOutput

    with _quiet():
        return AesMultiOutput.from_pretrained(folder).eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """The package prints where its weights lie, and uses of torch what is to go one day."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask", UserWarning)
        yield
