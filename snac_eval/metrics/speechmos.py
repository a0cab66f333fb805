"""DNSMOS and PLCMOS: opinions of speech that networks predict without a reference, as MOS of 1..5.

DNSMOS P.835 (Reddy et al., ICASSP 2022) rates the speech (``sig``), the background (``bak``) and
the whole (``ovrl``). DNSMOS P.808 (Reddy et al., ICASSP 2021) rates the whole in one test. PLCMOS
v2 (Diener et al., Interspeech 2023) rates what packet loss did. The package ``speechmos`` (extra
``dnsmos``), whose wheel holds the weights, computes them from the estimate at 16 kHz, mixed to mono
and clipped to full scale as a file would be. DNSMOS looks at 9.01 s at a time, one second apart,
and averages; it repeats a shorter clip. PLCMOS picks its raters at random: NumPy's generator is
seeded for it and then restored.

A codec's score is only meaningful beside that of the clips themselves (model ``pcm_16bit``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import (
    SPEECH_ONLY,
    Memo,
    PairMetric,
    fingerprint,
    numpy_seeded,
)
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 0.25
SEED = 0


class _SpeechMos(PairMetric):
    traps = (
        "A network's guess of an opinion: set it beside that of the clips themselves (model"
        " pcm_16bit), for natural speech gets no full marks.",
        "It sees the estimate alone: a codec that says other words in a clear voice scores"
        " high. Put word_error_rate or speaker_similarity beside it.",
    )
    shortest_s = SHORTEST_S
    mixes_down = True

    def __init__(self, name: str, description: str, version: str) -> None:
        self.info = MetricInfo(
            name=name,
            description=description,
            unit="MOS",
            higher_is_better=True,
            # Regressions without a bound, of opinions that lie between 1 and 5.
            value_range=(0.0, 6.0),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=fingerprint(
                name, "speechmos", model=version, rate=RATE, resampler=RESAMPLER, v=1
            ),
        )


class _Dnsmos(_SpeechMos):
    papers = ('Reddy, Gopal and Cutler, "DNSMOS P.835", ICASSP 2022',)
    imports = ("speechmos.dnsmos",)

    def __init__(self, key: str, what: str, version: str) -> None:
        self._key = f"{key}_mos"
        super().__init__(f"dnsmos_{key}", f"predicted opinion of {what}, no reference", version)

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        scores = memo.get("dnsmos", lambda: _dnsmos(estimate))
        return scores[self._key]

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return _dnsmos(estimate)[self._key]


class DnsmosSig(_Dnsmos):
    """DNSMOS P.835: quality of the speech itself, 1..5, higher is better."""

    def __init__(self) -> None:
        super().__init__("sig", "the speech signal (DNSMOS P.835)", "P.835")


class DnsmosBak(_Dnsmos):
    """DNSMOS P.835: how little the background intrudes, 1..5, higher is better."""

    def __init__(self) -> None:
        super().__init__("bak", "the background (DNSMOS P.835)", "P.835")


class DnsmosOvrl(_Dnsmos):
    """DNSMOS P.835: overall quality, 1..5, higher is better."""

    def __init__(self) -> None:
        super().__init__("ovrl", "overall quality (DNSMOS P.835)", "P.835")


class DnsmosP808(_Dnsmos):
    """DNSMOS P.808: overall quality, 1..5, higher is better."""

    papers = ('Reddy, Gopal and Cutler, "DNSMOS", ICASSP 2021',)

    def __init__(self) -> None:
        super().__init__("p808", "overall quality (DNSMOS P.808)", "P.808")


class Plcmos(_SpeechMos):
    """PLCMOS v2: quality as packet loss and its concealment leave it, 1..5, higher is better."""

    papers = ('Diener et al., "PLCMOS", Interspeech 2023',)
    traps = (
        "A network's guess of an opinion: set it beside that of the clips themselves (model"
        " pcm_16bit), for natural speech gets no full marks.",
        "Made to rate the concealment of lost packets, not codecs.",
    )
    imports = ("speechmos.plcmos",)

    def __init__(self) -> None:
        what = "predicted opinion of speech after packet loss (PLCMOS v2), no reference"
        super().__init__("plcmos", what, f"v2;seed={SEED}")

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        from speechmos import plcmos

        with numpy_seeded(SEED):
            return float(plcmos.run(_clipped(estimate), RATE)["plcmos"])


def _dnsmos(estimate: Signal) -> dict[str, float]:
    from speechmos import dnsmos

    scores = dnsmos.run(_clipped(estimate), RATE)
    return {key: float(value) for key, value in scores.items()}


def _clipped(estimate: Signal) -> Signal:
    """The packages refuse what overshoots full scale."""
    return np.clip(estimate, -1, 1)
