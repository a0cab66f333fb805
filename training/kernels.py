"""Triton kernels for training on a GPU: Snake and the residual unit, forwards and backwards.

Eager torch moves every activation dozens of times through memory here, and its backward pass of a
depthwise convolution leaves most of the card idle. Tensors are ``[batch, channels, time]``,
float32, contiguous. With ``TRITON_INTERPRET=1`` the kernels run on a CPU, for tests.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from snac_eval.codecs.snac.layers import ResidualUnit, Snake1d
from snac_eval.codecs.snac.model import SNAC

_TAPS = 7
_LONGEST_BLOCK = 1024
# Up to here a weight gradient is a small matrix out of a long sum, which cuBLAS cannot spread.
_NARROW = 64
_CHUNK = 2048
# Gradients that one program sums up: taps, bias, and the Snake after them.
_SUMS = _TAPS + 2


@triton.jit  # type: ignore[untyped-decorator]
def _snake_forward(x_at, alpha_at, out_at, channels, time, block: tl.constexpr):  # noqa: ANN001, ANN202
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * block + tl.arange(0, block)
    alpha = tl.load(alpha_at + row % channels)
    x = tl.load(x_at + row * time + t, mask=t < time, other=0.0)
    sine = tl.sin(alpha * x)
    tl.store(out_at + row * time + t, x + sine * sine / (alpha + 1e-9), mask=t < time)


@triton.jit  # type: ignore[untyped-decorator]
def _snake_backward(  # noqa: ANN202
    gradient_at,  # noqa: ANN001
    x_at,  # noqa: ANN001
    alpha_at,  # noqa: ANN001
    out_at,  # noqa: ANN001
    sums_at,  # noqa: ANN001
    channels,  # noqa: ANN001
    time,  # noqa: ANN001
    block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * block + tl.arange(0, block)
    there = t < time
    alpha = tl.load(alpha_at + row % channels)
    x = tl.load(x_at + row * time + t, mask=there, other=0.0)
    gradient = tl.load(gradient_at + row * time + t, mask=there, other=0.0)
    sine = tl.sin(2 * alpha * x)
    share = x * sine - (1 - tl.cos(2 * alpha * x)) / (2 * alpha + 1e-9)
    tl.store(out_at + row * time + t, gradient * (1 + sine), mask=there)
    total = tl.sum(gradient * share, axis=0) / (alpha + 1e-9)
    tl.store(sums_at + row * tl.num_programs(1) + tl.program_id(1), total)


@triton.jit  # type: ignore[untyped-decorator]
def _depthwise_forward(  # noqa: ANN202
    x_at,  # noqa: ANN001
    weight_at,  # noqa: ANN001
    bias_at,  # noqa: ANN001
    alpha_at,  # noqa: ANN001
    inner_at,  # noqa: ANN001
    out_at,  # noqa: ANN001
    channels,  # noqa: ANN001
    time,  # noqa: ANN001
    dilation: tl.constexpr,
    taps: tl.constexpr,
    block: tl.constexpr,
):
    """The convolution into ``inner`` and Snake of it into ``out``."""
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * block + tl.arange(0, block)
    channel = row % channels
    inner = tl.zeros([block], tl.float32) + tl.load(bias_at + channel)
    for tap in tl.static_range(taps):
        at = t + (tap - taps // 2) * dilation
        x = tl.load(x_at + row * time + at, mask=(at >= 0) & (at < time), other=0.0)
        inner += tl.load(weight_at + channel * taps + tap) * x
    alpha = tl.load(alpha_at + channel)
    sine = tl.sin(alpha * inner)
    tl.store(inner_at + row * time + t, inner, mask=t < time)
    tl.store(out_at + row * time + t, inner + sine * sine / (alpha + 1e-9), mask=t < time)


@triton.jit  # type: ignore[untyped-decorator]
def _depthwise_sums(  # noqa: ANN202
    gradient_at,  # noqa: ANN001
    inner_at,  # noqa: ANN001
    x_at,  # noqa: ANN001
    alpha_at,  # noqa: ANN001
    out_at,  # noqa: ANN001
    sums_at,  # noqa: ANN001
    channels,  # noqa: ANN001
    time,  # noqa: ANN001
    dilation: tl.constexpr,
    taps: tl.constexpr,
    block: tl.constexpr,
):
    """Back through Snake into ``out``; sums for the taps, the bias and alpha on the way."""
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * block + tl.arange(0, block)
    there = t < time
    alpha = tl.load(alpha_at + row % channels)
    inner = tl.load(inner_at + row * time + t, mask=there, other=0.0)
    gradient = tl.load(gradient_at + row * time + t, mask=there, other=0.0)
    sine = tl.sin(2 * alpha * inner)
    share = inner * sine - (1 - tl.cos(2 * alpha * inner)) / (2 * alpha + 1e-9)
    sums_at += (row * tl.num_programs(1) + tl.program_id(1)) * (taps + 2)
    tl.store(sums_at + taps + 1, tl.sum(gradient * share, axis=0) / (alpha + 1e-9))
    gradient = gradient * (1 + sine)
    tl.store(out_at + row * time + t, gradient, mask=there)
    tl.store(sums_at + taps, tl.sum(gradient, axis=0))
    for tap in tl.static_range(taps):
        at = t + (tap - taps // 2) * dilation
        x = tl.load(x_at + row * time + at, mask=there & (at >= 0) & (at < time), other=0.0)
        tl.store(sums_at + tap, tl.sum(gradient * x, axis=0))


@triton.jit  # type: ignore[untyped-decorator]
def _depthwise_backward(  # noqa: ANN202
    gradient_at,  # noqa: ANN001
    weight_at,  # noqa: ANN001
    x_at,  # noqa: ANN001
    alpha_at,  # noqa: ANN001
    skip_at,  # noqa: ANN001
    out_at,  # noqa: ANN001
    sums_at,  # noqa: ANN001
    channels,  # noqa: ANN001
    time,  # noqa: ANN001
    dilation: tl.constexpr,
    taps: tl.constexpr,
    block: tl.constexpr,
):
    """Back through the convolution and the Snake before it; the skip's gradient is added."""
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * block + tl.arange(0, block)
    there = t < time
    channel = row % channels
    gradient = tl.zeros([block], tl.float32)
    for tap in tl.static_range(taps):
        at = t - (tap - taps // 2) * dilation
        later = tl.load(gradient_at + row * time + at, mask=(at >= 0) & (at < time), other=0.0)
        gradient += tl.load(weight_at + channel * taps + tap) * later
    alpha = tl.load(alpha_at + channel)
    x = tl.load(x_at + row * time + t, mask=there, other=0.0)
    sine = tl.sin(2 * alpha * x)
    share = x * sine - (1 - tl.cos(2 * alpha * x)) / (2 * alpha + 1e-9)
    total = tl.sum(tl.where(there, gradient * share, 0.0), axis=0) / (alpha + 1e-9)
    tl.store(sums_at + row * tl.num_programs(1) + tl.program_id(1), total)
    skip = tl.load(skip_at + row * time + t, mask=there, other=0.0)
    tl.store(out_at + row * time + t, gradient * (1 + sine) + skip, mask=there)


@triton.jit  # type: ignore[untyped-decorator]
def _add_biased(x_at, y_at, bias_at, out_at, channels, time, block: tl.constexpr):  # noqa: ANN001, ANN202
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * block + tl.arange(0, block)
    at = row * time + t
    x = tl.load(x_at + at, mask=t < time, other=0.0)
    y = tl.load(y_at + at, mask=t < time, other=0.0)
    tl.store(out_at + at, x + y + tl.load(bias_at + row % channels), mask=t < time)


@triton.jit  # type: ignore[untyped-decorator]
def _outer_sums(  # noqa: ANN202
    gradient_at,  # noqa: ANN001
    x_at,  # noqa: ANN001
    sums_at,  # noqa: ANN001
    channels,  # noqa: ANN001
    time,  # noqa: ANN001
    width: tl.constexpr,
    chunk: tl.constexpr,
    block: tl.constexpr,
):
    """``gradient @ x.T`` of one batch item's chunk of time, ``[channels, channels]``."""
    start = tl.program_id(0).to(tl.int64) * channels * time
    channel, step = tl.arange(0, width), tl.arange(0, block)
    total = tl.zeros([width, width], tl.float32)
    for offset in range(0, chunk, block):
        t = tl.program_id(1) * chunk + offset + step
        at = start + channel[:, None] * time + t[None, :]
        there = (channel < channels)[:, None] & (t < time)[None, :]
        gradient = tl.load(gradient_at + at, mask=there, other=0.0)
        x = tl.load(x_at + at, mask=there, other=0.0)
        total += tl.dot(gradient, tl.trans(x))
    program = tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)
    at = (program * channels + channel[:, None]) * channels + channel[None, :]
    there = (channel < channels)[:, None] & (channel < channels)[None, :]
    tl.store(sums_at + at, total, mask=there)


def _grid(x: Tensor) -> tuple[tuple[int, int], int]:
    """Programs over rows and blocks of time, and how long a block is."""
    batch, channels, time = x.shape
    block = min(_LONGEST_BLOCK, triton.next_power_of_2(time))
    return (batch * channels, triton.cdiv(time, block)), block


def _per_channel(sums: Tensor, like: Tensor) -> Tensor:
    """Sums of programs ``[batch * channels, blocks, n]`` to ``[n, channels]``."""
    batch, channels, _ = like.shape
    return sums.view(batch, channels, -1, sums.shape[-1]).sum((0, 2)).t()


class _Snake(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor) -> Tensor:  # noqa: ANN401 - torch's
        x = x.contiguous()
        ctx.save_for_backward(x, alpha)
        return snake(x, alpha)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        x, alpha = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        grid, block = _grid(x)
        out, sums = torch.empty_like(x), x.new_empty(*grid, 1)
        _snake_backward[grid](gradient, x, alpha, out, sums, *x.shape[1:], block=block)
        return out, _per_channel(sums, x).view_as(alpha)


def snake(x: Tensor, alpha: Tensor) -> Tensor:
    """``x + sin^2(alpha x) / alpha`` without gradients."""
    grid, block = _grid(x)
    out = torch.empty_like(x)
    _snake_forward[grid](x, alpha, out, *x.shape[1:], block=block)
    return out


class _Unit(torch.autograd.Function):
    """The residual unit as a whole: Snake, depthwise, Snake, pointwise, and the skip around."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dilation: int, *weights: Tensor) -> Tensor:  # noqa: ANN401
        x = x.contiguous()
        first, taps, bias, second, mixing, mixing_bias = weights
        grid, block = _grid(x)
        snaked = snake(x, first)
        inner, outer = torch.empty_like(x), torch.empty_like(x)
        sizes = {"dilation": dilation, "taps": _TAPS, "block": block}
        arguments = (snaked, taps, bias, second, inner, outer, *x.shape[1:])
        _depthwise_forward[grid](*arguments, **sizes)
        mixed = torch.matmul(mixing.squeeze(-1), outer)
        out = torch.empty_like(x)
        _add_biased[grid](x, mixed, mixing_bias, out, *x.shape[1:], block=block)
        ctx.save_for_backward(x, snaked, inner, outer, first, taps, second, mixing)
        ctx.sizes = sizes
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, snaked, inner, outer, first, taps, second, mixing = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        grid, _ = _grid(x)
        to_mixing = outer_sums(gradient, outer).unsqueeze(-1)
        back = torch.matmul(mixing.squeeze(-1).t(), gradient)
        sums, between = x.new_empty(*grid, _SUMS), torch.empty_like(x)
        arguments = (back, inner, snaked, second, between, sums, *x.shape[1:])
        _depthwise_sums[grid](*arguments, **ctx.sizes)
        to_taps, to_bias, to_second = _per_channel(sums, x).split((_TAPS, 1, 1))
        last, out = x.new_empty(*grid, 1), torch.empty_like(x)
        arguments = (between, taps, x, first, gradient, out, last, *x.shape[1:])
        _depthwise_backward[grid](*arguments, **ctx.sizes)
        to_first = _per_channel(last, x).view_as(first)
        to_weights = to_taps.t().reshape(taps.shape), to_bias.view(-1), to_second.view_as(second)
        return out, None, to_first, *to_weights, to_mixing, gradient.sum((0, 2))


def outer_sums(gradient: Tensor, x: Tensor) -> Tensor:
    """``gradient @ x.T`` summed over the batch, ``[channels, channels]``."""
    batch, channels, time = x.shape
    if channels > _NARROW:
        return torch.matmul(gradient, x.transpose(1, 2)).sum(0)
    chunks = triton.cdiv(time, _CHUNK)
    sums = x.new_empty(batch * chunks, channels, channels)
    sizes = {"width": max(16, triton.next_power_of_2(channels)), "chunk": _CHUNK, "block": 64}
    _outer_sums[batch, chunks](gradient, x, sums, channels, time, **sizes)
    return sums.sum(0)


def residual_unit(unit: ResidualUnit, x: Tensor) -> Tensor:
    """What ``unit`` does, with gradients. It is depthwise."""
    first, depthwise, second, pointwise = unit.parts
    weights = first.alpha, depthwise.weight, depthwise.bias, second.alpha
    weights += pointwise.weight, pointwise.bias
    return _Unit.apply(x, depthwise.dilation[0], *weights)  # type: ignore[no-any-return, no-untyped-call]


def use_kernels(model: SNAC) -> None:
    """Let ``model`` compute with these kernels from now on; its weights stay where they are."""
    for module in model.modules():
        if isinstance(module, ResidualUnit):
            depthwise = module.parts[1]
            if depthwise.groups == depthwise.in_channels:
                module.forward = partial(residual_unit, module)  # type: ignore[method-assign]
        elif isinstance(module, Snake1d):
            module.forward = partial(_snake_of, module)  # type: ignore[method-assign]


def _snake_of(module: nn.Module, x: Tensor) -> Tensor:
    return _Snake.apply(x, module.alpha)  # type: ignore[no-any-return, no-untyped-call]
