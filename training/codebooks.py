"""Keeps all entries of the codebooks in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from snac_eval.codecs.snac.quantize import Quantized, VectorQuantizer


@dataclass
class CodebookReviver:
    """Moves codebook entries that no token chose to where the encoder's vectors are.

    Each stream is judged once it has seen ``tokens_per_entry`` times as many tokens as entries.
    """

    stages: Sequence[VectorQuantizer]
    """One per stream, coarse to fine."""
    tokens_per_entry: float
    """At least 2."""
    counts: list[Tensor] = field(default_factory=list)
    """How often each entry was chosen since the stream was last judged, ``[entries]`` each."""
    pools: list[Tensor] = field(default_factory=list)
    """The latest vectors that each stream looked up, ``[2 * entries, codebook_dim]`` each.

    They have come round by the time that a stream is judged.
    """

    def __post_init__(self) -> None:
        entries = [stage.codebook.weight.detach() for stage in self.stages]
        self.counts = [torch.zeros_like(one[:, 0]) for one in entries]
        self.pools = [one.repeat(2, 1) for one in entries]

    def observe(self, quantized: Quantized) -> None:
        """Remember the vectors and count the codes of this batch."""
        for index, (codes, vectors) in enumerate(
            zip(quantized.codes, quantized.vectors, strict=True)
        ):
            recent = torch.cat([vectors.transpose(1, 2).flatten(0, 1), self.pools[index]])
            self.pools[index].copy_(recent[: len(self.pools[index])])
            chosen = codes.flatten()
            self.counts[index].scatter_add_(0, chosen, torch.ones_like(chosen, dtype=torch.float32))

    @torch.no_grad()
    def revive(self, optimiser: torch.optim.Optimizer) -> None:
        """Move the unused entries of every stream that is to be judged."""
        for index, counts in enumerate(self.counts):
            is_due = counts.sum() >= self.tokens_per_entry * len(counts)
            self._place(index, ((counts == 0) & is_due)[:, None], optimiser)
            counts.mul_(~is_due)

    def _place(self, index: int, which: Tensor, optimiser: torch.optim.Optimizer) -> None:
        # All entries are drawn anew and few of them used, so that a GPU need not say how many.
        pool, weight = self.pools[index], self.stages[index].codebook.weight
        # Look-up minds angles only, so lengths of vectors and of entries drift apart.
        length = weight.norm(dim=1).mean() / pool.norm(dim=1).mean()
        chosen = pool[torch.randint(len(pool), (len(weight),), device=pool.device)]
        jitter = 0.02 * chosen.norm(dim=1, keepdim=True) * torch.randn_like(chosen)
        weight.copy_(torch.where(which, length * (chosen + jitter), weight))
        for name in ("exp_avg", "exp_avg_sq"):
            if name in optimiser.state[weight]:
                optimiser.state[weight][name].masked_fill_(which, 0)
