"""NanoCodec (Casanova et al., arXiv 2508.05835) as the package ``nanocodec-torch`` runs it.

The package is a port, by someone else, of what NVIDIA published for NeMo; it knows one of NVIDIA's
three models, at 0.6 kbps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from snac_eval.codecs.packages import files
from snac_eval.codecs.packages.base import PackageCodec, Shape
from snac_eval.codecs.packages.files import HubFile
from snac_eval.errors import CheckpointError
from snac_eval.types import CodecCard, CodecRequest

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS = "model.safetensors"


def load(request: CodecRequest) -> NanoCodec:
    """Entry point of the codec family ``nanocodec``."""
    return NanoCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return files.state(NanoCodec.files_of(card))


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return files.remedy(NanoCodec.files_of(card))


class NanoCodec(PackageCodec):
    """NanoCodec: 22.05 kHz, four groups of finite scalars, none of which does without the others.

    Clips are padded with zeros to whole frames, as NeMo pads them: the package leaves that to its
    user, and what it made of a frame's part would be a frame too few.
    """

    family = "nanocodec"
    distribution = "nanocodec-torch"
    imports = ("torch", "nanocodec_torch")

    @staticmethod
    def files_of(card: CodecCard) -> tuple[HubFile, ...]:
        """The weights; the configuration is the package's own."""
        return (HubFile(card.weights, card.revision, _WEIGHTS),)

    def _load(self, files: Sequence[Path]) -> Any:  # noqa: ANN401
        import torch
        from nanocodec_torch import AudioCodecModel
        from nanocodec_torch.utils import load_safetensors_weights

        (weights,) = files
        model = AudioCodecModel()
        shapes = {name: tensor.shape for name, tensor in model.named_parameters()}
        # The package's loader passes over what the file lacks, and takes tensors of any shape.
        for tensor in model.parameters():
            torch.nn.init.constant_(tensor, torch.nan)
        load_safetensors_weights(model, str(weights), verbose=False)
        for name, tensor in model.named_parameters():
            if tensor.shape != shapes[name] or tensor.isnan().any():
                raise CheckpointError(
                    f"{weights}: not the weights of a NanoCodec: {name} is missing or does not fit"
                )
        return model

    def _shape(self, model: Any) -> Shape:  # noqa: ANN401
        sizes = tuple(int(group.codebook_size) for group in model.vector_quantizer.fsqs)
        return Shape(model.sample_rate, sizes, model.sample_rate / model.samples_per_frame)

    def _encode(self, samples: Tensor) -> Tensor:
        import torch

        missing = -samples.shape[-1] % int(self._model.samples_per_frame)
        tokens, _ = self._model.encode(torch.nn.functional.pad(samples, (0, missing)))
        return cast("Tensor", tokens)[0]

    def _decode(self, tokens: Tensor) -> Tensor:
        audio, _ = self._model.decode(tokens[None])
        return cast("Tensor", audio)[0]
