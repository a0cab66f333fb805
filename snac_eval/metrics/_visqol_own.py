"""The steps of ViSQOL that take time, in a fraction of it and with the same values to the bit.

A column of a spectrum depends on its own frame alone. The fine alignment filters every patch anew
all the same; ours takes the columns of the whole where a patch lies on its frames, which most do.
The package looks for voice sample by sample in Python; ours does in whole arrays.

They are held against ``visqol-python`` of one version. Beside another, or without numba, the
package's own steps are taken: a fingerprint names the version, and the values shall be its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.metrics._lag import best_lag
from snac_eval.metrics._visqol_steps import Steps
from snac_eval.metrics.base import installed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from visqol.audio_utils import AudioSignal
    from visqol.nsim import PatchSimilarityResult
    from visqol.visqol_manager import VisqolManager

    Matrix = NDArray[np.float64]
    Samples = NDArray[np.float64]

CHECKED = "3.8.0"
# What the package's search starts from: less than any sum of similarities.
_LEAST = -1e308


def agrees() -> bool:
    """Whether the installed package is the one whose values these steps give."""
    from visqol.numba_accel import has_numba

    return installed("visqol-python") == CHECKED and has_numba()


class OwnSteps(Steps):
    """Steps of one pair, which keeps the spectra of the whole for its patches."""

    def __init__(self, manager: VisqolManager, sample_rate: int) -> None:
        from visqol.gammatone import SPEECH_MODE_MAX_FREQ
        from visqol.patch_creator import VadPatchCreator

        from snac_eval.metrics._gammatone import filter_bank

        super().__init__(manager, sample_rate)
        bands = self._builder.filter_bank
        highest_hz = SPEECH_MODE_MAX_FREQ if self._builder.speech_mode else sample_rate / 2
        self._num_bands = bands.num_bands
        self._bank = filter_bank(sample_rate, bands.num_bands, bands.min_freq, highest_hz)
        self._whole: tuple[Matrix, ...] = ()
        if type(self._creator) is VadPatchCreator:
            self._creator = quick_voice_detection()(self._creator.patch_size)

    def aligned(self, reference: AudioSignal, estimate: AudioSignal) -> tuple[AudioSignal, float]:
        """See :meth:`Steps.aligned`."""
        from visqol.audio_utils import AudioSignal

        lag = _limited_lag(reference.data, estimate.data)
        rate = estimate.sample_rate
        return AudioSignal(_moved(estimate.data, lag), rate), lag / float(rate)

    def spectra(self, reference: AudioSignal, estimate: AudioSignal) -> tuple[Matrix, Matrix]:
        """See :meth:`Steps.spectra`."""
        if min(len(reference), len(estimate)) <= self._window.size:
            return super().spectra(reference, estimate)
        self._whole = tuple(self._filtered(side.data) for side in (reference, estimate))
        return _in_db(*self._whole)

    def matched(
        self, reference: Matrix, patches: list[int], estimate: Matrix, shift: int
    ) -> list[PatchSimilarityResult]:
        """See :meth:`Steps.matched`."""
        from visqol.nsim import measure_patch_similarity

        from snac_eval.metrics._nsim import similarities

        # One memory layout, so that the kernel is compiled once.
        estimate = np.ascontiguousarray(estimate)
        size, frames = self.patch_size, estimate.shape[1]
        begins = np.array(patches) - shift
        if begins[-1] - size // 2 > frames:
            return super().matched(reference, patches, estimate, shift)
        reach = self._search_window * size
        first, last = np.maximum(0, begins - reach), np.minimum(frames - 1, begins + reach)
        like = similarities(reference, np.array(patches), size, estimate, first, last)
        padded = np.pad(estimate, ((0, 0), (0, size)))
        found = []
        for patch, begin, (frame, is_lost) in zip(
            patches, begins, _best_path(like, first, last), strict=True
        ):
            one = measure_patch_similarity(
                reference[:, patch : patch + size], padded[:, frame : frame + size]
            )
            one.ref_patch_start_time = begin * self.frame_s
            one.ref_patch_end_time = one.ref_patch_start_time + self.frame_s * size
            if is_lost:
                one.similarity, one.freq_band_means = 0.0, np.zeros(self._num_bands)
            else:
                one.deg_patch_start_time = frame * self.frame_s
                one.deg_patch_end_time = one.deg_patch_start_time + self.frame_s * size
            found.append(one)
        return found

    def refined(
        self, matched: list[PatchSimilarityResult], reference: AudioSignal, estimate: AudioSignal
    ) -> list[PatchSimilarityResult]:
        """See :meth:`Steps.refined`."""
        return [self._refined(one, reference, estimate) for one in matched]

    def _refined(
        self, matched: PatchSimilarityResult, reference: AudioSignal, estimate: AudioSignal
    ) -> PatchSimilarityResult:
        from visqol.nsim import measure_patch_similarity

        if matched.deg_patch_start_time == matched.deg_patch_end_time == 0.0:
            return matched
        times = (
            (reference, matched.ref_patch_start_time, matched.ref_patch_end_time),
            (estimate, matched.deg_patch_start_time, matched.deg_patch_end_time),
        )
        own, other = (_cut(*one) for one in times)
        if min(own.samples.size, other.samples.size) < 2:
            return matched
        lag = _limited_lag(own.samples, other.samples)
        own, other = _overlap(own, other, lag, self._sample_rate)
        if own.samples.size <= self._window.size:
            return matched
        sides = self._columns(self._whole[0], own), self._columns(self._whole[1], other)
        found = measure_patch_similarity(*_in_db(*sides))
        if found.similarity < matched.similarity:
            return matched
        lag_s, length_s = lag / float(self._sample_rate), own.samples.size / self._sample_rate
        found.ref_patch_start_time = matched.ref_patch_start_time + max(lag_s, 0.0)
        found.deg_patch_start_time = matched.deg_patch_start_time - min(lag_s, 0.0)
        found.ref_patch_end_time = found.ref_patch_start_time + length_s
        found.deg_patch_end_time = found.deg_patch_start_time + length_s
        return found

    def _columns(self, whole: Matrix, cut: _Cut) -> Matrix:
        """The part's own spectrum."""
        frame, off = divmod(cut.start, self._window.hop_size) if cut.start is not None else (0, 1)
        if off:
            return self._filtered(cut.samples)
        return whole[:, frame : frame + self._num_frames(cut.samples)]

    def _num_frames(self, samples: Samples) -> int:
        return 1 + (len(samples) - self._window.size) // self._window.hop_size

    def _filtered(self, samples: Samples) -> Matrix:
        from snac_eval.metrics._gammatone import levels

        starts = np.arange(self._num_frames(samples)) * self._window.hop_size
        window = self._window.hann_window
        found: Matrix = levels(
            np.ascontiguousarray(samples), starts, window, self._bank, self._num_bands
        )
        return found


@dataclass(frozen=True, slots=True)
class _Cut:
    """A part of a signal, and its first sample there; None where not all of it is the signal's."""

    samples: Samples
    start: int | None


def _cut(signal: AudioSignal, start_s: float, end_s: float) -> _Cut:
    from visqol.patch_selector import slice_signal

    is_inside = start_s >= 0 and end_s * signal.sample_rate - len(signal) < 1
    return _Cut(
        slice_signal(signal, start_s, end_s).data,
        int(start_s * signal.sample_rate) if is_inside else None,
    )


def _limited_lag(reference: Samples, estimate: Samples) -> int:
    lag = best_lag(reference, estimate)
    return 0 if abs(lag) > len(reference) / 2.0 else lag


def _moved(samples: Samples, lag: int) -> Samples:
    return np.pad(samples, (lag, 0)) if lag > 0 else samples[-lag:]


def _overlap(reference: _Cut, estimate: _Cut, lag: int, sample_rate: int) -> tuple[_Cut, _Cut]:
    """Both parts with the lag taken out, of one length."""
    moved = _moved(estimate.samples, lag)
    # The package goes through seconds, and loses a sample to rounding at some rates.
    skipped = int(lag / float(sample_rate) * sample_rate)
    skipped = skipped if skipped > 0 and len(reference.samples) < len(moved) else 0
    own, other = reference.samples[skipped:], moved[skipped:]
    length = min(len(own), len(other))
    own_start = other_start = None
    if reference.start is not None:
        own_start = reference.start + skipped
    if estimate.start is not None and skipped >= lag:
        other_start = estimate.start + skipped - lag
    return _Cut(own[:length], own_start), _Cut(other[:length], other_start)


def _in_db(reference: Matrix, estimate: Matrix) -> tuple[Matrix, Matrix]:
    """Both above the floor that they share."""
    from visqol.gammatone import Spectrogram, prepare_spectrograms_for_comparison

    first, second = prepare_spectrograms_for_comparison(
        Spectrogram(reference), Spectrogram(estimate)
    )
    return first, second


def _best_path(
    like: Matrix, first: NDArray[np.int64], last: NDArray[np.int64]
) -> list[tuple[int, bool]]:
    """The frame that each patch is matched with, and whether the estimate has lost the patch.

    Of all ways to give every patch a frame after that of the patch before, or none, the one with
    the largest sum of ``like [patch, frame]``, frames from ``first`` to ``last`` of the patch; of
    equal ones the frame furthest to the right.
    """
    total = np.zeros_like(like)
    before = np.full(like.shape, -1)
    for patch, (low, high) in enumerate(zip(first, last, strict=True)):
        frames = np.arange(low, high + 1)
        score = like[patch, low : high + 1]
        if patch:
            previous, lowest = total[patch - 1], first[patch - 1]
            earlier = previous[lowest:high]
            best = np.maximum.accumulate(earlier)
            where = np.where(earlier == best, np.arange(lowest, high), -1)
            where = np.maximum.accumulate(where)
            score = score + np.concatenate(([_LEAST], best))[low - lowest :]
            stays = previous[frames] > score
            before[patch, frames] = np.where(
                stays, frames, np.concatenate(([-1], where))[low - lowest :]
            )
            score = np.where(stays, previous[frames], score)
        total[patch, frames] = score
    frame = first[-1] + int(np.argmax(total[-1, first[-1] : last[-1] + 1]))
    path = []
    for came_from in before[::-1]:
        path.append((int(frame), bool(came_from[frame] == frame)))
        frame = came_from[frame]
    return path[::-1]


@lru_cache(maxsize=1)
def quick_voice_detection() -> Any:  # noqa: ANN401 - a class of the package's, imported late
    """The package's choice of patches in speech, which here looks for voice in whole arrays."""
    from visqol.patch_creator import RmsVad, VadPatchCreator

    class QuickVadPatchCreator(VadPatchCreator):
        def _get_voice_activity(
            self, signal: AudioSignal, start_sample: int, total_samples: int, frame_len: int
        ) -> list[float]:
            samples = signal.data[start_sample : start_sample + total_samples]
            frames = samples[: len(samples) // frame_len * frame_len].reshape(-1, frame_len)
            integers = np.trunc(np.clip(frames * 2.0**15, -(2.0**15), 2.0**15 - 1))
            loudness = np.sqrt(np.square(integers).mean(axis=1))
            detector = RmsVad()
            detector.each_chunk_result = list(
                np.where(
                    loudness < detector.RMS_THRESHOLD,
                    detector.VOICE_ACTIVITY_ABSENT,
                    detector.VOICE_ACTIVITY_PRESENT,
                )
            )
            return list(detector.get_vad_results())

    return QuickVadPatchCreator
