"""Any audio codec of transformers, as its configuration and its own feature extractor have it.

All are asked alike: feature extractor, ``encode``, ``decode``. Those whose codes are indices send
these. Others have continuous latents (VibeVoice, Pocket TTS): numbers that nothing was rounded to,
of which each frame is a packet, kept as it is, and of which no count of bits is theirs.

=================  ====================================  ========================================
X-Codec            arXiv 2408.17175, Ye et al.           residual; HuBERT or WavLM beside DAC
X-Codec2           arXiv 2502.04128, Ye et al.           one codebook (FSQ); Wav2Vec2-BERT
NeuCodec           arXiv 2509.09550, Julian et al.       as X-Codec2; 16 kHz in, 24 kHz out
WavTokenizer       arXiv 2408.16532, Ji et al.           one codebook
Higgs Audio v2     boson-ai/higgs-audio                  residual; X-Codec's scheme at 25 Hz
=================  ====================================  ========================================
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from snac_eval.audio import file_sha256
from snac_eval.codecs.transformers.base import TransformersCodec
from snac_eval.codecs.transformers.described import described
from snac_eval.codecs.transformers.loading import (
    EXTRACTOR_FILE,
    load_extractor,
    read_config,
    read_json,
)
from snac_eval.errors import CodecError, UsageError
from snac_eval.hub import CONFIG_FILE, find_file, weights_remedy, weights_state
from snac_eval.registry.validation import read_options
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from torch import Tensor

    from snac_eval.types import FloatArray

_NO_MODEL = "name a model: transformers:OWNER/NAME of the hub, or transformers:FOLDER"
# Models whose adapters here do more: batches, tiles, chunks.
_OWN_FAMILIES = ("dac", "encodec", "mimi")
# Frames of a clip that a model gives any codes of.
_FEWEST_FRAMES = {"neucodec": 1}
_LATENT = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Options:
    """``model_type``: what the model's configuration says that it is, such as ``xcodec``."""

    model_type: str = ""


def load(request: CodecRequest) -> AudioTokenizer:
    """Entry point of the codec family ``transformers``. Raises UsageError where no model is
    named."""
    if not (request.card.weights and request.card.options):
        raise UsageError(f"--model {request.card.name}: {_NO_MODEL}")
    return (AudioTokenizer if request.card.codebook_sizes else LatentTokenizer)(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return weights_state(card) if card.weights else f"needs a model ({card.name}:REPO)"


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return weights_remedy(card) if card.weights else ()


def card_of(card: CodecCard, argument: str) -> CodecCard:
    """The card of the model that ``transformers:ARGUMENT`` names, from its configuration.

    Raises WeightsUnavailable where that cannot be had, CheckpointError where it is no codec's.
    """
    config = read_config(find_file(argument, CONFIG_FILE))
    # Only some leave the rate to their feature extractor.
    there = described(config, 1)
    if there.sample_rate == 1:
        rate = read_json(find_file(argument, EXTRACTOR_FILE)).get("sampling_rate")
        there = described(config, int(rate or 0))
    own = config.model_type in _OWN_FAMILIES
    count, size = there.num_codebooks, there.codebook_size
    rate_out = there.decoded_rate if there.decoded_rate != there.sample_rate else 0
    return replace(
        card,
        name=f"{card.name}:{argument}",
        family=config.model_type if own else card.family,
        description=f"{argument}: {config.model_type}, {there}",
        sample_rate=there.sample_rate,
        output_sample_rate=rate_out,
        channels=there.channels,
        codebook_sizes=(size,) * count,
        frame_rates_hz=(there.frame_rate_hz,) * count,
        nominal_bitrate_bps=count * math.log2(size) * there.frame_rate_hz if size else math.nan,
        weights=argument,
        licence=f"see the model's card: {argument}",
        options={} if own else {"model_type": config.model_type},
    )


class AudioTokenizer(TransformersCodec):
    """A codec whose codes are indices into codebooks, one clip at a time."""

    implementation: ClassVar[str] = "1"
    whole_clip: ClassVar[str] = "the model"
    beside: ClassVar[tuple[str, ...]] = (EXTRACTOR_FILE,)

    def __init__(self, request: CodecRequest) -> None:
        super().__init__(request)
        self.model_type = read_options(request.card, Options).model_type

    @cached_property
    def fingerprint(self) -> str:
        """Adapter, library, number of codebooks, digests of the weights and of what the feature
        extractor is set to."""
        settings = file_sha256(self._files.config.parent / EXTRACTOR_FILE)[:16]
        return super().fingerprint.replace(";weights=", f";extractor={settings};weights=")

    def prepare(self) -> None:
        """As the base; the feature extractor is loaded as well."""
        if self._extractor_rate != self.card.sample_rate:
            raise CodecError(
                f"{self._files.config.parent / EXTRACTOR_FILE}: an extractor for"
                f" {self._extractor_rate} Hz, the card '{self.card.name}' has"
                f" {self.card.sample_rate} Hz"
            )
        super().prepare()

    @cached_property
    def _extractor(self) -> Any:  # noqa: ANN401
        return load_extractor(self._files.config.parent, self.model_type)

    @property
    def _extractor_rate(self) -> int:
        return int(self._extractor.sampling_rate)

    def _inputs(self, samples: FloatArray) -> dict[str, Tensor]:
        """What the feature extractor makes of mono audio ``[time]``, as far as the model asks."""
        fewest = (
            _FEWEST_FRAMES.get(self.model_type, 0)
            / described(self._model.config, self._extractor_rate).frame_rate_hz
        )
        missing = max(0, round(fewest * self.card.sample_rate) - samples.size)
        # Unwrapped: one of them refuses to work where torchaudio is not installed.
        extract = inspect.unwrap(type(self._extractor).__call__)
        padded = np.pad(samples, (0, missing))
        made = extract(
            self._extractor, padded, sampling_rate=self.card.sample_rate, return_tensors="pt"
        )
        asked = inspect.signature(self._model.encode).parameters
        return {name: value.to(self.device) for name, value in made.items() if name in asked}

    def _encoded(self, samples: FloatArray) -> Any:  # noqa: ANN401 - transformers' output
        asked = inspect.signature(self._model.encode).parameters
        settings: dict[str, object] = {}
        if "bandwidth" in asked:
            settings["bandwidth"] = self._bandwidth
        if "sample" in asked:  # latents with noise, for training
            settings["sample"] = False
        return self._model.encode(**self._inputs(samples), **settings)

    def _encode(self, batch: Tensor, lengths: Sequence[int]) -> tuple[Tensor, list[bytes]]:
        tokens = self._encoded(batch[0, 0].cpu().numpy()).audio_codes
        return tokens[:, : self._num_codebooks], [b""]

    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        made = self._model.decode(tokens)
        values = made.audio_values if "audio_values" in made else made.audio
        return cast("Tensor", values)


class LatentTokenizer(AudioTokenizer):
    """A codec whose latents are continuous: a frame's are a packet of float32, little-endian."""

    can_drop_streams: ClassVar[bool] = False
    conceals: ClassVar[str] = (
        "in place of a lost frame's latents the last that came are decoded, before the first zeros"
    )

    def decode_lossy(
        self, codes: Sequence[Codes], lost: Sequence[Sequence[bool]], seeds: Sequence[int]
    ) -> list[Waveform]:
        """Audio where the frames that are ``lost`` did not come."""
        received = []
        for one, gone in zip(codes, lost, strict=True):
            last, packets = bytes(len(one.packets[0])), []
            for packet, is_gone in zip(one.packets, gone, strict=True):
                last = last if is_gone else packet
                packets.append(last)
            received.append(replace(one, packets=tuple(packets)))
        return self.decode(received, seeds)

    def _encode_batch(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        import torch

        (waveform,) = waveforms
        with torch.inference_mode():
            latents = self._encoded(waveform.samples[0]).latents[0]
        frames = latents.cpu().numpy().astype(_LATENT)
        packets = tuple(frame.tobytes() for frame in frames)
        return [Codes(waveform.num_samples, packets=packets, is_continuous=True)]

    def _decode_batch(self, codes: Sequence[Codes]) -> list[Waveform]:
        import torch

        (one,) = codes
        frames = np.stack([np.frombuffer(packet, dtype=_LATENT) for packet in one.packets])
        latents = torch.from_numpy(frames.astype(np.float32))[None].to(self.device)
        with torch.inference_mode():
            values = self._decode(latents, codes)[0].cpu().numpy()
        return [self._fitted(values, one)]
