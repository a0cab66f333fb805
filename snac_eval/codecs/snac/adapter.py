"""SNAC behind the harness's Codec protocol: NumPy in, NumPy out, one seed per clip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.audio import file_sha256
from snac_eval.codecs.checks import check_input
from snac_eval.codecs.snac.config import SNACConfig
from snac_eval.codecs.transfers import to_host, together
from snac_eval.errors import CodecError
from snac_eval.hub import weights_remedy, weights_state
from snac_eval.machine import set_up_torch
from snac_eval.registry.validation import read_options
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from snac_eval.codecs.snac.model import SNAC
    from snac_eval.hub import WeightFiles
    from snac_eval.types import FloatArray

    _Array = NDArray[Any]

# Raised whenever our implementation could give other codes or audio for the same weights.
_IMPLEMENTATION = "4"


@dataclass(frozen=True, slots=True)
class Options:
    """What a SNAC card may say of its model."""

    config: SNACConfig | None = None
    """The model's shape, as its ``config.json`` writes it: what it is without its weights."""


def load(request: CodecRequest) -> SnacCodec:
    """Entry point of the codec family ``snac``."""
    return SnacCodec(request)


def state(card: CodecCard) -> str:
    """Whether its weights are here, as ``snac-eval list`` shows it."""
    return weights_state(card)


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return weights_remedy(card)


class SnacCodec:
    """A SNAC model as a codec. Torch is imported, and the weights are loaded, by ``prepare``."""

    can_drop_streams = True
    imports = ("torch", "snac_eval.codecs.snac.model")

    def __init__(self, request: CodecRequest) -> None:
        self.card = request.card
        self.device = request.device
        self._request = request

    @cached_property
    def fingerprint(self) -> str:
        """Implementation and digest of the weights in use; if streams are dropped, how many are
        kept; and that torch computes all where what makes our own kernels is not there."""
        kept = f";streams={self._request.num_streams}" if self._request.num_streams else ""
        alone = "" if find_spec("llvmlite") else ";without=llvmlite"
        return f"snac/{_IMPLEMENTATION};weights={self.weights_sha256}{kept}{alone}"

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file in use. Raises WeightsUnavailable."""
        return file_sha256(self._files.weights)

    def prepare(self) -> None:
        """Load the weights onto the device. Raises WeightsUnavailable or CheckpointError."""
        self._check_config(self._model.config)
        if self.device == "cpu":
            from snac_eval.codecs.snac.kernels import kernels
            from snac_eval.codecs.snac.products import onednn

            # Made here, so that no clip's time has it.
            kernels()
            onednn()

    def card_parameters(self) -> int | None:
        """Parameters of the model that the card's ``config`` describes; None where it has none."""
        if (config := read_options(self.card, Options).config) is None:
            return None
        import torch

        from snac_eval.codecs.snac.model import SNAC

        with torch.device("meta"):
            return sum(one.numel() for one in SNAC(config).parameters())

    @property
    def torch_modules(self) -> tuple[nn.Module, ...]:
        """The loaded model. Raises WeightsUnavailable or CheckpointError."""
        return (self._model,)

    def padded_length(self, num_samples: int) -> int:
        """``num_samples`` rounded up to whole frames of the coarsest stream."""
        multiple = self._model.config.pad_multiple
        return -(-num_samples // multiple) * multiple

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of mono waveforms at the card's rate, of any lengths."""
        for waveform in waveforms:
            check_input(self.card, waveform)
        if not waveforms:
            return []
        # On a CPU one clip after the other is as fast, and an hour is better not copied.
        code = self._encode_alone if self.device == "cpu" else self._encode_together
        sizes = self.card.codebook_sizes
        return [
            Codes(
                waveform.num_samples,
                tuple(stream.astype(np.int32) for stream in streams[: len(sizes)]),
                sizes,
            )
            for waveform, streams in zip(waveforms, code(waveforms), strict=True)
        ]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Waveforms of ``num_samples`` each; the same codes and seed give the same audio."""
        if not codes:
            return []
        code = self._decode_alone if self.device == "cpu" else self._decode_together
        rows = code(codes, seeds)
        rate = self.card.sample_rate
        return [
            Waveform(np.ascontiguousarray(row[:, : one.num_samples]), rate)
            for row, one in zip(rows, codes, strict=True)
        ]

    def encode_blocks(self, blocks: Iterable[FloatArray]) -> Codes:
        """Codes of audio ``[1, time]`` at the card's rate as it comes in: on a CPU those of
        :meth:`encode`, to the bit. Memory grows with the codes alone."""
        import torch

        num_samples = 0

        def counted() -> Iterator[torch.Tensor]:
            nonlocal num_samples
            for block in blocks:
                num_samples += block.shape[1]
                yield torch.from_numpy(np.ascontiguousarray(block)[None]).to(self.device)

        sizes = self.card.codebook_sizes
        # Kept one by one, the parts would fragment the memory.
        kept = [bytearray() for _ in sizes]
        for streams in self._model.encode_stream(counted()):
            for one, stream in zip(kept, streams, strict=False):
                one += stream[0].int().cpu().numpy().tobytes()
        if not num_samples:
            raise CodecError(f"{self.card.name}: the audio is empty; give at least one sample")
        return Codes(num_samples, tuple(np.frombuffer(one, np.int32) for one in kept), sizes)

    def decode_blocks(self, codes: Codes, seed: int) -> Iterator[FloatArray]:
        """Audio ``[1, time]`` as it gets ready, ``num_samples`` in all: on a CPU that of
        :meth:`decode`, to the bit."""
        import torch

        streams = [torch.from_numpy(one[None].astype(np.int64)) for one in codes.streams]
        left = codes.num_samples
        for block in self._model.decode_stream([[one.to(self.device) for one in streams]], seed):
            yield block[0, :, :left].cpu().numpy()
            left -= min(left, block.shape[-1])

    def whole_pass(self, waveform: Waveform) -> None:
        """Encode and decode by torch's own layers, for whoever counts operations."""
        import torch

        from snac_eval.codecs.snac.layers import SeededNoise

        model = self._model
        with torch.no_grad():
            audio = model.pad(torch.from_numpy(waveform.samples[None]).to(self.device))
            codes = model.quantizer.encode(model.encoder(audio))
            model.decoder(model.quantizer.decode(codes), SeededNoise([0]))

    def _encode_alone(self, waveforms: Sequence[Waveform]) -> list[list[_Array]]:
        import torch

        clips = (torch.from_numpy(waveform.samples)[None] for waveform in waveforms)
        return [[stream[0].numpy() for stream in self._model.encode(clip)] for clip in clips]

    def _encode_together(self, waveforms: Sequence[Waveform]) -> list[list[_Array]]:
        lengths = [waveform.num_samples for waveform in waveforms]
        audio = together([waveform.samples for waveform in waveforms], self.device)
        streams = to_host([one.int() for one in self._model.encode_whole(audio, lengths)])
        counts = [self._num_tokens(length) for length in lengths]
        return [
            [stream[item, :count] for stream, count in zip(streams, each, strict=True)]
            for item, each in enumerate(counts)
        ]

    def _decode_alone(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[_Array]:
        import torch

        audio = []
        for one, seed in zip(codes, seeds, strict=True):
            streams = [torch.from_numpy(stream[None].astype(np.int64)) for stream in one.streams]
            audio.append(self._model.decode(streams, seeds=[seed])[0].numpy())
        return audio

    def _decode_together(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[_Array]:
        from snac_eval.codecs.snac.layers import SeededNoise

        streams = [
            together([stream.astype(np.int64) for stream in each], self.device)
            for each in zip(*(one.streams for one in codes), strict=True)
        ]
        lengths = [one.num_samples for one in codes]
        (audio,) = to_host([self._model.decode_whole(streams, SeededNoise(seeds), lengths)])
        return list(audio)

    def _num_tokens(self, num_samples: int) -> list[int]:
        """Tokens of each stream of a clip of so many samples."""
        config = self._model.config
        frames = self.padded_length(num_samples) // config.hop_length
        return [frames // stride for stride in config.vq_strides]

    @cached_property
    def _files(self) -> WeightFiles:
        from snac_eval.hub import find_weights

        where = self._request.weights or self.card.weights
        return find_weights(where, None if self._request.weights else self.card.revision or None)

    @cached_property
    def _model(self) -> SNAC:
        from snac_eval.codecs.snac.model import SNAC

        set_up_torch(self.device, self._request.num_threads)
        return SNAC.from_files(self._files, self.device)

    def _check_config(self, config: SNACConfig) -> None:
        card = self.card
        num_streams = self._request.num_streams or len(config.vq_strides)
        there = (config.sampling_rate, (config.codebook_size,) * num_streams)
        if there != (card.sample_rate, tuple(card.codebook_sizes)):
            raise CodecError(
                f"{self._files.config}: a model of {there[0]} Hz with codebooks {there[1]}, but the"
                f" card '{card.name}' says {card.sample_rate} Hz with {tuple(card.codebook_sizes)};"
                " use the card of these weights, or write one"
            )
