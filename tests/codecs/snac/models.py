"""Small SNACs with random weights whose codes are many and hang on every weight."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from snac_eval.codecs.snac import SNAC, SNACConfig

M = TypeVar("M", bound=nn.Module)

# Odd and even strides, several vq strides; tiles of 128 rows at least, so seconds are many tiles.
SMALL = SNACConfig(
    sampling_rate=16000,
    encoder_dim=8,
    encoder_rates=(2, 3, 4),
    decoder_dim=64,
    decoder_rates=(4, 3, 2),
    vq_strides=(4, 2, 1),
    codebook_size=64,
)
SHAPES = {
    "depthwise": SMALL,
    "dense, without noise": SNACConfig(**{**SMALL.to_dict(), "depthwise": False, "noise": False}),
    "attention": SNACConfig(
        **{**SMALL.to_dict(), "encoder_dim": 16, "decoder_dim": 128, "attn_window_size": 8}
    ),
}

_SMALL = {"encoder_dim": 48, "encoder_rates": (2, 4, 8, 8), "decoder_dim": 1024}
_LARGE = {"encoder_dim": 64, "encoder_rates": (2, 3, 8, 8), "decoder_dim": 1536}
_LARGE |= {"decoder_rates": (8, 8, 3, 2), "attn_window_size": 32, "vq_strides": (8, 4, 2, 1)}
# The published configurations.
PUBLISHED: dict[str, dict[str, Any]] = {
    "snac_24khz": {
        "sampling_rate": 24000,
        **_SMALL,
        "decoder_rates": (8, 8, 4, 2),
        "attn_window_size": None,
        "vq_strides": (4, 2, 1),
    },
    "snac_32khz": {"sampling_rate": 32000, **_LARGE},
    "snac_44khz": {"sampling_rate": 44100, **_LARGE},
}


@torch.no_grad()
def liven(model: M) -> M:
    """Snakes no two alike, to show a swapped channel; small biases, or they choose the codes."""
    for name, value in model.named_parameters():
        if name.endswith("alpha"):
            value.uniform_(0.5, 2.0)
        elif name.endswith("bias"):
            value.mul_(0.03)
    return model


def random_model(config: SNACConfig = SMALL, seed: int = 0) -> SNAC:
    """A model in evaluation mode."""
    torch.manual_seed(seed)
    return liven(SNAC(config)).eval()


def random_audio(num_samples: int, batch: int = 1) -> Tensor:
    """``[batch, 1, num_samples]``, always the same."""
    generator = torch.Generator().manual_seed(1)
    return 0.3 * torch.randn(batch, 1, num_samples, generator=generator)


def equal(some: list[Tensor], others: list[Tensor]) -> bool:
    """Whether two models' codes are the same."""
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))
