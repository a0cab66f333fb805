"""Triton kernels for what takes a GPU's memory most time: Snake, alone and after a depthwise
convolution. Each reads its input once and writes its output once.

Importing this needs Triton. Tensors are float32, contiguous, ``[batch, channels, time]``.
"""
# ruff: noqa: ANN001, ANN202 - what Triton compiles has no types

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024


@triton.jit
def _snake_of(value, alpha):
    sine = tl.sin(alpha * value)
    return value + sine * sine * (1.0 / (alpha + 1e-9))


@triton.jit
def _snake(
    x,
    bias,
    alphas,
    ends,
    out,
    channels,
    time,
    BIASED: tl.constexpr,
    ENDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    blocks = tl.cdiv(time, BLOCK)
    row = tl.program_id(0) // blocks
    at = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    channel = row % channels
    end = time
    if ENDED:
        end = tl.load(ends + row // channels)
    start = row.to(tl.int64) * time
    value = tl.load(x + start + at, mask=at < end, other=0.0)
    if BIASED:
        value = tl.where(at < end, value + tl.load(bias + channel), 0.0)
    tl.store(out + start + at, _snake_of(value, tl.load(alphas + channel)), mask=at < time)


@triton.jit
def _depthwise(
    x,
    taps,
    bias,
    alphas,
    out,
    channels,
    time,
    KERNEL: tl.constexpr,
    DILATION: tl.constexpr,
    BLOCK: tl.constexpr,
):
    blocks = tl.cdiv(time, BLOCK)
    row = tl.program_id(0) // blocks
    at = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    channel = row % channels
    start = row.to(tl.int64) * time
    total = tl.zeros([BLOCK], dtype=tl.float32) + tl.load(bias + channel)
    for tap in tl.static_range(KERNEL):
        there = at + (tap - KERNEL // 2) * DILATION
        inside = (there >= 0) & (there < time)
        value = tl.load(x + start + there, mask=inside, other=0.0)
        total += value * tl.load(taps + channel * KERNEL + tap)
    tl.store(out + start + at, _snake_of(total, tl.load(alphas + channel)), mask=at < time)


def snake(
    x: Tensor, alpha: Tensor, ends: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """Snake of ``x + bias``, and zeros after each item's end.

    ``alpha`` and ``bias`` have one number a channel, ``ends`` ``[batch]`` the steps of each item.
    """
    _, channels, time = x.shape
    out = torch.empty_like(x)
    _snake[_grid(x)](
        x,
        alpha if bias is None else bias,
        alpha,
        x if ends is None else ends,
        out,
        channels,
        time,
        BIASED=bias is not None,
        ENDED=ends is not None,
        BLOCK=_BLOCK,
    )
    return out


def depthwise_snake(
    x: Tensor, weight: Tensor, bias: Tensor, dilation: int, alpha: Tensor
) -> Tensor:
    """Snake of a depthwise convolution that keeps the length; ``weight`` is
    ``[channels, 1, an odd number of taps]``."""
    _, channels, time = x.shape
    out = torch.empty_like(x)
    _depthwise[_grid(x)](
        x,
        weight,
        bias,
        alpha,
        out,
        channels,
        time,
        KERNEL=weight.shape[-1],
        DILATION=dilation,
        BLOCK=_BLOCK,
    )
    return out


def _grid(x: Tensor) -> tuple[int]:
    batch, channels, time = x.shape
    return (batch * channels * triton.cdiv(time, _BLOCK),)
