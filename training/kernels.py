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

from snac_eval.codecs.snac.layers import NoiseBlock, ResidualUnit, Snake1d
from snac_eval.codecs.snac.model import SNAC

_TAPS = 7
_LONGEST_BLOCK = 1024
# Up to here cuBLAS is slow: few rows, many columns, and a weight gradient that is a long sum.
_NARROW = 64
_CHUNK = 1024


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
    tl.atomic_add(sums_at + row % channels, total)


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
    """Back through Snake into ``out``; the taps, the bias and alpha get their sums on the way."""
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * block + tl.arange(0, block)
    there = t < time
    channel = row % channels
    alpha = tl.load(alpha_at + channel)
    inner = tl.load(inner_at + row * time + t, mask=there, other=0.0)
    gradient = tl.load(gradient_at + row * time + t, mask=there, other=0.0)
    sine = tl.sin(2 * alpha * inner)
    share = inner * sine - (1 - tl.cos(2 * alpha * inner)) / (2 * alpha + 1e-9)
    program = row // channels * tl.num_programs(1) + tl.program_id(1)
    programs = tl.num_programs(0) // channels * tl.num_programs(1)
    sums_at += channel * (taps + 4) * programs + program
    total = tl.sum(gradient * share, axis=0) / (alpha + 1e-9)
    tl.store(sums_at + (taps + 1) * programs, total)
    gradient = gradient * (1 + sine)
    tl.store(out_at + row * time + t, gradient, mask=there)
    tl.store(sums_at + taps * programs, tl.sum(gradient, axis=0))
    for tap in tl.static_range(taps):
        at = t + (tap - taps // 2) * dilation
        x = tl.load(x_at + row * time + at, mask=there & (at >= 0) & (at < time), other=0.0)
        tl.store(sums_at + tap * programs, tl.sum(gradient * x, axis=0))


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
    """Back through the convolution and the Snake before it; the skip's gradient is added.

    That is also the gradient of the bias after the pointwise convolution, summed up here.
    """
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
    program = row // channels * tl.num_programs(1) + tl.program_id(1)
    programs = tl.num_programs(0) // channels * tl.num_programs(1)
    sums_at += channel * (taps + 4) * programs + program
    tl.store(sums_at + (taps + 2) * programs, total)
    skip = tl.load(skip_at + row * time + t, mask=there, other=0.0)
    tl.store(sums_at + (taps + 3) * programs, tl.sum(skip, axis=0))
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
def _mix(  # noqa: ANN202
    x_at,  # noqa: ANN001
    y_at,  # noqa: ANN001
    weight_at,  # noqa: ANN001
    other_at,  # noqa: ANN001
    out_at,  # noqa: ANN001
    channels,  # noqa: ANN001
    time,  # noqa: ANN001
    is_noise: tl.constexpr,
    width: tl.constexpr,
    block: tl.constexpr,
):
    """``x + weight @ y + bias``, or ``x + noise * (weight @ y)``."""
    item = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, width)
    t = tl.program_id(1) * block + tl.arange(0, block)
    inside, there = channel < channels, t < time
    square = channel[:, None] * channels + channel[None, :]
    weight = tl.load(weight_at + square, mask=inside[:, None] & inside[None, :], other=0.0)
    at = (item * channels + channel[:, None]) * time + t[None, :]
    mask = inside[:, None] & there[None, :]
    mixed = tl.dot(weight, tl.load(y_at + at, mask=mask, other=0.0))
    if is_noise:
        mixed = mixed * tl.load(other_at + item * time + t, mask=there, other=0.0)[None, :]
    else:
        mixed = mixed + tl.load(other_at + channel, mask=inside, other=0.0)[:, None]
    tl.store(out_at + at, tl.load(x_at + at, mask=mask, other=0.0) + mixed, mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def _mix_backward(  # noqa: ANN202
    gradient_at,  # noqa: ANN001
    y_at,  # noqa: ANN001
    weight_at,  # noqa: ANN001
    noise_at,  # noqa: ANN001
    out_at,  # noqa: ANN001
    sums_at,  # noqa: ANN001
    channels,  # noqa: ANN001
    time,  # noqa: ANN001
    is_noise: tl.constexpr,
    chunk: tl.constexpr,
    width: tl.constexpr,
    block: tl.constexpr,
):
    """Back into ``y``, with noise that is ``x`` too; the weights get their sums on the way."""
    item = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, width)
    inside = channel < channels
    square = channel[:, None] * channels + channel[None, :]
    corner = inside[:, None] & inside[None, :]
    turned = tl.trans(tl.load(weight_at + square, mask=corner, other=0.0))
    total = tl.zeros([width, width], tl.float32)
    for offset in range(0, chunk, block):
        t = tl.program_id(1) * chunk + offset + tl.arange(0, block)
        at = (item * channels + channel[:, None]) * time + t[None, :]
        mask = inside[:, None] & (t < time)[None, :]
        gradient = tl.load(gradient_at + at, mask=mask, other=0.0)
        scaled = gradient
        if is_noise:
            noise = tl.load(noise_at + item * time + t, mask=t < time, other=0.0)
            scaled = gradient * noise[None, :]
        back = tl.dot(turned, scaled)
        if is_noise:
            back += gradient
        tl.store(out_at + at, back, mask=mask)
        y = tl.load(y_at + at, mask=mask, other=0.0)
        total += tl.dot(scaled, tl.trans(y))
    program = item * tl.num_programs(1) + tl.program_id(1)
    tl.store(sums_at + program * channels * channels + square, total, mask=corner)


def _grid(x: Tensor) -> tuple[tuple[int, int], int]:
    """Programs over rows and blocks of time, and how long a block is."""
    batch, channels, time = x.shape
    block = min(_LONGEST_BLOCK, triton.next_power_of_2(time))
    return (batch * channels, triton.cdiv(time, block)), block


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
        out, sums = torch.empty_like(x), torch.zeros_like(alpha)
        _snake_backward[grid](gradient, x, alpha, out, sums, *x.shape[1:], block=block)
        return out, sums


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
        out = torch.empty_like(x)
        if x.shape[1] <= _NARROW:
            mix(x, outer, mixing, mixing_bias, out, is_noise=False)
        else:
            mixed = _times(mixing.squeeze(-1), outer)
            _add_biased[grid](x, mixed, mixing_bias, out, *x.shape[1:], block=block)
        ctx.save_for_backward(x, snaked, inner, outer, first, taps, second, mixing)
        ctx.sizes = sizes
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, snaked, inner, outer, first, taps, second, mixing = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        (grid, _), channels = _grid(x), x.shape[1]
        if channels <= _NARROW:
            back, to_mixing = mix_backward(gradient, outer, mixing, None)
        else:
            back = _times(mixing.squeeze(-1).t(), gradient)
            to_mixing = torch.bmm(gradient, outer.mT).sum(0).unsqueeze(-1)
        between, out = torch.empty_like(x), torch.empty_like(x)
        # One sum a program: adding them up in place, thousands of programs queue.
        parts = x.new_empty(channels, _TAPS + 4, grid[0] // channels * grid[1])
        arguments = (back, inner, snaked, second, between, parts, *x.shape[1:])
        _depthwise_sums[grid](*arguments, **ctx.sizes)
        arguments = (between, taps, x, first, gradient, out, parts, *x.shape[1:])
        _depthwise_backward[grid](*arguments, **ctx.sizes)
        sums = parts.sum(2)
        to_taps, rest = sums[:, :_TAPS].reshape(taps.shape), sums[:, _TAPS:].t().contiguous()
        to_bias, to_second, to_first, to_mixing_bias = rest
        to_weights = to_first.view_as(first), to_taps, to_bias, to_second.view_as(second)
        return out, None, *to_weights, to_mixing, to_mixing_bias


class _Noise(torch.autograd.Function):
    """``x + noise * (weight @ x)``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, noise: Tensor, weight: Tensor) -> Tensor:  # noqa: ANN401
        x = x.contiguous()
        ctx.save_for_backward(x, noise, weight)
        if x.shape[1] > _NARROW:
            return torch.addcmul(x, noise, _times(weight.squeeze(-1), x))
        out = torch.empty_like(x)
        mix(x, x, weight, noise, out, is_noise=True)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, noise, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        if x.shape[1] <= _NARROW:
            out, to_weight = mix_backward(gradient, x, weight, noise)
            return out, None, to_weight
        scaled = gradient * noise
        out = gradient + _times(weight.squeeze(-1).t(), scaled)
        return out, None, torch.bmm(scaled, x.mT).sum(0).unsqueeze(-1)


def _times(weight: Tensor, x: Tensor) -> Tensor:
    # matmul would copy x there and back, to make one product of many.
    return torch.bmm(weight.expand(len(x), -1, -1), x)


def _mixing_sizes(channels: int) -> dict[str, int]:
    width = max(16, triton.next_power_of_2(channels))
    return {"width": width, "block": 64 if width > 16 else 128}


def mix(
    x: Tensor, y: Tensor, weight: Tensor, other: Tensor, out: Tensor, *, is_noise: bool
) -> None:
    """Write into ``out`` what is given for ``_mix``; at most ``_NARROW`` channels."""
    batch, channels, time = x.shape
    sizes = _mixing_sizes(channels)
    grid = batch, triton.cdiv(time, sizes["block"])
    _mix[grid](x, y, weight, other, out, channels, time, is_noise=is_noise, **sizes)


def mix_backward(
    gradient: Tensor, y: Tensor, weight: Tensor, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Gradients of ``y`` (and ``x``, with noise) and of the weight."""
    batch, channels, time = gradient.shape
    grid, out = (batch, triton.cdiv(time, _CHUNK)), torch.empty_like(gradient)
    parts = gradient.new_empty(grid[0] * grid[1], channels, channels)
    sizes = {**_mixing_sizes(channels), "chunk": _CHUNK, "is_noise": noise is not None}
    other = weight if noise is None else noise
    _mix_backward[grid](gradient, y, weight, other, out, parts, channels, time, **sizes)
    return out, parts.sum(0).unsqueeze(-1)


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
        elif isinstance(module, NoiseBlock):
            module.forward = partial(_noise_of, module)  # type: ignore[method-assign]


def _snake_of(module: nn.Module, x: Tensor) -> Tensor:
    return _Snake.apply(x, module.alpha)  # type: ignore[no-any-return, no-untyped-call]


def _noise_of(module: NoiseBlock, x: Tensor, noise: Tensor) -> Tensor:
    return _Noise.apply(x, noise, module.linear.weight)  # type: ignore[no-any-return, no-untyped-call]
