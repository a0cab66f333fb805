"""Residual vector quantisation at several time strides: the multi-scale part of SNAC.

Each quantiser averages its input over ``stride`` frames, looks the projected, L2-normalised
vector up in its codebook (factorised codes, arXiv 2110.04627), and hands what is left to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Quantized:
    """Outcome of a training pass."""

    latents: Tensor
    """Sum of what the streams stand for, ``[batch, channels, time]``; gradients pass through."""
    codes: list[Tensor]
    """One ``[batch, T_k]`` per stream, coarse to fine."""
    vectors: list[Tensor]
    """What each stream looked up, ``[batch, codebook_dim, T_k]``, without gradients."""
    commitment_loss: Tensor
    """Turns the encoder's vectors towards the entries chosen for them."""
    codebook_loss: Tensor
    """Turns the chosen entries towards the encoder's vectors."""
    spread_loss: Tensor
    """0 where each stream's vectors point in all directions alike."""


class VectorQuantizer(nn.Module):
    """One codebook of ``codebook_size`` entries, applied every ``stride`` frames."""

    def __init__(self, channels: int, codebook_size: int, codebook_dim: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.in_proj = nn.Conv1d(channels, codebook_dim, 1)
        self.out_proj = nn.Conv1d(codebook_dim, channels, 1)
        self.codebook = nn.Embedding(codebook_size, codebook_dim)

    def project(self, latents: Tensor) -> Tensor:
        """Average over the stride and project: ``[batch, codebook_dim, time / stride]``."""
        if self.stride > 1:
            latents = functional.avg_pool1d(latents, self.stride, self.stride)
        return self.in_proj(latents)  # type: ignore[no-any-return]

    def lookup(self, projected: Tensor) -> Tensor:
        """Index of the nearest entry by angle, ``[batch, time]``."""
        batch, dim, time = projected.shape
        vectors = functional.normalize(projected.transpose(1, 2).reshape(-1, dim))
        entries = functional.normalize(self.codebook.weight)
        # The full distance and not just the inner product: equal rounding keeps equal codes.
        distance = (
            vectors.pow(2).sum(1, keepdim=True)
            - 2 * vectors @ entries.t()
            + entries.pow(2).sum(1, keepdim=True).t()
        )
        return distance.neg().max(1)[1].reshape(batch, time)

    def entries(self, codes: Tensor) -> Tensor:
        """Codebook vectors ``[batch, codebook_dim, time]`` of codes ``[batch, time]``."""
        return self.codebook(codes).transpose(1, 2)  # type: ignore[no-any-return]

    def expand(self, vectors: Tensor) -> Tensor:
        """Codebook vectors to latents at the full frame rate, ``[batch, channels, time]``."""
        latents: Tensor = self.out_proj(vectors)
        return latents.repeat_interleave(self.stride, dim=-1) if self.stride > 1 else latents


class ResidualQuantizer(nn.Module):
    """Quantisers one after another, coarse to fine."""

    def __init__(
        self, channels: int, codebook_size: int, codebook_dim: int, strides: Sequence[int]
    ) -> None:
        super().__init__()
        self.quantizers = nn.ModuleList(
            VectorQuantizer(channels, codebook_size, codebook_dim, stride) for stride in strides
        )

    @property
    def stages(self) -> tuple[VectorQuantizer, ...]:
        """The quantisers, coarse to fine."""
        return cast("tuple[VectorQuantizer, ...]", tuple(self.quantizers))

    def encode(self, latents: Tensor) -> list[Tensor]:
        """Codes ``[batch, T_k]`` of latents ``[batch, channels, time]``, coarse to fine."""
        residual, codes = latents, []
        for quantizer in self.stages:
            projected = quantizer.project(residual)
            codes.append(quantizer.lookup(projected))
            # z_e + (z_q - z_e), as in training, so that rounding and thus later codes agree.
            vectors = projected + (quantizer.entries(codes[-1]) - projected)
            residual = residual - quantizer.expand(vectors)
        return codes

    def decode(self, codes: Sequence[Tensor]) -> Tensor:
        """Latents ``[batch, channels, time]`` of codes ``[batch, T_k]``, all or the first few."""
        stages = zip(self.stages[: len(codes)], codes, strict=True)
        parts = [stage.expand(stage.entries(stream)) for stage, stream in stages]
        return sum(parts[1:], start=parts[0])

    def forward(self, latents: Tensor, keep: Tensor | None = None) -> Quantized:
        """A training pass: straight-through gradients and the two codebook losses.

        ``keep`` ``[batch]`` is the number of streams that each item's latents are the sum of.
        """
        residual, total = latents, torch.zeros_like(latents)
        codes, looked_up = [], []
        commitment, codebook, spread = [], [], []
        for index, quantizer in enumerate(self.stages):
            # Lookup is by angle, so the gradient may only turn the vector: with its length free,
            # encoder and codebook drive one another to infinity.
            vectors = quantizer.project(residual)
            direction = functional.normalize(vectors, dim=1)
            indices = quantizer.lookup(direction.detach())
            entries = quantizer.entries(indices)
            nearest = functional.normalize(entries, dim=1)
            commitment.append((direction - nearest.detach()).square().sum(1).mean())
            codebook.append((nearest - direction.detach()).square().sum(1).mean())
            spread.append(_unevenness(direction))
            length = entries.norm(dim=1, keepdim=True)
            straight_through = direction + (nearest - direction).detach()
            expanded = quantizer.expand(length * straight_through)
            total = total + (expanded if keep is None else expanded * (keep > index)[:, None, None])
            residual = residual - expanded
            codes.append(indices)
            looked_up.append(vectors.detach())
        return Quantized(
            total,
            codes,
            looked_up,
            *(torch.stack(parts).sum() for parts in (commitment, codebook, spread)),
        )


def _unevenness(directions: Tensor) -> Tensor:
    """0 where unit vectors ``[batch, dim, time]`` spread evenly over the sphere, 1 where all agree.

    Squared distance of their mean from 0 and of their second moments from those of the sphere.
    """
    vectors = directions.transpose(1, 2).flatten(0, 1)
    dim = vectors.shape[1]
    moments = vectors.t() @ vectors / len(vectors) - torch.eye(dim, device=vectors.device) / dim
    return (vectors.mean(0).square().sum() + moments.square().sum()) / 2
