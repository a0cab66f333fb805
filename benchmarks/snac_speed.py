"""SNAC here against PyPI's ``snac``: 10 s at the 24 kHz configuration, encode and decode.

    python -m benchmarks.snac_speed [--pairs 5] [--threads 1] [--seconds 10] [--compile]

Random weights, the same for both; pairs alternate, so that a busy machine slows both alike. Prints
the ratio of times, whether every code is equal, and how far the audio is apart without noise. With
``--compile`` ours goes through torch.compile, which one round before the pairs pays for.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import snac
import torch

from snac_eval.codecs.snac import SNACConfig
from snac_eval.codecs.snac.checkpoint import fold_weight_norm
from snac_eval.codecs.snac.layers import GivenNoise
from snac_eval.codecs.snac.model import SNAC

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


def models(compiled: bool = False) -> tuple[SNAC, torch.nn.Module]:
    """Ours and the reference with the same weights."""
    torch.manual_seed(0)
    theirs = snac.SNAC(**_SHAPE, **_RATES).eval()
    ours = SNAC(SNACConfig.from_dict({**_SHAPE, **_RATES})).eval()
    ours.load_state_dict(fold_weight_norm(theirs.state_dict()))
    if compiled:
        ours.compile_streams()
    return ours, theirs


def timed(run: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def pairs(
    ours: SNAC, theirs: torch.nn.Module, audio: torch.Tensor, count: int
) -> Iterator[tuple[float, float, bool]]:
    """Seconds of ours and theirs, and whether the codes are equal, ``count`` times."""
    for _ in range(count):
        mine = timed(lambda: ours.decode(ours.encode(audio)))
        other = timed(lambda: theirs.decode(theirs.encode(audio)))
        codes = zip(ours.encode(audio), theirs.encode(audio), strict=True)
        yield mine, other, all(torch.equal(one, two) for one, two in codes)


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
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    audio = 0.1 * torch.randn(1, 1, round(24000 * options.seconds))
    ours, theirs = models(options.compile)
    warm_up = timed(lambda: theirs.decode(theirs.encode(audio)))
    print(f"first round: ours {timed(lambda: ours.decode(ours.encode(audio))):.1f} s", end=", ")
    print(f"snac {warm_up:.1f} s")
    ratios = []
    for mine, other, equal in pairs(ours, theirs, audio, options.pairs):
        ratios.append(other / mine)
        print(
            f"ours {mine:.2f} s, snac {other:.2f} s, ratio {other / mine:.2f}, codes equal: {equal}"
        )
    ratios.sort()
    middle = ratios[len(ratios) // 2]
    print(f"ratio min {ratios[0]:.2f}, median {middle:.2f}, max {ratios[-1]:.2f}", end="; ")
    print(f"audio within {apart(ours, theirs, audio):.1e}")


if __name__ == "__main__":
    main()
