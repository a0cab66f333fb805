"""L3AC (Zhai et al., arXiv 2504.04949) as the authors' package runs it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from snac_eval.codecs.packages import files
from snac_eval.codecs.packages.base import PackageCodec, Shape
from snac_eval.codecs.packages.files import HubFile
from snac_eval.errors import CardError
from snac_eval.types import CodecCard, CodecRequest

if TYPE_CHECKING:
    from torch import Tensor, nn

_PARTS = ("encoder", "quantizer", "decoder", "en_encoder", "en_decoder")


@dataclass(frozen=True, slots=True)
class Options:
    """Which of the package's configurations a card is about."""

    model: str
    """Its name in ``l3ac.list_models()``."""
    version: str
    """Of its weights, as the package's configuration has it."""


def load(request: CodecRequest) -> L3ac:
    """Entry point of the codec family ``l3ac``."""
    return L3ac(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return files.state(L3ac.files_of(card))


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return files.remedy(L3ac.files_of(card))


class L3ac(PackageCodec):
    """L3AC: 16 kHz, one finite scalar quantiser. The package pads clips to whole frames."""

    notes = (
        "L3AC normalises over a whole clip: what it makes of a passage depends on what else is in"
        " the clip, and on the clip's length",
    )

    family = "l3ac"
    distribution = "l3ac"
    imports = ("torch", "l3ac", "local_attention.transformer")

    @staticmethod
    def files_of(card: CodecCard) -> tuple[HubFile, ...]:
        """Weights of its five parts, which lie where the package itself would look for them."""
        options = Options(**card.options)
        folder = f"weights/{options.model}.{options.version}"
        return tuple(HubFile(card.weights, card.revision, f"{folder}/{part}.pt") for part in _PARTS)

    def _load(self, files: Sequence[Path]) -> Any:  # noqa: ANN401
        import torch

        model = self._made()
        parts = model.network.trainable_modules
        if sorted(parts) != sorted(_PARTS):
            raise CardError(f"{self.card.name}: this version of l3ac has parts {', '.join(parts)}")
        # The package's own loader passes over a part whose file is not there.
        for part, file in zip(_PARTS, files, strict=True):
            parts[part].load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        return model

    def _made(self) -> Any:  # noqa: ANN401
        import l3ac

        options = Options(**self.card.options)
        if options.model not in l3ac.list_models():
            there = ", ".join(sorted(l3ac.list_models()))
            raise CardError(
                f"codec card '{self.card.name}': l3ac has no model '{options.model}', but {there}"
            )
        file = l3ac.CONFIG_DIR / f"{options.model}.toml"
        # Given by name, for the package lets variables of the environment such as SAMPLE_RATE
        # go before what its file says.
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
        return l3ac.L3AC(l3ac.L3ACConfig(config_file=file, **settings))

    def _networks(self, model: Any) -> tuple[nn.Module, ...]:  # noqa: ANN401
        return (model.network,)

    def _shape(self, model: Any) -> Shape:  # noqa: ANN401
        config = model.config.network_config
        rate = model.config.sample_rate
        return Shape(rate, (math.prod(config.vq_config["levels"]),), rate / config.hop_length)

    def _encode(self, samples: Tensor) -> Tensor:
        import torch

        config = self._model.config.network_config
        # Over a single feature the package's decoder cannot normalise.
        missing = 2 * config.hop_length // config.en_coder_compress_rate - samples.shape[-1]
        padded = torch.nn.functional.pad(samples[:, 0], (0, max(0, missing)))
        _, indices = self._model.encode_audio(padded)
        return cast("Tensor", indices["indices"])

    def _decode(self, tokens: Tensor) -> Tensor:
        return cast("Tensor", self._model.decode_audio(indices=tokens))
