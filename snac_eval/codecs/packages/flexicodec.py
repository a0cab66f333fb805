"""FlexiCodec (Li et al., arXiv 2510.00981) as the authors' package runs it.

An encoder for speech recognition, SenseVoice-Small, hears which frames of 80 ms are alike: up to
eight of them are merged into one, whose tokens are sent once, with how many frames they stand for.
The package needs torchaudio and FunASR: it lives in the environment that its card names.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from snac_eval.codecs.packages import files
from snac_eval.codecs.packages.base import PackageCodec, Shape
from snac_eval.codecs.packages.files import HubFile
from snac_eval.codecs.packages.tiling import tile_network
from snac_eval.errors import CheckpointError, CodecError
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

_SENSEVOICE = ("config.yaml", "model.pt")
_INPUT_SIZE = 560
# The fewest samples of which the package makes a frame: seven spectra, which are two stacked ones.
_SHORTEST = 400 + 6 * 160
_SEED = 0


@dataclass(frozen=True, slots=True)
class Options:
    """Which files a FlexiCodec is, from which similarity on frames are merged (1: none, or only
    those that are the same), and the repository of SenseVoice-Small with its commit."""

    config: str
    checkpoint: str
    threshold: float
    semantic: str
    semantic_revision: str = ""


def load(request: CodecRequest) -> FlexiCodec:
    """Entry point of the codec family ``flexicodec``."""
    return FlexiCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return files.state(FlexiCodec.files_of(card))


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return files.remedy(FlexiCodec.files_of(card))


class FlexiCodec(PackageCodec):
    """FlexiCodec: 16 kHz, one stream of finite scalars and residual ones, at a rate that varies.

    How many frames a token stands for is side information of 3 bits where up to eight are merged,
    packed and counted. What the last, unfinished frame would hold is not coded and comes back as
    silence.
    """

    family = "flexicodec"
    distribution = "flexicodec"
    other_distributions = ("funasr", "torchaudio")
    can_drop_streams = True
    imports = ("torch",)
    whole_clip = "SenseVoice"
    notes = (
        "the frame rate depends on the clip; bits are those sent, with 3 for the length of a frame",
        "what the last frame leaves unfinished, up to 0.1 s, comes back as silence",
        "FunASR dithers what the merging hears; the dither is seeded, the same for every clip",
    )

    @cached_property
    def fingerprint(self) -> str:
        """As of any of these codecs, with the threshold."""
        return f"{super().fingerprint};threshold={self._options.threshold:g}"

    @staticmethod
    def files_of(card: CodecCard) -> tuple[HubFile, ...]:
        """Configuration and weights of FlexiCodec, then those of SenseVoice-Small."""
        options = Options(**card.options)
        own = (options.config, options.checkpoint)
        others = (HubFile(options.semantic, options.semantic_revision, one) for one in _SENSEVOICE)
        return (*(HubFile(card.weights, card.revision, one) for one in own), *others)

    def _load(self, files: Sequence[Path]) -> dict[str, Any]:
        """What the package's ``prepare_model`` gives, without FunASR's loader, which runs code that
        lies beside the weights and unpickles them."""
        import yaml
        from flexicodec import feature_extractors, modeling_flexicodec
        from safetensors.torch import load_file

        config_file, checkpoint, *sensevoice = files
        config = yaml.safe_load(config_file.read_text(encoding="utf-8"))["model"]
        config |= {"semantic_model_type": "sensevoice", "semantic_model_path": ""}
        hearing = SimpleNamespace(model=_sensevoice(*sensevoice))
        theirs = modeling_flexicodec.AutoModel
        modeling_flexicodec.AutoModel = lambda **_: hearing
        try:
            with redirect_stdout(io.StringIO()):
                model = modeling_flexicodec.FlexiCodec(**config)
        finally:
            modeling_flexicodec.AutoModel = theirs
        _fill(model, load_file(checkpoint), ("semantic_model.", "semantic_mean", "semantic_std"))
        tile_network(model.dac.encoder, int(model.dac.hop_length), 1)
        tile_network(model.dac.decoder, 1, int(model.dac.hop_length))
        return {
            "model": model,
            "feature_extractor": feature_extractors.FBankGen(sr=16000),
            "type": "sensevoice",
        }

    def _networks(self, model: Any) -> tuple[nn.Module, ...]:  # noqa: ANN401
        return (model["model"],)

    def _shape(self, model: Any) -> Shape:  # noqa: ANN401
        network = model["model"]
        sizes = (int(network.dac.codebook_size),) * int(network.dac.n_codebooks)
        # How many frames a second there are depends on the clip: what the card says is a mean.
        (rate,) = {*self.card.frame_rates_hz}
        size = int(network.semantic_vq.fsq.codebook_size)
        return Shape(int(network.sample_rate), (size, *sizes), rate)

    def _encode(self, samples: Tensor) -> Tensor:
        """Tokens ``[stream + 1, frame]``: the last row is how many frames each stands for."""
        import torch
        from flexicodec.infer import encode_flexicodec

        missing = max(0, _SHORTEST - samples.shape[-1])
        audio = torch.nn.functional.pad(samples[0], (0, missing))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            made = encode_flexicodec(
                audio,
                self._model,
                sample_rate=self.card.sample_rate,
                num_quantizers=len(self.card.codebook_sizes),
                merging_threshold=self._options.threshold,
            )
        rows = [made["semantic_codes"], made["acoustic_codes"], made["token_lengths"][:, None]]
        return torch.cat([row.long() for row in rows if row is not None], dim=1)[0]

    def _decode(self, tokens: Tensor) -> Tensor:
        semantic, acoustic, lengths = tokens[None, :1], tokens[None, 1:-1], tokens[None, -1]
        network = self._model["model"]
        sent = acoustic if acoustic.shape[1] else None
        return cast("Tensor", network.decode_from_codes(semantic, sent, lengths))[0]

    def _encode_clip(self, waveform: Waveform) -> Codes:
        codes = super()._encode_clip(waveform)
        *streams, lengths = codes.streams
        side_info = packed(lengths, self._longest)
        return replace(codes, streams=tuple(streams), side_info=side_info)

    def _sent(self, codes: Codes) -> NDArray[np.int64]:
        tokens = super()._sent(codes)
        lengths = unpacked(codes.side_info, tokens.shape[1], self._longest)
        if lengths is None:
            raise CodecError(f"{self.card.name}: these are not its codes; encode the clip again")
        return np.vstack([tokens, lengths])

    @property
    def _longest(self) -> int:
        """How many frames are merged at most."""
        longest = self._model["model"].max_tokens_per_group
        if longest is None:
            raise CodecError(
                f"{self.card.name}: its configuration has no max_tokens_per_group: no number of"
                " bits holds the length of a frame"
            )
        return int(longest)

    @cached_property
    def _options(self) -> Options:
        return Options(**self.card.options)


def packed(lengths: NDArray[np.int32], longest: int) -> bytes:
    """Lengths from 1 to ``longest`` as bits, as many each as the longest needs, in whole bytes."""
    places = np.arange((longest - 1).bit_length())[::-1]
    return np.packbits(((lengths[:, None] - 1) >> places & 1).astype(np.uint8)).tobytes()


def unpacked(side_info: bytes, count: int, longest: int) -> NDArray[np.int64] | None:
    """The same lengths again; None where the bytes do not hold ``count`` of them."""
    width = (longest - 1).bit_length()
    if len(side_info) != -(-count * width // 8):
        return None
    bits = np.unpackbits(np.frombuffer(side_info, np.uint8))[: count * width]
    lengths = bits.reshape(count, width).astype(np.int64) @ (1 << np.arange(width)[::-1]) + 1
    return None if lengths.max(initial=1) > longest else lengths


def _sensevoice(config_file: Path, weights: Path) -> Any:  # noqa: ANN401
    """SenseVoice-Small as the package has it, of FunASR's files."""
    import torch
    import yaml
    from flexicodec.customized_sensevoice.model import SenseVoiceSmall

    config = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    held = torch.load(weights, map_location="cpu", weights_only=True)
    held = held.get("state_dict", held)
    model = SenseVoiceSmall(
        encoder=config["encoder"],
        encoder_conf=config["encoder_conf"],
        input_size=_INPUT_SIZE,
        vocab_size=len(held["ctc.ctc_lo.weight"]),
    )
    _fill(model, held, ())
    return model


def _fill(model: Any, held: dict[str, Any], others: tuple[str, ...]) -> None:  # noqa: ANN401
    """Load a state into a model. The file may hold more; what it lacks must begin as ``others``
    do. Raises CheckpointError."""
    missing, _ = model.load_state_dict(held, strict=False)
    if lacking := [name for name in missing if not name.startswith(others or ("\0",))]:
        raise CheckpointError(f"{len(lacking)} weights are missing, such as {lacking[0]}")
