"""Start the model as a working transform codec, so that training only has to improve it.

Encoder and decoder begin as a modified discrete cosine transform and its inverse (MDCT; Princen and
Bradley 1986), and the codebooks as k-means of what they code. From a random start the decoder never
learned, in the hours that a CPU has, to follow the phase of a voice's harmonics.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from snac_eval.codecs.snac.layers import EncoderBlock, NoiseBlock, ResidualUnit
from snac_eval.codecs.snac.model import SNAC
from snac_eval.codecs.snac.quantize import VectorQuantizer

# Speech of amplitude 0.1 becomes 0.3, where Snake begins to bend.
_INNER_LEVEL = 3.0
_BRANCH_GAIN = 0.05
_NOISE_GAIN = 0.02
_OTHER_OUTPUT_GAIN = 0.1
_KMEANS_ROUNDS = 8


@torch.no_grad()
def initialise(model: SNAC) -> None:
    """Random weights that keep the variance and quiet branches, then the transform over them.

    Raises SystemExit where the model has too few channels for the transform.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            _keep_variance(module)
    for module in model.modules():
        if isinstance(module, ResidualUnit):
            _layers(module.block)[-1].weight.mul_(_BRANCH_GAIN)
        elif isinstance(module, NoiseBlock):
            module.linear.weight.mul_(_NOISE_GAIN)
    coefficients = num_coefficients(model)
    try:
        _analysis(model, coefficients)
        _synthesis(model, coefficients)
    except (RuntimeError, IndexError) as error:
        raise SystemExit(
            "the model has too few channels to start as a transform: every layer needs two for"
            " each sample of its steps; raise encoder_dim and decoder_dim or lower the rates"
            f" in [model] ({error})"
        ) from None


def num_coefficients(model: SNAC) -> int:
    """Latents that start as cosine coefficients, lowest first; the others start at random."""
    config = model.config
    return min(config.channels * 3 // 8, config.hop_length, config.decoder_dim // 2)


def _layers(block: nn.Module) -> list[Any]:
    """The layers of a Sequential."""
    assert isinstance(block, nn.Sequential)
    return list(block)


def _keep_variance(module: nn.Conv1d | nn.ConvTranspose1d) -> None:
    overlap = module.stride[0] if isinstance(module, nn.ConvTranspose1d) else 1
    taps = module.in_channels // module.groups * module.kernel_size[0] / overlap
    module.weight.normal_(std=taps**-0.5)
    if module.bias is not None:
        module.bias.zero_()


def cosines(hop: int, count: int) -> Tensor:
    """``[count, 2 * hop]``: the lowest rows of the MDCT with a sine window, orthonormal."""
    time, frequency = torch.arange(2 * hop) + 0.5, torch.arange(count) + 0.5
    rows = torch.cos(math.pi / hop * (time + hop / 2)[None] * frequency[:, None])
    return rows * torch.sin(math.pi * time / (2 * hop)) * math.sqrt(2 / hop)


def _analysis(model: SNAC, coefficients: int) -> None:
    """Every number travels as a pair x, -x: Snake(x) - Snake(-x) is 2x exactly."""
    first, *blocks = _layers(model.encoder.block)
    first.weight[:2] = 0
    first.weight[:2, 0, first.kernel_size[0] // 2] = torch.tensor([1.0, -1.0]) * _INNER_LEVEL
    values = 1  # samples that one step of this layer holds, one per pair of channels
    strided = [_layers(block.block)[-1] for block in blocks if isinstance(block, EncoderBlock)]
    for layer in strided[:-1]:
        stride = layer.stride[0]
        rows = torch.zeros(stride * values, layer.in_channels, layer.kernel_size[0])
        for phase in range(stride):
            for value in range(values):
                row = rows[phase * values + value, :, phase + layer.padding[0]]
                row[2 * value], row[2 * value + 1] = 0.5, -0.5
        values *= stride
        layer.weight[0 : 2 * values : 2] = rows
        layer.weight[1 : 2 * values : 2] = -rows
    _halves(strided[-1].weight[:coefficients], _framed(model, coefficients, values))
    _pass_through(blocks[-1])


def _synthesis(model: SNAC, coefficients: int) -> None:
    depthwise, pointwise, *blocks = _layers(model.decoder.model)
    _pass_through(depthwise)
    pointwise.weight[: 2 * coefficients] = 0
    for index in range(coefficients):
        pointwise.weight[2 * index, index], pointwise.weight[2 * index + 1, index] = 1, -1
    layers = [_layers(block.block)[1] for block in blocks[: len(model.config.decoder_rates)]]
    values = model.config.hop_length // layers[0].stride[0]
    frames = _framed(model, coefficients, values)
    _pairs(layers[0].weight, frames, coefficients, values)
    for layer in layers[1:]:
        stride, before = int(layer.stride[0]), values
        values //= stride
        taps = torch.zeros(before, values, layer.kernel_size[0])
        for phase in range(stride):
            for value in range(values):
                taps[phase * values + value, value, phase + layer.padding[0]] = 1
        _pairs(layer.weight, taps, before, values)
    last = blocks[-2]
    last.weight.mul_(_OTHER_OUTPUT_GAIN / _INNER_LEVEL)
    last.weight[0, :2] = 0
    middle = last.kernel_size[0] // 2
    last.weight[0, :2, middle] = torch.tensor([0.5, -0.5]) / _INNER_LEVEL


def _framed(model: SNAC, coefficients: int, values: int) -> Tensor:
    """The cosines cut into steps: ``[coefficients, values, taps]``."""
    rows = cosines(model.config.hop_length, coefficients)
    return rows.reshape(coefficients, -1, values).transpose(1, 2)


def _halves(weight: Tensor, rows: Tensor) -> None:
    """Read from pairs of channels: ``weight`` ``[out, in, taps]``, ``rows`` one per pair."""
    pairs = rows.shape[1]
    weight.zero_()
    weight[:, 0 : 2 * pairs : 2] = rows / 2
    weight[:, 1 : 2 * pairs : 2] = -rows / 2


def _pairs(weight: Tensor, taps: Tensor, num_in: int, num_out: int) -> None:
    """Read from pairs and write to pairs: ``weight`` ``[in, out, taps]`` of a transposed layer."""
    weight[:, : 2 * num_out] = 0
    for sign_in in (0, 1):
        for sign_out in (0, 1):
            signed = taps / 2 * (1 - 2 * sign_in) * (1 - 2 * sign_out)
            weight[sign_in : 2 * num_in : 2, sign_out : 2 * num_out : 2] = signed


def _pass_through(depthwise: nn.Conv1d) -> None:
    depthwise.weight.zero_()
    depthwise.weight[:, 0, depthwise.kernel_size[0] // 2] = 1


@torch.no_grad()
def start_streams(model: SNAC, audio: Tensor, wave_streams: int, first_wave: int) -> None:
    """Fit every stream to ``audio`` ``[batch, 1, time]``: projections first, then its codebook.

    The last ``wave_streams`` streams code cosine coefficients, from number ``first_wave`` up. The
    streams before them code random directions of the other latents. Look-up is by angle, so the
    last of the projected numbers is a constant: the angle to it says how loud the others are.
    """
    stages = model.quantizer.stages
    residual = torch.cat([model.encoder(part) for part in torch.split(audio, 16)])
    channels, used = residual.shape[1], num_coefficients(model)
    others = torch.linalg.qr(torch.randn(channels - used, channels - used))[0]
    width = stages[0].in_proj.out_channels - 1
    for index, stage in enumerate(stages):
        rows = torch.zeros(width, channels)
        wave = index - (len(stages) - wave_streams)
        if wave >= 0:
            chosen = first_wave + width * wave + torch.arange(width)
            rows[torch.arange(width), chosen] = 1
        else:
            rows[:, used:] = others[width * index : width * (index + 1)]
        _fit(stage, rows, residual)
        vectors = stage.project(residual).transpose(1, 2).flatten(0, 1)
        _, codebook = spherical_kmeans(vectors, stage.codebook.num_embeddings)
        stage.codebook.weight.copy_(codebook)
        codes = stage.lookup(stage.project(residual))
        residual = residual - stage.expand(stage.entries(codes))


def _fit(stage: VectorQuantizer, rows: Tensor, residual: Tensor) -> None:
    """Centre and scale the projection inwards; the projection outwards undoes both."""
    if stage.stride > 1:
        residual = functional.avg_pool1d(residual, stage.stride, stage.stride)
    seen = torch.einsum("wc,bct->wbt", rows, residual).flatten(1)
    mean, spread = seen.mean(1), seen.std(1) + 1e-4
    # Weight normalisation cannot hold a row of zeros. Assigning goes through it, copying does not.
    width, tiny = len(rows), 1e-3
    inward, outward = (tiny * torch.randn_like(p.weight) for p in (stage.in_proj, stage.out_proj))
    inward[:width, :, 0] += rows / spread[:, None]
    outward[:, :width, 0] += rows.t() * spread
    stage.in_proj.weight, stage.out_proj.weight = inward, outward
    inward_bias, outward_bias = stage.in_proj.bias, stage.out_proj.bias
    assert inward_bias is not None
    assert outward_bias is not None
    inward_bias.copy_(torch.cat([-mean / spread, torch.ones(1)]))
    outward_bias.copy_(rows.t() @ mean)


def spherical_kmeans(vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Codes ``[n]``, centroids ``[count, dim]`` of ``vectors`` ``[n, dim]``, nearest by angle."""
    directions = functional.normalize(vectors)
    centroids = vectors[torch.randperm(len(vectors))[:count]].clone()
    codes = torch.zeros(len(vectors), dtype=torch.long)
    for _ in range(_KMEANS_ROUNDS):
        codes = (directions @ functional.normalize(centroids).t()).argmax(1)
        sizes = torch.bincount(codes, minlength=count)
        sums = torch.zeros_like(centroids).index_add_(0, codes, vectors)
        kept = sizes > 0
        centroids[kept] = sums[kept] / sizes[kept, None]
        centroids[~kept] = vectors[torch.randint(len(vectors), (int((~kept).sum()),))]
    return codes, centroids
