"""The layers of SNAC, its encoder and its decoder (arXiv 2410.14411, after DAC, 2306.06546).

Tensors are ``[batch, channels, time]``. Module names follow the published checkpoints, so that
their weights load without renaming.

A batch of clips of different length is padded at the end. Alone, a clip has zeros behind it
wherever a convolution looks; in the batch it has what the layers before made of the padding, a bias
at least. :class:`Ends` puts the zeros back before every convolution that looks sideways.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from snac_eval.codecs.snac.attention import LocalAttention
from snac_eval.codecs.snac.config import SNACConfig

_KERNEL = 7
_DILATIONS = (1, 3, 9)


@dataclass(frozen=True, slots=True)
class Ends:
    """Where each item of a padded batch ends, whatever the rate: all layers keep the proportions.

    ``frames`` ``[batch]``, on the batch's device, are those of each item, of ``total``.
    """

    frames: Tensor
    total: int

    def at(self, time: int) -> Tensor:
        """How many of ``time`` steps each item has, ``[batch]``."""
        return self.frames * (time // self.total)

    def zeroed(self, x: Tensor) -> Tensor:
        """``x`` with zeros after each item's end."""
        steps = torch.arange(x.shape[-1], device=x.device)
        return x.masked_fill(steps >= self.at(x.shape[-1]).view(-1, 1, 1), 0)


class NoiseSource(Protocol):
    """Where noise blocks get their noise. Every block has a stream of its own."""

    def __call__(self, block: int, like: Tensor) -> Tensor:
        """The block's next noise, ``[batch, 1, time]`` for ``like`` of ``[batch, any, time]``."""

    def item(self, index: int) -> NoiseSource:
        """The noise of one batch item alone, from its beginning."""


class SeededNoise:
    """Standard normal noise, each batch item and each block from a generator of its own.

    The same seed gives the same noise whatever else is in the batch, on whatever device, and in
    however many pieces it is asked for: it is drawn on the CPU, in multiples of as many numbers.
    """

    # Torch fills whole groups of 16 numbers alike, however many are drawn at once.
    _DRAWN_TOGETHER = 4096

    def __init__(self, seeds: Sequence[int]) -> None:
        self._seeds = seeds
        self._generators: dict[int, list[torch.Generator]] = {}
        self._rest: dict[int, Tensor] = {}

    def __call__(self, block: int, like: Tensor) -> Tensor:
        length = like.shape[-1]
        if block not in self._generators:
            self._generators[block] = [_generator(seed, block) for seed in self._seeds]
            self._rest[block] = torch.empty(len(self._seeds), 0)
        rest = self._rest[block]
        lacking = max(0, length - rest.shape[1])
        drawn = -(-lacking // self._DRAWN_TOGETHER) * self._DRAWN_TOGETHER
        # Pinned memory goes to a GPU while this goes on drawing.
        new = torch.empty(len(self._seeds), drawn, pin_memory=is_on_gpu(like))
        for row, generator in zip(new, self._generators[block], strict=True):
            torch.randn(drawn, generator=generator, out=row)
        noise = torch.cat((rest, new), dim=1) if rest.shape[1] else new
        # A copy, or a short rest would keep the whole draw of a long clip in memory.
        self._rest[block] = noise[:, length:].clone()
        there = noise.to(device=like.device, dtype=like.dtype, non_blocking=True)
        return there.narrow(1, 0, length).unsqueeze(1)

    def item(self, index: int) -> SeededNoise:
        return SeededNoise([self._seeds[index]])


def _generator(seed: int, block: int) -> torch.Generator:
    root = torch.Generator().manual_seed(seed)
    own = torch.randint(2**62, (block + 1,), generator=root)[block]
    return torch.Generator().manual_seed(int(own))


def is_on_gpu(x: Tensor) -> bool:
    """Whether it lies on a GPU that is there, and not only said to be."""
    return type(x) is Tensor and x.device.type == "cuda"


class FreshNoise:
    """Standard normal noise from torch's global generator: what training wants."""

    def __call__(self, block: int, like: Tensor) -> Tensor:
        return torch.randn(like.shape[0], 1, like.shape[-1], device=like.device, dtype=like.dtype)

    def item(self, index: int) -> FreshNoise:
        return self


class GivenNoise:
    """Noise that the caller brings, ``[batch, 1, time]`` per noise block."""

    def __init__(self, noises: Sequence[Tensor]) -> None:
        self._noises = list(noises)

    def __call__(self, block: int, like: Tensor) -> Tensor:
        length = like.shape[-1]
        noise, self._noises[block] = self._noises[block].tensor_split([length], dim=-1)
        return noise

    def item(self, index: int) -> GivenNoise:
        return GivenNoise([noise[index : index + 1] for noise in self._noises])


class _SnakeWithGradient(torch.autograd.Function):
    # Autograd through the plain formula keeps four intermediates and costs twice the time.
    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor) -> Tensor:  # noqa: ANN401 - torch's
        ctx.save_for_backward(x, alpha)
        return x + torch.sin(alpha * x).square_().div_(alpha + 1e-9)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        x, alpha = ctx.saved_tensors
        (gradient,) = gradients
        angle = 2 * alpha * x
        sine = torch.sin(angle)
        # d/da sin^2(ax)/a = (x sin(2ax) - sin^2(ax)/a) / a, and sin^2 = (1 - cos(2ax)) / 2.
        share = (x * sine).sub_(torch.cos(angle).neg_().add_(1).div_(2 * alpha + 1e-9))
        alpha_gradient = (gradient * share).sum(dim=(0, 2), keepdim=True) / (alpha + 1e-9)
        return gradient * sine.add_(1), alpha_gradient


class Snake1d(nn.Module):
    """``x + sin^2(alpha x) / alpha`` with one learned ``alpha`` per channel (arXiv 2006.08195)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and (x.requires_grad or self.alpha.requires_grad):
            return _SnakeWithGradient.apply(x, self.alpha)  # type: ignore[no-any-return, no-untyped-call]
        return x + (self.alpha * x).sin_().square_().mul_((self.alpha + 1e-9).reciprocal())


class ResidualUnit(nn.Module):
    """A dilated convolution and a pointwise one, around a skip connection; keeps the length."""

    def __init__(self, channels: int, dilation: int, groups: int) -> None:
        super().__init__()
        padding = (_KERNEL - 1) * dilation // 2
        self.block = nn.Sequential(
            Snake1d(channels),
            nn.Conv1d(
                channels, channels, _KERNEL, dilation=dilation, padding=padding, groups=groups
            ),
            Snake1d(channels),
            nn.Conv1d(channels, channels, 1),
        )

    @property
    def parts(self) -> tuple[Snake1d, nn.Conv1d, Snake1d, nn.Conv1d]:
        """The layers in order; the last convolution is pointwise."""
        return cast("tuple[Snake1d, nn.Conv1d, Snake1d, nn.Conv1d]", tuple(self.block))

    def forward(self, x: Tensor, ends: Ends | None = None) -> Tensor:
        return x + through(self.block, x, ends)


class NoiseBlock(nn.Module):
    """Adds noise, scaled by a learned linear map of the signal itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return torch.addcmul(x, noise, self.linear(x))


class EncoderBlock(nn.Module):
    """Three residual units, then a strided convolution that doubles the channels."""

    def __init__(self, in_channels: int, stride: int, depthwise: bool) -> None:
        super().__init__()
        groups = in_channels if depthwise else 1
        self.block = nn.Sequential(
            *(ResidualUnit(in_channels, dilation, groups) for dilation in _DILATIONS),
            Snake1d(in_channels),
            nn.Conv1d(
                in_channels,
                2 * in_channels,
                kernel_size=2 * stride,
                stride=stride,
                padding=math.ceil(stride / 2),
            ),
        )

    @property
    def parts(self) -> tuple[list[ResidualUnit], Snake1d, nn.Conv1d]:
        """The residual units, and what comes after them."""
        *units, snake, downsample = self.block
        return cast("tuple[list[ResidualUnit], Snake1d, nn.Conv1d]", (units, snake, downsample))

    def forward(self, x: Tensor, ends: Ends | None = None) -> Tensor:
        return through(self.block, x, ends)


class DecoderBlock(nn.Module):
    """A transposed convolution that halves the channels, noise, and three residual units."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, noise: bool, depthwise: bool
    ) -> None:
        super().__init__()
        groups = out_channels if depthwise else 1
        upsample = nn.ConvTranspose1d(
            in_channels,
            out_channels,
            kernel_size=2 * stride,
            stride=stride,
            padding=math.ceil(stride / 2),
            output_padding=stride % 2,
        )
        self.block = nn.Sequential(
            Snake1d(in_channels),
            upsample,
            *([NoiseBlock(out_channels)] if noise else []),
            *(ResidualUnit(out_channels, dilation, groups) for dilation in _DILATIONS),
        )

    @property
    def parts(self) -> tuple[Snake1d, nn.ConvTranspose1d, NoiseBlock | None, list[ResidualUnit]]:
        """What comes before the residual units, and these."""
        snake, upsample, *rest = self.block
        noise = rest.pop(0) if isinstance(rest[0], NoiseBlock) else None
        return cast("Any", (snake, upsample, noise, rest))  # type: ignore[no-any-return]

    def forward(
        self, x: Tensor, noise: Callable[[Tensor], Tensor], ends: Ends | None = None
    ) -> Tensor:
        for layer in self.block:
            x = layer(x, noise(x)) if isinstance(layer, NoiseBlock) else through([layer], x, ends)
        return x


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

    def forward(self, audio: Tensor, ends: Ends | None = None) -> Tensor:
        return through(self.block, audio, ends)


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

    def forward(self, latents: Tensor, noise: NoiseSource, ends: Ends | None = None) -> Tensor:
        x, blocks = latents, 0
        for layer in self.model:
            if isinstance(layer, DecoderBlock):
                x = layer(x, partial(noise, blocks), ends)
                blocks += 1
            else:
                x = through([layer], x, ends)
        return x


def through(layers: Iterable[nn.Module], x: Tensor, ends: Ends | None) -> Tensor:
    """Layer after layer, with zeros after each item's end wherever one looks sideways.

    Attention needs none: whoever pads gives every item whole windows.
    """
    for layer in layers:
        if isinstance(layer, ResidualUnit | EncoderBlock):
            x = layer(x, ends)
        elif ends is not None and is_wide(layer):
            x = layer(ends.zeroed(x))
        else:
            x = layer(x)
    return x


def is_wide(layer: nn.Module) -> bool:
    """Whether it is a convolution that looks at more than one step."""
    return isinstance(layer, nn.Conv1d | nn.ConvTranspose1d) and layer.kernel_size[0] > 1


def _decoder_head(latent_channels: int, channels: int, depthwise: bool) -> list[nn.Module]:
    padding = _KERNEL // 2
    if not depthwise:
        return [nn.Conv1d(latent_channels, channels, _KERNEL, padding=padding)]
    groups = latent_channels
    return [
        nn.Conv1d(latent_channels, latent_channels, _KERNEL, padding=padding, groups=groups),
        nn.Conv1d(latent_channels, channels, 1),
    ]
