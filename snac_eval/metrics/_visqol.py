"""ViSQOL of a clip of any length in bounded memory, from the pieces of ``visqol-python``.

The package compares every patch of the reference with the whole estimate, in one search over both,
and aligns the two by one correlation of the whole. Up to a minute the same is done here, and the
result is the package's to the bit. In a longer clip, levels, spectra, their floor and the choice of
patches are still of the whole; the delay is the median over blocks, and the search goes block by
block, with some seconds around each. All patches are pooled before they are mapped to an opinion.
Blocks of half a minute moved the score of 66 s of music through Opus by 0.0004, and that of read
speech not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.metrics._visqol_own import OwnSteps, agrees
from snac_eval.metrics._visqol_steps import Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController
    from visqol.audio_utils import AudioSignal
    from visqol.nsim import PatchSimilarityResult
    from visqol.visqol_manager import VisqolManager

    Samples = NDArray[np.float64]

WHOLE_S = 60.0
BLOCK_S = 30.0
AROUND_S = 5.0


def opinion(
    manager: VisqolManager, reference: Samples, estimate: Samples, sample_rate: int
) -> float | None:
    """Predicted opinion of two float64 ``[time]``; None where the reference has no patch to score.

    ``manager`` is the package's own, initialised; the estimate may be the longer one.
    """
    from visqol import visqol_core as core
    from visqol.audio_utils import AudioSignal

    assert manager.quality_mapper is not None
    steps = (OwnSteps if agrees() else Steps)(manager, sample_rate)
    sides = AudioSignal(reference, sample_rate), AudioSignal(estimate, sample_rate)
    patches = _patches(steps, *sides)
    if not patches:
        return None
    means = core.calc_per_patch_mean_freq_band_means(patches)
    # libsvm adds up by threads, in whatever order they end: the last digits were luck.
    with _thread_pools().limit(limits=1, user_api="openmp"):
        found = manager.quality_mapper.predict_quality(
            means,
            core.calc_per_patch_freq_band_quantile(patches, 0.10),
            core.calc_per_patch_mean_freq_band_stddevs(patches, steps.frame_s),
            core.calc_per_patch_mean_freq_band_deg_energy(patches),
        )
    return float(core.alter_for_similarity_extremes(float(np.mean(means)), found))


@lru_cache(maxsize=1)
def _thread_pools() -> ThreadpoolController:
    """Of what is loaded when the first clip is scored, libsvm among it."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _patches(
    steps: Steps, reference: AudioSignal, estimate: AudioSignal
) -> list[PatchSimilarityResult]:
    """Every patch of the reference that is scored, with what is most like it in the estimate."""
    from visqol.audio_utils import scale_to_match_sound_pressure_level

    estimate = scale_to_match_sound_pressure_level(reference, _aligned(steps, reference, estimate))
    spectra = steps.spectra(reference, estimate)
    patches, num_frames = steps.patches(spectra[0], reference), spectra[1].shape[1]
    found: list[PatchSimilarityResult] = []
    for block, first, last in _blocks(patches, steps.patch_size, num_frames, steps.frame_s):
        matched = steps.matched(spectra[0], block, spectra[1][:, first:last], first)
        for one in matched:
            _move(one, first * steps.frame_s)
        found += steps.refined(matched, reference, estimate)
    return found


def _blocks(
    indices: Sequence[int], patch_size: int, num_frames: int, frame_s: float
) -> Iterator[tuple[list[int], int, int]]:
    """Patches by their first frame, with the frames of the estimate they are looked for in."""
    if num_frames * frame_s <= WHOLE_S:
        if indices:
            yield list(indices), 0, num_frames
        return
    length, around = round(BLOCK_S / frame_s), round(AROUND_S / frame_s)
    for start in range(0, num_frames, length):
        if block := [index for index in indices if start <= index < start + length]:
            yield block, max(0, start - around), start + length + patch_size + around


def _move(patch: PatchSimilarityResult, by_s: float) -> None:
    """From a block's time to the clip's. A patch without a like has no place in the estimate."""
    patch.ref_patch_start_time += by_s
    patch.ref_patch_end_time += by_s
    if patch.deg_patch_end_time:
        patch.deg_patch_start_time += by_s
        patch.deg_patch_end_time += by_s


def _aligned(steps: Steps, reference: AudioSignal, estimate: AudioSignal) -> AudioSignal:
    from visqol.audio_utils import AudioSignal

    if reference.duration <= WHOLE_S:
        return steps.aligned(reference, estimate)[0]
    rate, length = reference.sample_rate, round(BLOCK_S * reference.sample_rate)
    lags_s = [
        steps.aligned(
            AudioSignal(reference.data[start : start + length], rate),
            AudioSignal(estimate.data[start : start + length], rate),
        )[1]
        for start in range(0, len(reference) - length + 1, length)
    ]
    lag = round(float(np.median(lags_s)) * rate)
    samples = np.pad(estimate.data, (lag, 0)) if lag > 0 else estimate.data[-lag:]
    return AudioSignal(samples, rate)
