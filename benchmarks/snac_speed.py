"""SNAC here against PyPI's ``snac``: 10 s at the 24 kHz configuration, encode and decode.

    python -m benchmarks.snac_speed [--pairs 5] [--threads 1] [--seconds 10] [--fallback]

Random weights, the same for both; pairs alternate, so that a busy machine slows both alike. Prints
the ratio of times, and of CPU times, which other programs disturb less; whether every code is
equal; and how far the audio is apart without noise. With
``--fallback`` ours does without its own kernels and oneDNN, as where there is no llvmlite.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from statistics import median
from unittest.mock import patch

import snac
import torch

from snac_eval.codecs.snac import SNACConfig, products, tiles
from snac_eval.codecs.snac.checkpoint import fold_weight_norm
from snac_eval.codecs.snac.layers import GivenNoise
from snac_eval.codecs.snac.model import SNAC

Times = tuple[float, float]
"""Seconds, and seconds of this process's CPU time."""

_SHAPE = {
    "sampling_rate": 24000,
    "encoder_dim": 48,
    "decoder_dim": 1024,
    "attn_window_size": None,
    "codebook_size": 4096,
    "codebook_dim": 8,
    "noise": True,
    "depthwise": True,
}
_RATES = {
    "encoder_rates": [2, 4, 8, 8],
    "decoder_rates": [8, 8, 4, 2],
    "vq_strides": [4, 2, 1],
}


def models() -> tuple[SNAC, torch.nn.Module]:
    """Ours and the reference with the same weights."""
    torch.manual_seed(0)
    theirs = snac.SNAC(**_SHAPE, **_RATES).eval()
    ours = SNAC(SNACConfig.from_dict({**_SHAPE, **_RATES})).eval()
    ours.load_state_dict(fold_weight_norm(theirs.state_dict()))
    return ours, theirs


def round_trip(
    model: SNAC | torch.nn.Module, audio: torch.Tensor
) -> tuple[Times, list[torch.Tensor]]:
    """How long encoding and decoding take, and the codes."""
    start, cpu_start = time.perf_counter(), time.process_time()
    codes = model.encode(audio)
    model.decode(codes)
    return (time.perf_counter() - start, time.process_time() - cpu_start), codes


def pairs(
    ours: SNAC, theirs: torch.nn.Module, audio: torch.Tensor, count: int
) -> Iterator[tuple[Times, Times, bool]]:
    """Times of ours and theirs, and whether the codes are equal, ``count`` times."""
    for _ in range(count):
        mine, codes = round_trip(ours, audio)
        other, expected = round_trip(theirs, audio)
        yield mine, other, all(map(torch.equal, codes, expected))


def apart(ours: SNAC, theirs: torch.nn.Module, audio: torch.Tensor) -> float:
    """Largest difference of the decoded samples, both without noise."""
    lengths = torch.tensor(_RATES["decoder_rates"]).cumprod(0).tolist()
    codes = ours.encode(audio)
    silent = [torch.zeros(1, 1, codes[-1].shape[-1] * length) for length in lengths]
    for module in theirs.modules():
        if type(module).__name__ == "NoiseBlock":
            module.forward = lambda x: x
    mine = ours.decode(codes, noise=GivenNoise(silent))
    return float((mine - theirs.decode(codes)).abs().max())


@torch.inference_mode()
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--fallback", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    if options.fallback:
        patch.object(tiles, "kernels", return_value=None).start()
        patch.object(products, "onednn", return_value=None).start()
    audio = 0.1 * torch.randn(1, 1, round(24000 * options.seconds))
    ours, theirs = models()
    (first, _), (their_first, _) = round_trip(ours, audio), round_trip(theirs, audio)
    print(f"first round: ours {first[0]:.1f} s, snac {their_first[0]:.1f} s", flush=True)
    ratios, cpu_ratios = [], []
    for mine, other, equal in pairs(ours, theirs, audio, options.pairs):
        ratios.append(other[0] / mine[0])
        cpu_ratios.append(other[1] / mine[1])
        print(
            f"ours {mine[0]:.2f} s (CPU {mine[1]:.2f}), snac {other[0]:.2f} s (CPU {other[1]:.2f}),"
            f" ratio {ratios[-1]:.2f} (CPU {cpu_ratios[-1]:.2f}), codes equal: {equal}",
            flush=True,
        )
    for name, found in (("ratio", ratios), ("of CPU times", cpu_ratios)):
        print(f"{name} min {min(found):.2f}, median {median(found):.2f}, max {max(found):.2f}")
    print(f"audio within {apart(ours, theirs, audio):.1e}")


if __name__ == "__main__":
    main()
