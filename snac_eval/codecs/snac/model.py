"""SNAC: an encoder, quantisers at several time strides, and a decoder with noise blocks.

Hubert Siuzdak, Florian Grötschla, Luca A. Lanzendörfer: "SNAC: Multi-Scale Neural Audio Codec",
arXiv 2410.14411. Usable alone::

    model = SNAC.from_pretrained("snac_16khz_mini")
    codes = model.encode(audio)            # audio: float32 [batch, 1, time] at 16 kHz
    estimate = model.decode(codes, length=audio.shape[-1])
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from snac_eval.codecs.snac import stream
from snac_eval.codecs.snac.attention import LocalAttention
from snac_eval.codecs.snac.layers import (
    DecoderBlock,
    EncoderBlock,
    NoiseSource,
    SeededNoise,
    Snake1d,
)
from snac_eval.codecs.snac.quantize import ResidualQuantizer
from snac_eval.errors import CheckpointError

_KERNEL = 7


@dataclass(frozen=True, slots=True)
class SNACConfig:
    """A model's shape, with the field names of the published ``config.json``.

    Rates are strides per block; ``vq_strides`` are in frames, coarse to fine; ``attn_window_size``
    is in frames, None for no attention; ``latent_dim`` None: what the encoder ends with.
    """

    sampling_rate: int
    encoder_dim: int
    encoder_rates: tuple[int, ...]
    decoder_dim: int
    decoder_rates: tuple[int, ...]
    vq_strides: tuple[int, ...]
    latent_dim: int | None = None
    attn_window_size: int | None = None
    codebook_size: int = 4096
    codebook_dim: int = 8
    noise: bool = True
    depthwise: bool = True

    @classmethod
    def from_json(cls, path: Path) -> SNACConfig:
        """Read ``config.json``. Raises CheckpointError when it is none or lacks a field."""
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name for field in fields(cls)}
            lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
            config = cls(
                **{key: value for key, value in {**table, **lists}.items() if key in known}
            )
            config.check()
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path}: no valid SNAC configuration: {error}") from error
        return config

    def check(self) -> None:
        """Raises ValueError where the numbers do not fit one another."""
        if math.prod(self.encoder_rates) != math.prod(self.decoder_rates):
            raise ValueError("encoder_rates and decoder_rates have different products")
        if not self.vq_strides or any(self.vq_strides[0] % stride for stride in self.vq_strides):
            raise ValueError("every vq_stride must divide the first")
        if min(*self.encoder_rates, *self.decoder_rates) < 2:
            raise ValueError("encoder_rates and decoder_rates must be at least 2")
        if min(*self.vq_strides, self.codebook_size) < 1:
            raise ValueError("vq_strides and codebook_size must be positive")

    def to_dict(self) -> dict[str, Any]:
        """As ``config.json`` holds it."""
        return asdict(self)

    @property
    def hop_length(self) -> int:
        """Samples per latent frame."""
        return math.prod(self.encoder_rates)

    @property
    def pad_multiple(self) -> int:
        """Samples that the input is padded to a multiple of."""
        return self.hop_length * math.lcm(self.vq_strides[0], self.attn_window_size or 1)

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return self.latent_dim or self.encoder_dim * 2 ** len(self.encoder_rates)

    @property
    def frame_rates_hz(self) -> tuple[float, ...]:
        """Tokens per second of each stream, coarse to fine."""
        return tuple(self.sampling_rate / (self.hop_length * stride) for stride in self.vq_strides)

    @property
    def bitrate_bps(self) -> float:
        """Bits per second, all streams together."""
        return sum(self.frame_rates_hz) * math.log2(self.codebook_size)


class SNAC(nn.Module):
    """The model. Mono; ``config.sampling_rate`` Hz; float32 in -1..1."""

    def __init__(self, config: SNACConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quantizer = ResidualQuantizer(
            config.channels, config.codebook_size, config.codebook_dim, config.vq_strides
        )
        self.decoder = Decoder(config)
        self._stages: tuple[list[stream.Stage], list[stream.Stage]] | None = None

    @classmethod
    def from_pretrained(
        cls, name_or_dir: str | Path, revision: str | None = None, device: str = "cpu"
    ) -> SNAC:
        """A model with weights: a bundled or published model's name, a hub repository, a folder.

        Raises WeightsUnavailable where they cannot be had, CheckpointError where they are broken.
        """
        from snac_eval.codecs.snac.checkpoint import load_model
        from snac_eval.hub import find_weights

        return load_model(find_weights(name_or_dir, revision), device)

    def freeze(self, compiled: bool = False) -> SNAC:
        """Make the model ready for coding alone: its weights must not change from here on.

        What :mod:`stream` rearranges weights to is kept, and with ``compiled`` compiled.
        """
        self.eval().requires_grad_(False)
        self._stages = (stream.encoding_stages(self), stream.decoding_stages(self))
        if compiled:
            for stages in self._stages:
                stream.compile_stages(stages)
        return self

    def _apply(self, *args: Any, **kwargs: Any) -> SNAC:  # noqa: ANN401 - torch's own
        # On another device or in another precision, what freeze kept is no longer this model.
        self._stages = None
        return super()._apply(*args, **kwargs)  # type: ignore[no-any-return, no-untyped-call]

    def pad(self, audio: Tensor) -> Tensor:
        """Zeros at the end up to a multiple of ``config.pad_multiple`` samples."""
        return functional.pad(audio, (0, -audio.shape[-1] % self.config.pad_multiple))

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> list[Tensor]:
        """Codes ``[batch, T_k]``, coarse to fine, of audio ``[batch, 1, time]``.

        On a CPU clip after clip and tile after tile, so that memory hardly grows with the length;
        on a GPU the whole batch at once (:meth:`encode_stream` bounds memory there as well).
        """
        if audio.device.type != "cpu":
            return self.encode_whole(audio)
        config = self.config
        padded = audio.shape[-1] + -audio.shape[-1] % config.pad_multiple
        num_coarse = padded // (config.hop_length * config.vq_strides[0])
        num_tokens = sum(config.vq_strides[0] // stride for stride in config.vq_strides)
        tokens = torch.empty(len(audio), num_coarse, num_tokens, dtype=torch.int64)
        for rows, one in zip(tokens, audio, strict=True):
            _fill(rows, self._tokens([one[None]]))
        return stream.streams_of(tokens, config.vq_strides)

    @torch.inference_mode()
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
        num_samples = codes[0].shape[1] * self.config.vq_strides[0] * self.config.hop_length
        audio = next(self.parameters()).new_empty(len(codes[0]), num_samples, 1)
        for index, rows in enumerate(audio):
            one = [streams[index : index + 1] for streams in codes]
            _fill(rows, self._audio([one], source.item(index)))
        return audio.transpose(1, 2)[..., :length]

    @torch.inference_mode()
    def encode_stream(self, blocks: Iterable[Tensor]) -> Iterator[list[Tensor]]:
        """Codes ``[1, T_k]`` as they get ready, of audio ``[1, 1, any time]`` as it comes in.

        Put together they are those of :meth:`encode`, to the bit, however the audio is cut; memory
        does not grow with its length. They come seconds at a time and as late, for that is what
        exactness in the same tiles costs. The end is padded as :meth:`pad` does.
        """
        for tokens in self._tokens(blocks):
            yield stream.streams_of(tokens[None], self.config.vq_strides)

    @torch.inference_mode()
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
        for rows in self._audio(blocks, noise or SeededNoise([seed])):
            yield rows.t()[None]

    @torch.inference_mode()
    def encode_whole(self, audio: Tensor) -> list[Tensor]:
        """:meth:`encode` by each layer on the whole batch at once: what keeps a GPU busy."""
        return self.quantizer.encode(self.encoder(self.pad(audio)))

    @torch.inference_mode()
    def decode_whole(self, codes: Sequence[Tensor], noise: NoiseSource) -> Tensor:
        """:meth:`decode` by each layer on the whole batch at once, untrimmed."""
        return self.decoder(self.quantizer.decode(codes), noise)  # type: ignore[no-any-return]

    def _tokens(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        rows = (block.reshape(-1, 1) for block in self._padded(blocks))
        stages = self._stages[0] if self._stages else stream.encoding_stages(self)
        return stream.run(stages, rows)

    def _audio(self, blocks: Iterable[Sequence[Tensor]], noise: NoiseSource) -> Iterator[Tensor]:
        rows = (stream.tokens_of(codes, codes[0].shape[1]) for codes in blocks)
        stages = self._stages[1] if self._stages else stream.decoding_stages(self)
        return stream.run(stages, rows, noise)

    def _padded(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        length, end = 0, torch.empty(1, 1, 0)
        for block in blocks:
            length += block.shape[-1]
            end = block[..., :0]
            yield block
        yield functional.pad(end, (0, -length % self.config.pad_multiple))

    def forward(
        self, audio: Tensor, seeds: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Audio ``[batch, 1, time]`` to its reconstruction of the same length, and the codes."""
        codes = self.encode(audio)
        return self.decode(codes, audio.shape[-1], seeds), codes


def _fill(rows: Tensor, parts: Iterable[Tensor]) -> None:
    """Put rows in their place one part at a time: kept, the parts would fragment the memory."""
    end = 0
    for part in parts:
        start, end = end, end + len(part)
        rows[start:end] = part


class Encoder(nn.Module):
    """Audio ``[batch, 1, time]`` to latents ``[batch, channels, time / hop_length]``."""

    def __init__(self, config: SNACConfig) -> None:
        super().__init__()
        channels = config.encoder_dim
        layers: list[nn.Module] = [nn.Conv1d(1, channels, _KERNEL, padding=_KERNEL // 2)]
        for stride in config.encoder_rates:
            layers.append(EncoderBlock(channels, stride, config.depthwise))
            channels *= 2
        if config.attn_window_size is not None:
            layers.append(LocalAttention(channels, config.attn_window_size))
        groups = channels if config.depthwise else 1
        layers.append(nn.Conv1d(channels, channels, _KERNEL, padding=_KERNEL // 2, groups=groups))
        self.block = nn.Sequential(*layers)

    def forward(self, audio: Tensor) -> Tensor:
        return self.block(audio)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Latents ``[batch, channels, time]`` to audio ``[batch, 1, time * hop_length]`` in -1..1."""

    def __init__(self, config: SNACConfig) -> None:
        super().__init__()
        channels = config.decoder_dim
        layers = _decoder_head(config.channels, channels, config.depthwise)
        if config.attn_window_size is not None:
            layers.append(LocalAttention(channels, config.attn_window_size))
        for stride in config.decoder_rates:
            halved = channels // 2
            layers.append(DecoderBlock(channels, halved, stride, config.noise, config.depthwise))
            channels = halved
        layers += [
            Snake1d(channels),
            nn.Conv1d(channels, 1, _KERNEL, padding=_KERNEL // 2),
            nn.Tanh(),
        ]
        self.model = nn.Sequential(*layers)

    def forward(self, latents: Tensor, noise: NoiseSource) -> Tensor:
        x, blocks = latents, 0
        for layer in self.model:
            if isinstance(layer, DecoderBlock):
                x = layer(x, partial(noise, blocks))
                blocks += 1
            else:
                x = layer(x)
        return x


def _decoder_head(latent_channels: int, channels: int, depthwise: bool) -> list[nn.Module]:
    padding = _KERNEL // 2
    if not depthwise:
        return [nn.Conv1d(latent_channels, channels, _KERNEL, padding=padding)]
    groups = latent_channels
    return [
        nn.Conv1d(latent_channels, latent_channels, _KERNEL, padding=padding, groups=groups),
        nn.Conv1d(latent_channels, channels, 1),
    ]
