"""PESQ: ITU-T P.862.2 (wideband, 16 kHz) and P.862 (narrowband, 8 kHz), as MOS-LQO.

Computed by the package ``pesq``, without Corrigendum 2 of P.862.2: scores of tools that apply it
differ by up to 1. Stereo is mixed to mono first. The native code overruns its tables at 50 bursts
of speech and crashes at 60, so a clip longer than 30 s is scored in equal parts of at most 30 s
each, and a part with more than 35 pauses in parts of at most 15 s, which cannot hold 50 bursts;
scores are averaged over the parts that hold speech. Delay is aligned inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import SPEECH_ONLY, PairMetric, Undefined, fingerprint, parts
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

LONGEST_S = 30.0
MAX_PAUSES = 35
SHORTEST_PAUSE_S = 0.15
FRAME_S = 0.004
SPEECH_ABOVE_DB = -40.0
SHORTEST_S = 0.25


class _Pesq(PairMetric):
    mixes_down = True
    imports = ("pesq",)

    def __init__(self, mode: Literal["wb", "nb"], band: str, sample_rate: int) -> None:
        self._mode = mode
        name = f"pesq_{mode}"
        self.info = MetricInfo(
            name=name,
            description=f"predicted opinion of speech quality, {band}",
            unit="MOS",
            higher_is_better=True,
            value_range=(1.0, 4.65),
            domains=SPEECH_ONLY,
            sample_rate=sample_rate,
            fingerprint=fingerprint(
                name, "pesq", mode=mode, rate=sample_rate, part_s=LONGEST_S,
                max_pauses=MAX_PAUSES, resampler=RESAMPLER, v=1,
            ),
        )  # fmt: skip

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        if len(reference) < SHORTEST_S * sample_rate:
            raise Undefined(f"too short for PESQ, which needs {SHORTEST_S} s")
        spoken = []
        for one, other in parts(reference, estimate, sample_rate, LONGEST_S):
            longest_s = LONGEST_S if num_pauses(one, sample_rate) <= MAX_PAUSES else LONGEST_S / 2
            pairs = parts(one, other, sample_rate, longest_s)
            scores = [self._part(*pair, sample_rate) for pair in pairs]
            spoken += [score for score in scores if score is not None]
        if not spoken:
            raise Undefined("PESQ finds no speech in the reference")
        return float(np.mean(spoken))

    def _part(self, reference: Signal, estimate: Signal, sample_rate: int) -> float | None:
        import pesq

        try:
            return float(pesq.pesq(sample_rate, reference, estimate, self._mode))
        except pesq.NoUtterancesError:
            return None


class PesqWb(_Pesq):
    """Wideband PESQ (P.862.2) at 16 kHz: 1.0 to 4.64, higher is better."""

    def __init__(self) -> None:
        super().__init__("wb", "wideband PESQ (P.862.2)", 16000)


class PesqNb(_Pesq):
    """Narrowband PESQ (P.862 with P.862.1's mapping) at 8 kHz: 1.0 to 4.55, higher is better."""

    def __init__(self) -> None:
        super().__init__("nb", "narrowband PESQ (P.862)", 8000)


def num_pauses(signal: Signal, sample_rate: int) -> int:
    """Pauses of at least 0.15 s at 40 dB below the loudest 4 ms of a float ``[time]``."""
    frame = round(FRAME_S * sample_rate)
    frames = signal[: len(signal) // frame * frame].reshape(-1, frame)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(power > power.max(initial=0.0) * 10 ** (SPEECH_ABOVE_DB / 10))
    return int(np.count_nonzero(np.diff(loud) > SHORTEST_PAUSE_S / FRAME_S))
