"""How long coding took, as a real-time factor: compute time over audio time, lower is better.

A run measures these in passing, beside whatever else the machine does; ``snac-eval bench`` is the
protocol for speeds that are to be published.
"""

from __future__ import annotations

import math

from snac_eval.metrics.base import ALL_DOMAINS, fingerprint
from snac_eval.types import CodecCard, Codes, MetricInfo, Score, Timing


def _info(step: str) -> MetricInfo:
    name = f"{step}_real_time_factor"
    return MetricInfo(
        name=name,
        description=f"seconds of {step} per second of audio, on this machine",
        unit="s/s",
        higher_is_better=False,
        value_range=(0.0, math.inf),
        domains=ALL_DOMAINS,
        sample_rate=None,
        fingerprint=fingerprint(name, v=1),
    )


def _factor(seconds: float, duration_s: float) -> Score:
    if math.isnan(seconds):
        return Score.undefined("this step was not timed")
    if duration_s <= 0:
        return Score.undefined("the clip is empty")
    return Score.ok(seconds / duration_s)


class EncodeRealTimeFactor:
    """Seconds that encoding took per second of audio."""

    def __init__(self) -> None:
        self.info = _info("encode")

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        """Undefined where encoding was not timed."""
        return _factor(timing.encode_s, duration_s)


class DecodeRealTimeFactor:
    """Seconds that decoding took per second of audio."""

    def __init__(self) -> None:
        self.info = _info("decode")

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        """Undefined where decoding was not timed."""
        return _factor(timing.decode_s, duration_s)
