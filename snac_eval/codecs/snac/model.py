"""SNAC: an encoder, quantisers at several time strides, and a decoder with noise blocks.

Hubert Siuzdak, Florian Grötschla, Luca A. Lanzendörfer: "SNAC: Multi-Scale Neural Audio Codec",
arXiv 2410.14411. Usable alone, on float32 ``[batch, 1, time]`` at the model's rate:

    >>> model = SNAC.from_pretrained("snac_16khz_mini")
    >>> audio = torch.zeros(1, 1, 16000)
    >>> codes = model.encode(audio)
    >>> model.decode(codes, length=audio.shape[-1]).shape
    torch.Size([1, 1, 16000])

    The same with gradients, to train on:

    >>> estimate, quantized = model(audio)
    >>> estimate.requires_grad
    True
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from snac_eval.codecs.snac.checkpoint import read_weights
from snac_eval.codecs.snac.config import SNACConfig
from snac_eval.codecs.snac.fused import decoded, encoded
from snac_eval.codecs.snac.layers import (
    Decoder,
    Encoder,
    Ends,
    FreshNoise,
    NoiseSource,
    SeededNoise,
)
from snac_eval.codecs.snac.quantize import Quantized, ResidualQuantizer
from snac_eval.codecs.snac.stream import Streamer
from snac_eval.codecs.snac.watch import Watch
from snac_eval.hub import WeightFiles, find_weights
from snac_eval.machine import in_float32


class SNAC(nn.Module):
    """The model. Mono; ``config.sampling_rate`` Hz; float32 in -1..1.

    ``model(audio)`` carries gradients. ``encode``, ``decode`` and the streams do not; on a CPU they
    go through :meth:`streamer`.
    """

    def __init__(self, config: SNACConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quantizer = ResidualQuantizer(
            config.channels, config.codebook_size, config.codebook_dim, config.vq_strides
        )
        self.decoder = Decoder(config)
        self._kept: tuple[Watch, Streamer] | None = None

    @classmethod
    def from_pretrained(
        cls, name_or_dir: str | Path, revision: str | None = None, device: str = "cpu"
    ) -> SNAC:
        """A model with weights: a bundled or published model's name, a hub repository, a folder.

        It is in evaluation mode, and every parameter can be trained. Raises WeightsUnavailable
        where the weights cannot be had, CheckpointError where they are broken.
        """
        return cls.from_files(find_weights(name_or_dir, revision), device)

    @classmethod
    @torch.inference_mode(False)
    def from_files(cls, files: WeightFiles, device: str = "cpu") -> SNAC:
        """:meth:`from_pretrained` of files on this machine. Raises CheckpointError."""
        config = SNACConfig.from_json(files.config)
        # Random weights would cost time and numbers of the caller's random generator.
        with torch.device("meta"):
            model = cls(config)
        weights = read_weights(files, model.state_dict())
        model.to_empty(device="cpu").load_state_dict(weights)
        return model.to(device).eval()

    def forward(
        self, audio: Tensor, noise: NoiseSource | None = None, keep: Tensor | None = None
    ) -> tuple[Tensor, Quantized]:
        """Reconstruction of audio ``[batch, 1, time]``, as long as it is, and what was quantised.

        Gradients reach every parameter. ``noise`` is where noise blocks get theirs (default:
        torch's global generator); ``keep`` ``[batch]`` is the number of streams that each item is
        decoded from (default: all).
        """
        quantized = self.quantizer(self.encoder(self.pad(audio)), keep)
        estimate = self.decoder(quantized.latents, noise or FreshNoise())
        return estimate[..., : audio.shape[-1]], quantized

    def pad(self, audio: Tensor) -> Tensor:
        """Zeros at the end up to a multiple of ``config.pad_multiple`` samples."""
        return functional.pad(audio, (0, -audio.shape[-1] % self.config.pad_multiple))

    def encode(self, audio: Tensor) -> list[Tensor]:
        """Codes ``[batch, T_k]``, coarse to fine, of audio ``[batch, 1, time]``.

        On a CPU clip after clip and tile after tile, so that memory hardly grows with the length;
        on a GPU the whole batch at once (:meth:`encode_stream` bounds memory there as well).
        """
        if audio.device.type != "cpu":
            return self.encode_whole(audio)
        return self.streamer().encode(audio)

    def decode(
        self,
        codes: Sequence[Tensor],
        length: int | None = None,
        seeds: Sequence[int] | None = None,
        noise: NoiseSource | None = None,
    ) -> Tensor:
        """Audio ``[batch, 1, time]`` of codes, trimmed to ``length`` samples if given.

        ``seeds`` has one seed per batch item (default: zeros) and makes the noise blocks repeat;
        ``noise`` replaces their source altogether.
        """
        source = noise or SeededNoise(seeds or [0] * len(codes[0]))
        if codes[0].device.type != "cpu":
            return self.decode_whole(codes, source)[..., :length]
        return self.streamer().decode(codes, source)[..., :length]

    def encode_stream(self, blocks: Iterable[Tensor]) -> Iterator[list[Tensor]]:
        """Codes ``[1, T_k]`` as they get ready, of audio ``[1, 1, any time]`` as it comes in.

        Put together they are those of :meth:`encode`, to the bit, however the audio is cut; memory
        does not grow with its length. They come seconds at a time and as late, for that is what
        exactness in the same tiles costs. The end is padded as :meth:`pad` does. A stream goes on
        with the weights that it began with.
        """
        yield from self.streamer().encode_stream(blocks)

    def decode_stream(
        self,
        blocks: Iterable[Sequence[Tensor]],
        seed: int = 0,
        noise: NoiseSource | None = None,
    ) -> Iterator[Tensor]:
        """Audio ``[1, 1, time]`` as it gets ready, of codes ``[1, T_k]`` as they come in.

        Every block of codes holds whole frames of the coarse stream. The whole is that of
        :meth:`decode` with the same seed, to the bit.
        """
        yield from self.streamer().decode_stream(blocks, noise or SeededNoise([seed]))

    @torch.no_grad()
    def encode_whole(self, audio: Tensor, lengths: Sequence[int] | None = None) -> list[Tensor]:
        """:meth:`encode` by each layer on the whole batch at once: what keeps a GPU busy.

        ``lengths`` says how many samples each item has, where some are shorter and zeros follow.
        Their codes are then those of the item alone; those after its last whole frame mean nothing.
        """
        padded = self.pad(audio)
        ends = self._ends(lengths, padded.shape[-1], padded.device)
        with in_float32(padded.device.type):
            return self.quantizer.encode(encoded(self.encoder, padded, ends))

    @torch.no_grad()
    def decode_whole(
        self, codes: Sequence[Tensor], noise: NoiseSource, lengths: Sequence[int] | None = None
    ) -> Tensor:
        """:meth:`decode` by each layer on the whole batch at once, untrimmed.

        ``lengths`` says how many samples each item has, where some are shorter and any codes
        follow. Its audio is then that of the item alone; what comes after it means nothing.
        """
        num_samples = codes[0].shape[-1] * self.config.vq_strides[0] * self.config.hop_length
        ends = self._ends(lengths, num_samples, codes[0].device)
        with in_float32(codes[0].device.type):
            return decoded(self.decoder, self.quantizer.decode(codes), noise, ends)

    def _ends(
        self, lengths: Sequence[int] | None, num_samples: int, device: torch.device
    ) -> Ends | None:
        """In latent frames, of items padded together; None where all end with the batch."""
        multiple, hop = self.config.pad_multiple, self.config.hop_length
        padded = [-(-length // multiple) * multiple for length in lengths or ()]
        if all(length == num_samples for length in padded):
            return None
        frames = torch.tensor([length // hop for length in padded], device=device)
        return Ends(frames, num_samples // hop)

    def streamer(self) -> Streamer:
        """A snapshot of the weights as they are now, for coding alone.

        The model keeps it for the next call and makes another once the weights have changed;
        :class:`Watch` says what is noticed. Call ``eval()`` after writing a few entries through
        ``tensor.data``, which can pass unseen. In training mode every call makes a new one. Raises
        TypeError as :class:`Streamer` does.
        """
        kept, parts = self._kept, (self.config, self.encoder, self.quantizer, self.decoder)
        if self.training:
            return Streamer(*parts)
        if kept and kept[0].is_unchanged():
            return kept[1]
        watch, streamer = Watch(self), Streamer(*parts)
        self._kept = watch, streamer
        return streamer

    def train(self, mode: bool = True) -> SNAC:
        """Torch's own; forgets the snapshot."""
        self._kept = None
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> SNAC:  # noqa: ANN401 - torch's own
        self._kept = None
        return super()._apply(*args, **kwargs)  # type: ignore[no-any-return, no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        # Copies and pickles are made without the snapshot: they make their own.
        return {**super().__getstate__(), "_kept": None}  # type: ignore[no-untyped-call]
