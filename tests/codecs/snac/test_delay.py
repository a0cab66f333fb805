"""SNAC comes out when it went in: what a frame hears and what it says have one centre."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from snac_eval.codecs.snac import SNAC
from snac_eval.codecs.snac.config import SNACConfig
from snac_eval.codecs.snac.layers import FreshNoise

HOP, FRAMES, FRAME = 10, 300, 150


def _tiny(seed: int) -> SNAC:
    """An even stride and an odd one, with few channels."""
    torch.manual_seed(seed)
    config = SNACConfig(
        sampling_rate=16000,
        encoder_dim=2,
        encoder_rates=(2, 5),
        decoder_dim=8,
        decoder_rates=(5, 2),
        vq_strides=(1,),
        codebook_size=4,
        codebook_dim=2,
        noise=False,
    )
    return SNAC(config).double().eval()


def _heard(model: SNAC) -> tuple[int, int]:
    """First and last sample that a frame depends on."""
    audio = torch.randn(1, 1, HOP * FRAMES, dtype=torch.float64, requires_grad=True)
    model.encoder(audio)[0, :, FRAME].sum().backward()
    assert audio.grad is not None
    where = torch.nonzero(audio.grad[0, 0])
    return int(where.min()), int(where.max())


def _said(model: SNAC) -> tuple[int, int]:
    """First and last sample that depends on a frame."""
    size = model.encoder(torch.zeros(1, 1, HOP * FRAMES, dtype=torch.float64)).shape[1]
    latents = torch.randn(1, size, FRAMES, dtype=torch.float64, requires_grad=True)
    audio = model.decoder(latents, FreshNoise())[0, 0]

    def depends(part: Tensor) -> bool:
        (slope,) = torch.autograd.grad(part.sum(), latents, retain_graph=True)
        return bool(slope[0, :, FRAME].any())

    first, last = 0, HOP * FRAMES - 1
    for step in (2**power for power in reversed(range(12))):
        if first + step <= last and not depends(audio[: first + step]):
            first += step
    for step in (2**power for power in reversed(range(12))):
        if last - step >= first and not depends(audio[last - step + 1 :]):
            last -= step
    return first, last


def test_a_frame_says_where_it_heard() -> None:
    model = _tiny(0)
    assert sum(_said(model)) / 2 == pytest.approx(sum(_heard(model)) / 2, abs=0.05)
