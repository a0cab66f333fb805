"""SNAC in float32, bfloat16 and float16: real-time factor by batch size, and which codes stay.

    python -m benchmarks.snac_precision [--device cuda] [--batches 1,4,16,64] [--model NAME]

Layers work on whole batches, as a run on a GPU does. Without ``--model`` the 24 kHz configuration
with random weights, and beside it PyPI's ``snac`` in float32; with it a model by name, whose codes
of real weights say more. The clips are speech-like, 5 s each.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.snac_speed import models
from snac_eval.audio import speech_like
from snac_eval.codecs.snac.layers import SeededNoise
from snac_eval.codecs.snac.model import SNAC
from snac_eval.machine import resolve_device

_SECONDS, _ROUNDS = 5.0, 5
_PRECISIONS = (torch.float32, torch.bfloat16, torch.float16)


def clips(model: SNAC, count: int) -> torch.Tensor:
    """``[count, 1, time]``, no two alike."""
    rate = model.config.sampling_rate
    each = [speech_like(round(_SECONDS * rate), rate, 1, seed).samples for seed in range(count)]
    return model.pad(torch.from_numpy(np.stack(each)))


def median_s(run: Callable[[], object], device: str) -> float:
    """Median seconds of a few calls after one to warm up, the device waited for."""
    seconds = []
    for _ in range(1 + _ROUNDS):
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def round_trip(model: SNAC, audio: torch.Tensor) -> torch.Tensor:
    """Encode and decode by whole layers."""
    return model.decode_whole(model.encode_whole(audio), SeededNoise(range(len(audio))))


def agreement(model: SNAC, audio: torch.Tensor, expected: list[torch.Tensor]) -> str:
    """Share of each stream's tokens that are float32's."""
    streams = zip(model.encode_whole(audio), expected, strict=True)
    return ", ".join(f"{float((one == other).double().mean()):.2%}" for one, other in streams)


@torch.inference_mode()
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batches", default="1,4,16,64")
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    device = resolve_device(options.device)
    model, reference = models()
    if options.model:
        model = SNAC.from_pretrained(options.model)
    model, reference = model.to(device), reference.to(device)
    place = torch.cuda.get_device_name() if device == "cuda" else device
    print(f"{place}, torch {torch.__version__}, {options.model or '24 kHz, random weights'}")
    for count in map(int, options.batches.split(",")):
        audio = clips(model, count).to(device)
        expected = model.encode_whole(audio)
        for precision in _PRECISIONS:
            other = copy.deepcopy(model).to(precision)
            narrow = audio.to(precision)
            seconds = median_s(lambda m=other, a=narrow: round_trip(m, a), device)  # type: ignore[misc]
            print(
                f"batch {count}, {str(precision).removeprefix('torch.')}: real-time factor"
                f" {seconds / count / _SECONDS:.5f}, tokens as in float32"
                f" {agreement(other, narrow, expected)}",
                flush=True,
            )
        if not options.model:
            seconds = median_s(lambda a=audio: reference.decode(reference.encode(a)), device)  # type: ignore[misc]
            print(f"batch {count}, PyPI snac: real-time factor {seconds / count / _SECONDS:.5f}")


if __name__ == "__main__":
    main()
