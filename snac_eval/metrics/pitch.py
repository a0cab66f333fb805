"""How well the melody of speech is kept: correlation and error of its fundamental frequency (F0).

Pitch is tracked by ``swift-f0`` (Nieradzik, "SwiftF0: Fast and Accurate Monophonic Pitch
Detection", arXiv 2508.18440; extra ``pitch``; its small network comes in the wheel) at 16 kHz, a
frame each 16 ms, from 50 to 600 Hz; a frame is voiced where it says so. Both sides are mixed to
mono, a delay that both waveforms show is taken out, and frames are compared as they come. One track
a side serves all three metrics.

- ``f0_correlation``: Pearson's, of F0 in Hz over frames that are voiced on both sides; 1 is best.
- ``f0_rmse``: root mean square of the difference there in Hz, as most papers report it; 0 is best.
  An octave too high or low counts in full, so that few such frames make most of it.
- ``voicing_error``: percent of all frames that are voiced on one side alone (V/UV error).

WORLD's trackers, which many papers use, are no better choice. In six clips of LibriSpeech Harvest
called 38 to 91 % of the frames voiced where Praat called 27 to 73 %, and took 25 times as long as
swift-f0; DIO missed most of the voice in two of them. swift-f0 agreed with Praat on 88 to 95 % of
the frames. Figures of different trackers are not comparable.

A reference of fewer than ten voiced frames has no melody: undefined. Where the reference has one
and fewer than ten frames are voiced on both sides, the codec lost the voice: an error.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.errors import AudioError
from snac_eval.metrics.base import SPEECH_ONLY, Memo, PairMetric, Undefined, fingerprint
from snac_eval.metrics.waveform import in_time
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

RATE = 16000
LOWEST_HZ, HIGHEST_HZ = 50.0, 600.0
VOICED = 0.5
"""Confidence from which a frame is voiced, as the package calibrates it."""
FEWEST = 10
"""Voiced frames that a melody needs: 0.16 s."""
SHORTEST_S = 0.2


@dataclass(frozen=True, slots=True)
class Tracks:
    """F0 of both sides in Hz ``[frame]``, 0 where a frame is unvoiced; of equal length."""

    reference: NDArray[np.float64]
    estimate: NDArray[np.float64]

    def voiced_in_both(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where both are voiced. Raises Undefined where the reference has no melody, AudioError
        where the estimate lost it."""
        wanted = self.reference > 0
        kept = wanted & (self.estimate > 0)
        if np.count_nonzero(wanted) < FEWEST:
            raise Undefined("the reference is hardly voiced: it has no melody")
        if np.count_nonzero(kept) < FEWEST:
            raise AudioError(
                f"the estimate lost the voice: {np.count_nonzero(kept)} of"
                f" {np.count_nonzero(wanted)} voiced frames are voiced in it"
            )
        return self.reference[kept], self.estimate[kept]


def track(signal: Signal) -> NDArray[np.float64]:
    """F0 in Hz ``[frame]`` of a ``[time]`` at 16 kHz, every 16 ms; 0 where it is unvoiced."""
    found = _detector().detect(signal, RATE, LOWEST_HZ, HIGHEST_HZ)
    return np.where(found.confidence >= VOICED, found.pitch_hz, 0.0)


@cache
def _detector() -> Any:  # noqa: ANN401 - the package's own
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)


class _PitchMetric(PairMetric):
    """Asks for both tracks once for all. Subclasses write ``_of_tracks``."""

    papers = ('Nieradzik, "SwiftF0", arXiv 2508.18440 (the tracker)',)
    traps: ClassVar[tuple[str, ...]] = ("Figures of different pitch trackers are not comparable.",)
    mixes_down = True
    aligns = True
    shortest_s = SHORTEST_S
    imports = ("swift_f0", "onnxruntime", "scipy.fft")

    def __init__(
        self, name: str, description: str, unit: str, better: bool, bounds: tuple[float, float]
    ) -> None:
        self.info = MetricInfo(
            name=name,
            description=description,
            unit=unit,
            higher_is_better=better,
            value_range=bounds,
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=fingerprint(
                name, "swift-f0", "onnxruntime", lowest=LOWEST_HZ, highest=HIGHEST_HZ,
                voiced=VOICED, fewest=FEWEST, alignment="delay", rate=RATE,
                resampler=RESAMPLER, v=1,
            ),
        )  # fmt: skip

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._compute_with(Memo(), reference, estimate, sample_rate)

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        def tracks() -> Tracks:
            sides = in_time(memo, reference, estimate, sample_rate)
            return Tracks(*map(track, sides))

        return self._of_tracks(memo.get("pitch", tracks))

    @abstractmethod
    def _of_tracks(self, tracks: Tracks) -> float:
        """Value of a pair; raises as :meth:`Tracks.voiced_in_both` does."""


class F0Correlation(_PitchMetric):
    """Pearson's correlation of F0 in Hz over frames voiced on both sides, -1..1."""

    def __init__(self) -> None:
        said = "correlation of the fundamental frequency, frames voiced on both sides"
        super().__init__("f0_correlation", said, "", True, (-1.0, 1.0))

    def _of_tracks(self, tracks: Tracks) -> float:
        one, other = tracks.voiced_in_both()
        if not np.ptp(one):
            raise Undefined("the reference's pitch does not move")
        if not np.ptp(other):
            raise AudioError("the estimate's pitch does not move, the reference's does")
        return float(np.corrcoef(one, other)[0, 1])


class F0Rmse(_PitchMetric):
    """Root mean square error of F0 in Hz over frames voiced on both sides, 0 and up."""

    traps: ClassVar[tuple[str, ...]] = (
        "An octave too high or low counts in full: few such frames make most of it.",
        "Figures of different pitch trackers are not comparable.",
    )

    def __init__(self) -> None:
        said = "error of the fundamental frequency, frames voiced on both sides"
        super().__init__("f0_rmse", said, "Hz", False, (0.0, math.inf))

    def _of_tracks(self, tracks: Tracks) -> float:
        one, other = tracks.voiced_in_both()
        return math.sqrt(float(np.square(one - other).mean()))


class VoicingError(_PitchMetric):
    """Frames voiced on one side alone, in percent of all, 0..100."""

    def __init__(self) -> None:
        said = "frames voiced on one side alone (V/UV error)"
        super().__init__("voicing_error", said, "%", False, (0.0, 100.0))

    def _of_tracks(self, tracks: Tracks) -> float:
        return 100 * float(np.mean((tracks.reference > 0) != (tracks.estimate > 0)))
