"""DualCodec (Li et al., arXiv 2505.13000) as the authors' package runs it.

Its first stream quantises features of w2v-BERT 2.0, which is a repository of its own; the others
quantise what a convolutional encoder hears besides. The package needs torchaudio and pins other
versions of libraries than snac-eval's: it lives in the environment that its card names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from snac_eval.codecs.packages import files
from snac_eval.codecs.packages.base import PackageCodec, Shape
from snac_eval.codecs.packages.files import HubFile
from snac_eval.codecs.packages.imports import import_without
from snac_eval.codecs.packages.tiling import tile_network
from snac_eval.codecs.pretrained import load_pretrained
from snac_eval.hub import quiet_transformers
from snac_eval.types import CodecCard, CodecRequest

if TYPE_CHECKING:
    from torch import Tensor, nn

_W2V_BERT = ("config.json", "model.safetensors", "preprocessor_config.json")
# Which hidden state the package takes: its own constant.
_LAYER = 15
# The features that w2v-BERT hears: spectra of 25 ms every 10 ms, two of them stacked.
_WINDOW_S, _SHIFT_S, _STACKED = 0.025, 0.010, 2
# What downloads weights, which snac-eval does.
_UNUSED = {"cached_path": ("cached_path",)}


@dataclass(frozen=True, slots=True)
class Options:
    """Which of the package's models it is, its files in the card's repository, and the repository
    of w2v-BERT 2.0 with its commit."""

    config: str
    """Name of one of the package's own configurations of a model."""
    checkpoint: str
    statistics: str
    semantic: str
    semantic_revision: str = ""


def load(request: CodecRequest) -> DualCodec:
    """Entry point of the codec family ``dualcodec``."""
    return DualCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return files.state(DualCodec.files_of(card))


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return files.remedy(DualCodec.files_of(card))


class DualCodec(PackageCodec):
    """DualCodec: 24 kHz, one semantic stream and residual acoustic ones.

    The package computes in half precision where it encodes, and so does this adapter; decoding is
    in single precision. The last frame is only emitted where features of w2v-BERT fill it: what is
    left of the clip comes back as silence.
    """

    family = "dualcodec"
    distribution = "dualcodec"
    other_distributions = ("transformers", "torchaudio")
    can_drop_streams = True
    imports = ("torch",)
    whole_clip = "w2v-BERT 2.0"
    notes = (
        "encodes in float16, as the package does by default",
        "what the last frame leaves unfinished, up to 0.1 s, comes back as silence",
    )

    @staticmethod
    def files_of(card: CodecCard) -> tuple[HubFile, ...]:
        """Weights and statistics of DualCodec, then configuration and weights of w2v-BERT 2.0."""
        options = Options(**card.options)
        own = (options.checkpoint, options.statistics)
        of_bert = (HubFile(options.semantic, options.semantic_revision, one) for one in _W2V_BERT)
        return (*(HubFile(card.weights, card.revision, one) for one in own), *of_bert)

    def _load(self, files: Sequence[Path]) -> Any:  # noqa: ANN401
        """The package's ``Inference``, put together without its constructor, which downloads."""
        import torch

        transformers = quiet_transformers()
        checkpoint, statistics, bert_config, bert_weights, _ = files
        package = import_without("dualcodec", _UNUSED)
        held = torch.load(statistics, map_location="cpu", weights_only=True)
        made = package.Inference.__new__(package.Inference)
        made.model = self._network(package, checkpoint)
        made.semantic_cfg = package.infer.dualcodec.inference_with_semantic.edict(
            semantic_model=load_pretrained(
                transformers.Wav2Vec2BertModel, bert_config.parent, bert_weights
            ),
            layer_idx=_LAYER,
            output_idx=_LAYER + 2,
            mean=held["mean"].to(self.device),
            std=torch.sqrt(held["var"]).to(self.device),
            feature_extractor=transformers.SeamlessM4TFeatureExtractor.from_pretrained(
                bert_config.parent, local_files_only=True
            ),
        )
        made.device, made.autocast = self.device, True
        return made

    def _network(self, package: Any, checkpoint: Path) -> Any:  # noqa: ANN401
        import yaml
        from safetensors.torch import load_model

        name = f"{Options(**self.card.options).config}.yaml"
        file = Path(package.__file__).parent / "conf" / "model" / name
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        arguments = dict(config["model"])
        del arguments["_target_"]
        model = package.DualCodec(**{**arguments, "sample_rate": config["SAMPLE_RATE"]})
        load_model(model, checkpoint)
        tile_network(model.dac.encoder, int(model.dac.hop_length), 1)
        tile_network(model.dac.decoder, 1, int(model.dac.hop_length))
        return model

    def _networks(self, model: Any) -> tuple[nn.Module, ...]:  # noqa: ANN401
        return (model.model, model.semantic_cfg.semantic_model)

    def _shape(self, model: Any) -> Shape:  # noqa: ANN401
        network = model.model
        semantic = int(network.semantic_vq.codebook_size)
        acoustic = (int(network.dac.codebook_size),) * int(network.dac.n_codebooks)
        rate = int(network.dac.sample_rate)
        return Shape(rate, (semantic, *acoustic), rate / int(network.dac.hop_length))

    def _encode(self, samples: Tensor) -> Tensor:
        import torch

        samples = torch.nn.functional.pad(samples, (0, max(0, self._shortest - samples.shape[-1])))
        semantic, acoustic = self._model.encode(samples, len(self.card.codebook_sizes))
        streams = [semantic] if acoustic is None else [semantic, acoustic]
        return torch.cat(streams, dim=1)[0]

    @property
    def _shortest(self) -> int:
        """The fewest samples of which the package makes a frame. An odd spectrum is paired with
        padding, so that one fewer than fills the frame is enough."""
        spectra = _STACKED * int(self._model.model.semantic_downsample_factor) - 1
        duration_s = _WINDOW_S + (spectra - 1) * _SHIFT_S
        return math.ceil(duration_s * self.card.sample_rate)

    def _decode(self, tokens: Tensor) -> Tensor:
        acoustic = tokens[None, 1:] if len(tokens) > 1 else None
        return cast("Tensor", self._model.decode(tokens[None, :1], acoustic))[0]
