"""SNAC's encoder and decoder on a GPU, with fewer trips through its memory.

Layer by layer, Snake alone moves three quarters of the bytes: five tensors read and five written
for one of each. Here Snake and the zeros after each item's end are one kernel, a depthwise
convolution and the Snake after it are another, and a pointwise convolution is added to the skip
connection in its place, its bias when that is next read.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from snac_eval.codecs.snac.layers import (
    Decoder,
    DecoderBlock,
    Encoder,
    EncoderBlock,
    Ends,
    NoiseBlock,
    NoiseSource,
    ResidualUnit,
    Snake1d,
    is_on_gpu,
    through,
)
from snac_eval.codecs.snac.tiles import known
from snac_eval.errors import one_line

_TOLERANCE = 1e-5
_UNIT: tuple[type[nn.Module], ...] = (Snake1d, nn.Conv1d, Snake1d, nn.Conv1d)


@torch.no_grad()
def encoded(encoder: Encoder, audio: Tensor, ends: Ends | None) -> Tensor:
    """What ``encoder(audio, ends)`` gives, up to rounding."""
    if not _fits(encoder, audio):
        return encoder(audio, ends)  # type: ignore[no-any-return]
    x = audio
    for layer in encoder.block:
        if isinstance(layer, EncoderBlock):
            units, snake, downsample = layer.parts
            x, bias = _units(units, x, ends)
            x = downsample(_snake(x, snake, ends, bias))
        else:
            x = through([layer], x, ends)
    return x


@torch.no_grad()
def decoded(decoder: Decoder, latents: Tensor, noise: NoiseSource, ends: Ends | None) -> Tensor:
    """What ``decoder(latents, noise, ends)`` gives, up to rounding."""
    if not _fits(decoder, latents):
        return decoder(latents, noise, ends)  # type: ignore[no-any-return]
    x, bias, blocks = latents, None, 0
    for layer in decoder.model:
        if isinstance(layer, DecoderBlock):
            snake, upsample, noise_block, units = layer.parts
            x = upsample(_snake(x, snake, ends, bias))
            if noise_block is not None:
                x = noise_block(x, noise(blocks, x))
            x, bias = _units(units, x, ends)
            blocks += 1
        elif isinstance(layer, Snake1d):
            x, bias = _snake(x, layer, ends, bias), None
        else:
            x = through([layer], x, ends)
    return x


@cache
def problem(device: torch.device) -> str:
    """Why the kernels do not run on this GPU; empty where they do, and give what layers give."""
    try:
        from snac_eval.codecs.snac import gpu_kernels as kernels

        x = torch.linspace(-4, 4, 2 * 3 * 50, device=device).view(2, 3, 50)
        unit = ResidualUnit(3, 3, 3).to(device).requires_grad_(False)
        first, wide, second, _ = unit.parts
        ends = Ends(torch.tensor([50, 30], device=device), 50)
        assert wide.bias is not None
        zeroed = kernels.snake(x, first.alpha, ends.at(50), wide.bias)
        found = kernels.depthwise_snake(zeroed, wide.weight, wide.bias, 3, second.alpha)
        expected = second(wide(ends.zeroed(first(x + wide.bias[:, None]))))
        apart = float((found - expected).abs().max())
    except Exception as error:  # noqa: BLE001 - no Triton, no compiler, a GPU that it does not know
        return one_line(error)
    return "" if apart < _TOLERANCE else f"its kernels are off by {apart:.1g}"


def _units(units: list[ResidualUnit], x: Tensor, ends: Ends | None) -> tuple[Tensor, Tensor | None]:
    """Residual units, the first of which may write to ``x``; and a bias that is still to be added
    to what they give."""
    from snac_eval.codecs.snac import gpu_kernels as kernels

    bias: Tensor | None = None
    for unit in units:
        first, wide, second, pointwise = unit.parts
        y = _snake(x, first, ends, bias)
        if wide.groups == wide.in_channels and wide.bias is not None:
            dilation = int(wide.dilation[0])
            y = kernels.depthwise_snake(y, wide.weight, wide.bias, dilation, second.alpha)
        else:
            y = kernels.snake(wide(y), second.alpha)
        weight = pointwise.weight[..., 0]
        x.baddbmm_(weight.expand(len(x), *weight.shape), y)
        if pointwise.bias is not None:
            bias = pointwise.bias if bias is None else bias + pointwise.bias
    return x, bias


def _snake(x: Tensor, snake: Snake1d, ends: Ends | None, bias: Tensor | None) -> Tensor:
    from snac_eval.codecs.snac import gpu_kernels as kernels

    return kernels.snake(x, snake.alpha, None if ends is None else ends.at(x.shape[-1]), bias)


def _fits(part: Encoder | Decoder, x: Tensor) -> bool:
    """Whether it can go through the kernels: on a GPU that runs them, each layer what it seems."""
    if not is_on_gpu(x) or x.dtype != torch.float32 or problem(x.device):
        return False
    try:
        for layer in part.modules():
            if isinstance(layer, EncoderBlock):
                units, snake, downsample = known(layer, EncoderBlock).parts
                known(downsample, nn.Conv1d)
            elif isinstance(layer, DecoderBlock):
                snake, upsample, noise, units = known(layer, DecoderBlock).parts
                known(upsample, nn.ConvTranspose1d)
                known(noise or NoiseBlock(1), NoiseBlock)
            else:
                continue
            known(snake, Snake1d)
            for unit in units:
                for one, kind in zip(known(unit, ResidualUnit).parts, _UNIT, strict=True):
                    known(one, kind)
    except TypeError:
        return False
    return True
