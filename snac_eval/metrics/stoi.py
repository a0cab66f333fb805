"""STOI and ESTOI: predicted intelligibility of speech, as correlations of -1..1.

Taal et al., "An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy Speech"
(2011); Jensen and Taal (2016) for the extended measure. The values are those of ``pystoi`` to the
bit: both measures are computed from one set of spectra by its own resampler and constants, or,
beside a version that this was not held against, by the package itself. Stereo is mixed to mono and
resampled to 16 kHz first, and from there to 10 kHz. A score needs 30 frames (0.4 s) that are not
silent. ESTOI adds a little noise, the same for every clip.

The floors: another talker, the clip backwards, noise and hum reach a 95th percentile of 0.22 to
0.56 by STOI and 0.09 by ESTOI; the least intelligible of intact codecs, Codec 2 at 700 bit/s, has a
5th percentile of 0.71 and 0.54 (LibriSpeech). Below 0.6 and 0.3 a clip's words are lost.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from snac_eval.audio import RESAMPLER
from snac_eval.metrics import _stoi
from snac_eval.metrics.base import (
    SPEECH_ONLY,
    Memo,
    PairMetric,
    Undefined,
    fingerprint,
    numpy_seeded,
)
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

SHORTEST_S = 0.4
SEED = 0
_TOO_SHORT = f"fewer than 30 frames ({SHORTEST_S} s) of speech"


class _Stoi(PairMetric):
    papers = (
        "Taal, Hendriks, Heusdens and Jensen, IEEE Trans. Audio, Speech and Language"
        " Processing 19(7), 2011",
    )
    traps = (
        "Above about 0.9 speech is understood and the rest hardly shows: it tells bad codecs"
        " apart, not good ones.",
        "It looks below 5 kHz only: what a codec leaves out above costs nothing.",
    )
    shortest_s = SHORTEST_S
    mixes_down = True
    imports = ("pystoi",)

    def __init__(self, name: str, description: str, extended: bool, floor: float) -> None:
        self._extended = extended
        self.info = MetricInfo(
            name=name,
            description=description,
            unit="",
            higher_is_better=True,
            value_range=(-1.0, 1.0),
            domains=SPEECH_ONLY,
            floor=floor,
            sample_rate=16000,
            fingerprint=fingerprint(
                name, "pystoi", extended=extended, seed=SEED, rate=16000, resampler=RESAMPLER, v=1
            ),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._compute_with(Memo(), reference, estimate, sample_rate)

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        if _stoi.agrees():
            bands = memo.get(
                "third_octaves", lambda: _stoi.third_octaves(reference, estimate, sample_rate)
            )
            if bands is None:
                raise Undefined(_TOO_SHORT)
            value = _stoi.estoi(bands, SEED) if self._extended else _stoi.stoi(bands)
        else:
            value = self._by_the_package(reference, estimate, sample_rate)
        # Identical signals overshoot 1 by rounding.
        return min(value, 1.0)

    def _by_the_package(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        from pystoi import stoi

        with warnings.catch_warnings(), numpy_seeded(SEED):
            # pystoi answers 1e-5 with this warning where it has no score.
            warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
            try:
                return float(stoi(reference, estimate, sample_rate, extended=self._extended))
            except RuntimeWarning as warning:
                raise Undefined(_TOO_SHORT) from warning


class Stoi(_Stoi):
    """Short-time objective intelligibility, -1..1, higher is better."""

    def __init__(self) -> None:
        what = "short-time objective intelligibility of speech"
        super().__init__("stoi", what, extended=False, floor=0.6)


class Estoi(_Stoi):
    """Extended STOI, -1..1, higher is better; sees modulated distortion that STOI does not."""

    papers = (
        "Jensen and Taal, IEEE/ACM Trans. Audio, Speech and Language Processing 24(11), 2016",
    )

    def __init__(self) -> None:
        what = "extended short-time objective intelligibility"
        super().__init__("estoi", what, extended=True, floor=0.3)
