"""SpeechTokenizer (Zhang et al., arXiv 2308.16692) as the authors' package runs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from snac_eval.codecs.packages import files
from snac_eval.codecs.packages.base import PackageCodec, Shape
from snac_eval.codecs.packages.files import HubFile
from snac_eval.codecs.packages.imports import import_without
from snac_eval.types import CodecCard, CodecRequest

if TYPE_CHECKING:
    from torch import Tensor

# What training alone needs: torchaudio, accelerate, beartype, lion-pytorch, tensorboard.
_UNUSED = {"speechtokenizer.trainer": ("SpeechTokenizerTrainer",)}


@dataclass(frozen=True, slots=True)
class Options:
    """Where a SpeechTokenizer lies in its repository."""

    config: str
    checkpoint: str


def load(request: CodecRequest) -> SpeechTokenizer:
    """Entry point of the codec family ``speechtokenizer``."""
    return SpeechTokenizer(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return files.state(SpeechTokenizer.files_of(card))


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return files.remedy(SpeechTokenizer.files_of(card))


class SpeechTokenizer(PackageCodec):
    """SpeechTokenizer: 16 kHz, residual codebooks, the first of them semantic."""

    family = "speechtokenizer"
    distribution = "speechtokenizer"
    can_drop_streams = True

    @staticmethod
    def files_of(card: CodecCard) -> tuple[HubFile, ...]:
        """Configuration and weights, as the card's options name them."""
        options = Options(**card.options)
        names = (options.config, options.checkpoint)
        return tuple(HubFile(card.weights, card.revision, name) for name in names)

    def _load(self, files: Sequence[Path]) -> Any:  # noqa: ANN401
        import torch

        config, checkpoint = files
        package = import_without("speechtokenizer", _UNUSED)
        model = package.SpeechTokenizer(json.loads(config.read_text(encoding="utf-8")))
        # The package's own loader leaves it to torch whether code in the file is run.
        model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
        return model

    def _shape(self, model: Any) -> Shape:  # noqa: ANN401
        sizes = tuple(int(layer.codebook_size) for layer in model.quantizer.vq.layers)
        return Shape(model.sample_rate, sizes, model.sample_rate / int(model.downsample_rate))

    def _encode(self, samples: Tensor) -> Tensor:
        tokens = self._model.encode(samples, n_q=len(self.card.codebook_sizes))
        return cast("Tensor", tokens)[:, 0]

    def _decode(self, tokens: Tensor) -> Tensor:
        return cast("Tensor", self._model.decode(tokens[:, None]))[0]
