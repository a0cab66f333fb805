"""Triton kernels of Snake and of the residual unit's parts, forwards and backwards.

Importing this needs Triton. Tensors are float32, contiguous, ``[batch, channels, time]``; with
``TRITON_INTERPRET=1`` they may be a CPU's.
"""
# ruff: noqa: ANN001, ANN201 - what Triton compiles has no types

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def snake_forward(x_at, alpha_at, out_at, channels, time, block: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * block + tl.arange(0, block)
    alpha = tl.load(alpha_at + row % channels)
    x = tl.load(x_at + row * time + t, mask=t < time, other=0.0)
    sine = tl.sin(alpha * x)
    tl.store(out_at + row * time + t, x + sine * sine / (alpha + 1e-9), mask=t < time)


@triton.jit
def snake_backward(
    gradient_at,
    x_at,
    alpha_at,
    out_at,
    sums_at,
    channels,
    time,
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


@triton.jit
def depthwise_forward(
    x_at,
    weight_at,
    bias_at,
    alpha_at,
    inner_at,
    out_at,
    channels,
    time,
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


@triton.jit
def depthwise_sums(
    gradient_at,
    inner_at,
    x_at,
    alpha_at,
    out_at,
    sums_at,
    channels,
    time,
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


@triton.jit
def depthwise_backward(
    gradient_at,
    weight_at,
    x_at,
    alpha_at,
    skip_at,
    out_at,
    sums_at,
    channels,
    time,
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


@triton.jit
def add_biased(x_at, y_at, bias_at, out_at, channels, time, block: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * block + tl.arange(0, block)
    at = row * time + t
    x = tl.load(x_at + at, mask=t < time, other=0.0)
    y = tl.load(y_at + at, mask=t < time, other=0.0)
    tl.store(out_at + at, x + y + tl.load(bias_at + row % channels), mask=t < time)


@triton.jit
def mix(
    x_at,
    y_at,
    weight_at,
    other_at,
    out_at,
    channels,
    time,
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


@triton.jit
def mix_backward(
    gradient_at,
    y_at,
    weight_at,
    noise_at,
    out_at,
    sums_at,
    channels,
    time,
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
