"""How long coding took, as a real-time factor: compute time over audio time, lower is better.

A run measures these in passing, on one thread where the codec computes on a CPU, while the other
cores code and score other clips; ``snac-eval bench`` measures alone and is the protocol for speeds
that are to be published.
"""

from __future__ import annotations

import math

from snac_eval.metrics.base import ALL_DOMAINS, fingerprint
from snac_eval.types import CodecCard, Codes, MetricInfo, Score, Timing


def _info(step: str) -> MetricInfo:
    name = f"{step}_real_time_factor"
    return MetricInfo(
        name=name,
        description=f"seconds of {step} per second of audio, while other clips are in work",
        unit="s/s",
        higher_is_better=False,
        value_range=(0.0, math.inf),
        domains=ALL_DOMAINS,
        sample_rate=None,
        fingerprint=fingerprint(name, v=1),
        kind="codes",
        speed="run",
    )


def _factor(seconds: float, duration_s: float) -> Score:
    if math.isnan(seconds):
        return Score.undefined("this step was not timed")
    if duration_s <= 0:
        return Score.undefined("the clip is empty")
    return Score.ok(seconds / duration_s)


class EncodeRealTimeFactor:
    """Seconds that encoding took per second of audio."""

    traps = (
        "Measured in passing, while other cores work: an upper bound. snac-eval bench"
        " measures alone.",
    )

    def __init__(self) -> None:
        self.info = _info("encode")

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        """Undefined where encoding was not timed."""
        return _factor(timing.encode_s, duration_s)


class DecodeRealTimeFactor:
    """Seconds that decoding took per second of audio."""

    traps = (
        "Measured in passing, while other cores work: an upper bound. snac-eval bench"
        " measures alone.",
    )

    def __init__(self) -> None:
        self.info = _info("decode")

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        """Undefined where decoding was not timed."""
        return _factor(timing.decode_s, duration_s)


class _BenchMetric:
    """What ``snac-eval bench`` measures. It has a name here so that tables, comparisons and gates
    know its unit and direction; a run has no value for it."""

    traps = ("A figure of one machine: compare what was measured on the same one.",)

    def __init__(self, name: str, description: str, unit: str) -> None:
        self.info = MetricInfo(
            name=name,
            description=description,
            unit=unit,
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=ALL_DOMAINS,
            sample_rate=None,
            fingerprint=fingerprint(name, v=1),
            kind="codes",
            speed="bench",
        )

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        """Undefined: nothing is known of what else the machine did during a run."""
        return Score.undefined("measured by snac-eval bench, not by run")


class BenchEncodeRealTimeFactor(_BenchMetric):
    """Seconds of encoding per second of audio, measured alone on the machine."""

    def __init__(self) -> None:
        super().__init__(
            "bench_encode_real_time_factor", "seconds of encode per second of audio, alone", "s/s"
        )


class BenchDecodeRealTimeFactor(_BenchMetric):
    """Seconds of decoding per second of audio, measured alone on the machine."""

    def __init__(self) -> None:
        super().__init__(
            "bench_decode_real_time_factor", "seconds of decode per second of audio, alone", "s/s"
        )


class BenchFirstChunkLatency(_BenchMetric):
    """Milliseconds of computing from the shortest clip's audio to its decoded audio; neither the
    wait for that audio nor what a stream must look ahead is in it."""

    def __init__(self) -> None:
        super().__init__(
            "bench_first_chunk_latency",
            "computing to encode and decode the shortest clip; waiting for its audio not included",
            "ms",
        )


class BenchPeakMemory(_BenchMetric):
    """Largest resident memory of a fresh process that codes, in MiB; on a GPU, of the GPU."""

    def __init__(self) -> None:
        super().__init__("bench_peak_memory", "largest memory while coding", "MiB")
