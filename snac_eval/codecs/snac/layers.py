"""Convolution, activation and noise layers of SNAC (arXiv 2410.14411, after DAC, 2306.06546).

Tensors are ``[batch, channels, time]``. Module names follow the published checkpoints, so that
their weights load without renaming.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

_KERNEL = 7
_DILATIONS = (1, 3, 9)
# Numbers of one tile: a few of them together stay in a core's second-level cache.
_TILE_NUMBERS = 65536
_SHORTEST_TILE = 256


class NoiseSource(Protocol):
    """Where noise blocks get their noise: called once per block, in order."""

    def __call__(self, like: Tensor) -> Tensor:
        """Noise ``[batch, 1, time]`` for ``like`` of ``[batch, channels, time]``."""


class SeededNoise:
    """Standard normal noise, each batch item from a generator of its own.

    The same seed gives the same noise whatever else is in the batch and on whatever device: it is
    drawn on the CPU.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, like: Tensor) -> Tensor:
        drawn = [torch.randn(1, like.shape[-1], generator=one) for one in self._generators]
        return torch.stack(drawn).to(device=like.device, dtype=like.dtype)


class FreshNoise:
    """Standard normal noise from torch's global generator: what training wants."""

    def __call__(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape[0], 1, like.shape[-1], device=like.device, dtype=like.dtype)


class GivenNoise:
    """Noise that the caller brings, one tensor per noise block."""

    def __init__(self, noises: Sequence[Tensor]) -> None:
        self._noises: Iterator[Tensor] = iter(noises)

    def __call__(self, like: Tensor) -> Tensor:
        return next(self._noises)


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

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)  # type: ignore[no-any-return]

    def forward_in_cache(self, x: Tensor) -> Tensor:
        """The same without gradients, for an ``x`` that fits the cache."""
        first, dilated, second, pointwise = self.block
        return pointwise(second(_depthwise(dilated, first(x)))).add_(x)  # type: ignore[no-any-return]

    @property
    def reach(self) -> int:
        """How many steps to either side the output depends on."""
        return int(self.block[1].padding[0])  # type: ignore[index]


def _depthwise(conv: nn.Module, x: Tensor) -> Tensor:
    """A depthwise convolution as shifted sums: a third of the library's time, in the cache."""
    assert isinstance(conv, nn.Conv1d)
    if conv.groups != conv.in_channels or conv.bias is None:
        return conv(x)  # type: ignore[no-any-return]
    padding, dilation, length = int(conv.padding[0]), int(conv.dilation[0]), x.shape[-1]
    padded = nn.functional.pad(x, (padding, padding))
    taps = conv.weight.unbind(-1)
    total = torch.addcmul(conv.bias[:, None], padded[..., :length], taps[0])
    for index, tap in enumerate(taps[1:], start=1):
        total.addcmul_(padded[..., index * dilation : index * dilation + length], tap)
    return total


class NoiseBlock(nn.Module):
    """Adds noise, scaled by a learned linear map of the signal itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return torch.addcmul(x, noise, self.linear(x))


def _run_units(
    units: Sequence[ResidualUnit],
    x: Tensor,
    noise_block: NoiseBlock | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Residual units one after the other, after the noise block if there is one.

    Without gradients on a CPU they work on one tile of time after the other, with as much of the
    neighbours as they look at, so that nothing between them leaves the cache. Batch items go one
    by one, for a batch must give what its items give alone.
    """
    if torch.is_grad_enabled() or x.device.type != "cpu":
        if noise_block is not None and noise is not None:
            x = noise_block(x, noise)
        for unit in units:
            x = unit(x)
        return x
    out = torch.empty_like(x)
    for item in range(len(x)):
        one = slice(item, item + 1)
        _run_in_tiles(units, x[one], out[one], noise_block, None if noise is None else noise[one])
    return out


def _run_in_tiles(
    units: Sequence[ResidualUnit],
    x: Tensor,
    out: Tensor,
    noise_block: NoiseBlock | None,
    noise: Tensor | None,
) -> None:
    reach, length = sum(unit.reach for unit in units), x.shape[-1]
    tile = max(_SHORTEST_TILE, _TILE_NUMBERS // x.shape[1])
    for start in range(0, length, tile):
        end = min(length, start + tile)
        seen = slice(max(0, start - reach), min(length, end + reach))
        part = x[..., seen]
        if noise_block is not None and noise is not None:
            part = noise_block(part, noise[..., seen])
        for unit in units:
            part = unit.forward_in_cache(part)
        out[..., start:end] = part[..., start - seen.start : end - seen.start]


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

    def forward(self, x: Tensor) -> Tensor:
        *units, snake, downsample = self.block
        return downsample(snake(_run_units(units, x)))  # type: ignore[no-any-return, arg-type]


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

    def forward(self, x: Tensor, noise: NoiseSource) -> Tensor:
        snake, upsample, *rest = self.block
        x = upsample(snake(x))
        if not isinstance(rest[0], NoiseBlock):
            return _run_units(rest, x)  # type: ignore[arg-type]
        return _run_units(rest[1:], x, rest[0], noise(x))  # type: ignore[arg-type]
