"""How many operations a codec computes, as torch counts them."""

from __future__ import annotations

import math

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.types import Waveform


def multiply_adds_per_s(opened: OpenCodec, frames: Waveform) -> float:
    """Multiply-adds of matrix products and convolutions per second of audio, encode plus decode,
    over ``frames``, which are whole frames of the codec; NaN for what is no torch model."""
    operations = operations_of(opened, frames)
    return operations / 2 / frames.duration_s if operations else math.nan


def operations_of(opened: OpenCodec, frames: Waveform) -> float:
    """Multiplications and additions of encoding and decoding ``frames``; NaN as above."""
    if opened.away is not None and opened.whole_pass is not None:
        opened.away.counted()
        opened.whole_pass(frames)
        return opened.away.counted()
    if opened.coder is None or not opened.torch_modules():
        return math.nan
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        if opened.whole_pass is not None:
            opened.whole_pass(frames)
        else:
            opened.coder.decode(opened.coder.encode([frames]), [0])
    return float(counter.get_total_flops())
