"""BigCodec (Xin et al., arXiv 2409.05377) as the package ``bigcodec`` runs it.

The package is a port of the authors' code, by someone else, with their weights on the hub.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from snac_eval.codecs.packages import files
from snac_eval.codecs.packages.base import PackageCodec, Shape
from snac_eval.codecs.packages.files import HubFile
from snac_eval.codecs.packages.imports import import_without
from snac_eval.types import CodecCard, CodecRequest

if TYPE_CHECKING:
    from torch import Tensor

_FILES = ("config.json", "model.safetensors")
# Its own constant: neither package nor configuration says at what rate it was trained.
_RATE = 16000
# 16 s: shorter clips come out as the package has them to the bit, longer ones to the rounding.
_PART = 1 << 18
# Samples to either side that a residual unit looks at: 27 of them its convolution, 5 each of its
# two activations, which filter at twice the rate.
_REACH = 64


def load(request: CodecRequest) -> BigCodec:
    """Entry point of the codec family ``bigcodec``."""
    return BigCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return files.state(BigCodec.files_of(card))


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return files.remedy(BigCodec.files_of(card))


class BigCodec(PackageCodec):
    """BigCodec: 16 kHz, one codebook. Clips are padded with zeros to whole frames.

    Its residual units work with many arrays at once: long clips go through them part by part.
    """

    family = "bigcodec"
    distribution = "bigcodec"

    @staticmethod
    def files_of(card: CodecCard) -> tuple[HubFile, ...]:
        """Configuration and weights."""
        return tuple(HubFile(card.weights, card.revision, name) for name in _FILES)

    def _load(self, files: Sequence[Path]) -> Any:  # noqa: ANN401
        from safetensors.torch import load_file

        config, weights = files
        # The package imports torchaudio for its own example alone.
        made: Any = import_without("bigcodec", {"torchaudio": ()}).BigCodec
        settings = json.loads(config.read_text(encoding="utf-8"))
        # As the hub's mixin does it, which prints, and leaves random what the file lacks.
        model = made(**{name: settings[name] for name in signature(made).parameters})
        model.load_state_dict(load_file(weights))
        for module in model.modules():
            if type(module).__name__ in ("Activation1d", "ResidualUnit"):
                module.forward = partial(_in_parts, module.forward)
        return model

    def _shape(self, model: Any) -> Shape:  # noqa: ANN401
        sizes = tuple(int(layer.codebook_size) for layer in model.decoder.quantizer.layers)
        return Shape(_RATE, sizes, _RATE / int(model.encoder.hop_length))

    def _encode(self, samples: Tensor) -> Tensor:
        import torch

        missing = -samples.shape[-1] % int(self._model.encoder.hop_length)
        tokens = self._model.encode(torch.nn.functional.pad(samples, (0, missing)))
        return cast("Tensor", tokens)[:, 0]

    def _decode(self, tokens: Tensor) -> Tensor:
        return cast("Tensor", self._model.decode(tokens[:, None]))[0]


def _in_parts(layer: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    """What a layer makes of ``[batch, channel, time]``, in memory that time does not fill.

    It reaches no further than :data:`_REACH`: within a part nothing is different.
    """
    import torch

    size = features.shape[-1]
    if size <= _PART:
        return layer(features)
    answer = torch.empty_like(features)
    for start in range(0, size, _PART):
        end = min(start + _PART, size)
        first, last = max(0, start - _REACH), min(size, end + _REACH)
        part = layer(features[..., first:last])
        answer[..., start:end] = part[..., start - first : end - first]
    return answer
