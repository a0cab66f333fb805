"""Snake, noise blocks and residual units on Triton kernels, with gradients.

Eager torch moves every activation dozens of times through memory here, and its backward pass of a
depthwise convolution leaves most of the card idle. Importing this needs Triton.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import triton
from torch import Tensor, nn

from snac_eval.codecs.snac.layers import Ends, NoiseBlock, ResidualUnit, Snake1d
from training.gpu import kernels

_TAPS = 7
_LONGEST_BLOCK = 1024
# Up to here cuBLAS is slow: few rows, many columns, and a weight gradient that is a long sum.
_NARROW = 64
_CHUNK = 1024


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
        kernels.snake_backward[grid](gradient, x, alpha, out, sums, *x.shape[1:], block=block)
        return out, sums


def snake(x: Tensor, alpha: Tensor) -> Tensor:
    """``x + sin^2(alpha x) / alpha`` without gradients."""
    grid, block = _grid(x)
    out = torch.empty_like(x)
    kernels.snake_forward[grid](x, alpha, out, *x.shape[1:], block=block)
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
        kernels.depthwise_forward[grid](*arguments, **sizes)
        out = torch.empty_like(x)
        if x.shape[1] <= _NARROW:
            mix(x, outer, mixing, mixing_bias, out, is_noise=False)
        else:
            mixed = _times(mixing.squeeze(-1), outer)
            kernels.add_biased[grid](x, mixed, mixing_bias, out, *x.shape[1:], block=block)
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
        kernels.depthwise_sums[grid](*arguments, **ctx.sizes)
        arguments = (between, taps, x, first, gradient, out, parts, *x.shape[1:])
        kernels.depthwise_backward[grid](*arguments, **ctx.sizes)
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
    """Write into ``out`` what the kernel of this name gives; at most ``_NARROW`` channels."""
    batch, channels, time = x.shape
    sizes = _mixing_sizes(channels)
    grid = batch, triton.cdiv(time, sizes["block"])
    kernels.mix[grid](x, y, weight, other, out, channels, time, is_noise=is_noise, **sizes)


def mix_backward(
    gradient: Tensor, y: Tensor, weight: Tensor, noise: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Gradients of ``y`` (and ``x``, with noise) and of the weight."""
    batch, channels, time = gradient.shape
    grid, out = (batch, triton.cdiv(time, _CHUNK)), torch.empty_like(gradient)
    parts = gradient.new_empty(grid[0] * grid[1], channels, channels)
    sizes = {**_mixing_sizes(channels), "chunk": _CHUNK, "is_noise": noise is not None}
    other = weight if noise is None else noise
    kernels.mix_backward[grid](gradient, y, weight, other, out, parts, channels, time, **sizes)
    return out, parts.sum(0).unsqueeze(-1)


def residual_unit(unit: ResidualUnit, x: Tensor, ends: Ends | None = None) -> Tensor:
    """What ``unit`` does, with gradients. It is depthwise."""
    if ends is not None:  # training pads nothing
        return ResidualUnit.forward(unit, x, ends)
    first, depthwise, second, pointwise = unit.parts
    mixing = pointwise.weight, pointwise.bias
    weights = first.alpha, depthwise.weight, depthwise.bias, second.alpha, *mixing
    return _Unit.apply(x, depthwise.dilation[0], *weights)  # type: ignore[no-any-return, no-untyped-call]


def use_kernels(model: nn.Module) -> None:
    """Let SNAC, or a layer of it, compute with these kernels; its weights stay where they are."""
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
