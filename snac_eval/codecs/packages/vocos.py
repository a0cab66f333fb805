"""EnCodec's codes at 24 kHz, decoded by Vocos (Siuzdak, arXiv 2306.00814).

The codes are those of EnCodec (arXiv 2210.13438), which transformers makes; the package ``vocos``
decodes them. Both repositories are needed: Vocos' own has no encoder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from snac_eval.codecs.packages import files
from snac_eval.codecs.packages.base import PackageCodec, Shape
from snac_eval.codecs.packages.files import HubFile
from snac_eval.codecs.packages.imports import import_without
from snac_eval.codecs.pretrained import load_pretrained
from snac_eval.errors import CheckpointError, CodecError
from snac_eval.hub import quiet_transformers
from snac_eval.types import CodecCard, CodecRequest

if TYPE_CHECKING:
    from torch import Tensor, nn

_VOCOS = ("config.yaml", "pytorch_model.bin")
_ENCODEC = ("config.json", "model.safetensors")
# torchaudio makes spectrograms, which this model does not take; the package encodec makes codes,
# which transformers makes here.
_UNUSED = {
    "torchaudio": (),
    "torchaudio.functional": (),
    "torchaudio.functional.functional": ("_hz_to_mel", "_mel_to_hz"),
    "encodec": ("EncodecModel",),
}
# What a configuration may name: the package would import and call anything.
_PARTS = {
    "feature_extractor": "vocos.feature_extractors.EncodecFeatures",
    "backbone": "vocos.models.VocosBackbone",
    "head": "vocos.heads.ISTFTHead",
}
_BANDWIDTHS_KBPS = (1.5, 3.0, 6.0, 12.0)


@dataclass(frozen=True, slots=True)
class Options:
    """Whose codes a Vocos decodes: a repository of the hub and its commit."""

    encoder: str
    encoder_revision: str = ""


@dataclass(frozen=True, slots=True)
class _Models:
    encodec: Any
    vocos: Any
    bandwidths_kbps: tuple[float, ...]


def load(request: CodecRequest) -> VocosEncodec:
    """Entry point of the codec family ``vocos``."""
    return VocosEncodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return files.state(VocosEncodec.files_of(card))


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return files.remedy(VocosEncodec.files_of(card))


class VocosEncodec(PackageCodec):
    """Vocos on EnCodec's residual codes, of as many codebooks as one of its bandwidths has."""

    family = "vocos"
    distribution = "vocos"
    other_distributions = ("transformers",)
    can_drop_streams = True
    imports = ("torch", "transformers.models.encodec.modeling_encodec")

    @staticmethod
    def files_of(card: CodecCard) -> tuple[HubFile, ...]:
        """Configuration and weights of Vocos, then those of EnCodec."""
        options = Options(**card.options)
        own = (HubFile(card.weights, card.revision, name) for name in _VOCOS)
        others = (HubFile(options.encoder, options.encoder_revision, name) for name in _ENCODEC)
        return (*own, *others)

    def prepare(self) -> None:
        """As :meth:`PackageCodec.prepare`. Raises CodecError as well for a number of codebooks that
        is none of Vocos' bandwidths."""
        super().prepare()
        _ = self._bandwidth_id

    def _load(self, files: Sequence[Path]) -> _Models:
        config, weights, encodec_config, encodec_weights = files
        found = quiet_transformers().EncodecModel
        encodec = load_pretrained(found, encodec_config.parent, encodec_weights)
        return _Models(encodec, *_load_vocos(config, weights, encodec.config))

    def _networks(self, model: _Models) -> tuple[nn.Module, ...]:
        return (model.encodec.encoder, model.encodec.quantizer, model.vocos)

    def _shape(self, model: _Models) -> Shape:
        config = model.encodec.config
        size = int(config.codebook_size)
        count = len(model.vocos.feature_extractor.codebook_weights) // size
        rate = int(config.sampling_rate)
        return Shape(rate, (size,) * count, rate / int(config.hop_length))

    @cached_property
    def _bandwidth_id(self) -> int:
        """Which of Vocos' bandwidths has the card's codebooks."""
        models, wanted = self._model, len(self.card.codebook_sizes)
        (bits,) = {math.log2(size) for size in self.card.codebook_sizes}
        rate = self._shape(models).frame_rate_hz
        counts = [int(1000 * one // (bits * rate)) for one in models.bandwidths_kbps]
        if wanted not in counts:
            known = ", ".join(map(str, counts))
            raise CodecError(
                f"{self.card.name}: Vocos decodes {known} codebooks of EnCodec, not {wanted};"
                " choose one of these"
            )
        return counts.index(wanted)

    def _encode(self, samples: Tensor) -> Tensor:
        models = self._model
        made = models.encodec.encode(samples, bandwidth=models.bandwidths_kbps[self._bandwidth_id])
        return cast("Tensor", made.audio_codes)[0, 0]

    def _decode(self, tokens: Tensor) -> Tensor:
        import torch

        vocos = self._model.vocos
        bandwidth = torch.tensor([self._bandwidth_id], device=tokens.device)
        features = vocos.codes_to_features(tokens)
        return cast("Tensor", vocos.decode(features, bandwidth_id=bandwidth))


def _load_vocos(config: Path, weights: Path, encodec: Any) -> tuple[Any, tuple[float, ...]]:  # noqa: ANN401
    """The package's model and the bandwidths in kbps that it was trained for."""
    import torch

    arguments = _read_config(config)
    package = import_without("vocos", _UNUSED)
    held = torch.load(weights, map_location="cpu", weights_only=True)
    # The package takes these from EnCodec itself.
    held = {name: one for name, one in held.items() if not name.startswith(f"{_OF_ENCODEC}.")}
    table = held[f"{_OF_ENCODEC.partition('.')[0]}.codebook_weights"]
    model = package.Vocos(
        _codebooks(package, table, int(encodec.codebook_size)),
        package.pretrained.instantiate_class((), arguments["backbone"]),
        package.pretrained.instantiate_class((), arguments["head"]),
    )
    model.load_state_dict(held)
    if int(model.head.istft.hop_length) != int(encodec.hop_length):
        raise CheckpointError(
            f"{config}: {model.head.istft.hop_length} samples a frame, where"
            f" EnCodec has {encodec.hop_length}"
        )
    bandwidths = arguments["feature_extractor"].get("init_args", {}).get("bandwidths")
    return model, tuple(map(float, bandwidths or _BANDWIDTHS_KBPS))


_OF_ENCODEC = "feature_extractor.encodec"


def _codebooks(package: Any, table: Tensor, size: int) -> Any:  # noqa: ANN401
    """The package's features of codes, without the encoder of the package encodec that it would
    download."""
    from torch import nn

    features = package.feature_extractors.EncodecFeatures
    made = features.__new__(features)
    nn.Module.__init__(made)
    made.codebook_weights = nn.Parameter(table.clone(), requires_grad=False)
    made.encodec = SimpleNamespace(quantizer=SimpleNamespace(bins=size))
    return made


def _read_config(file: Path) -> Mapping[str, Mapping[str, Any]]:
    import yaml

    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    for part, name in _PARTS.items():
        found = config[part]["class_path"]
        if found != name:
            raise CheckpointError(f"{file}: its {part} is '{found}'; it must be {name}")
    return cast("Mapping[str, Mapping[str, Any]]", config)
