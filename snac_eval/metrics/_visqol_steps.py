"""The steps of ViSQOL that take time, as ``visqol-python`` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from visqol.audio_utils import AudioSignal
    from visqol.nsim import PatchSimilarityResult
    from visqol.visqol_manager import VisqolManager

    Matrix = NDArray[np.float64]


class Steps:
    """The package's own, of one pair of signals at one rate. Subclasses take them in less time.

    Spectra are ``[band, frame]``; a patch of the reference is named by its first frame.
    """

    def __init__(self, manager: VisqolManager, sample_rate: int) -> None:
        from visqol.analysis_window import AnalysisWindow
        from visqol.visqol_core import calc_frame_duration
        from visqol.visqol_manager import OVERLAP

        assert manager.spect_builder is not None
        assert manager.patch_creator is not None
        self._builder = manager.spect_builder
        self._creator = manager.patch_creator
        self._search_window = manager.search_window
        self._sample_rate = sample_rate
        self._window = AnalysisWindow(sample_rate, OVERLAP)
        self.frame_s: float = calc_frame_duration(self._window.hop_size, sample_rate)

    @property
    def patch_size(self) -> int:
        """Frames of a patch."""
        return self._creator.patch_size

    def aligned(self, reference: AudioSignal, estimate: AudioSignal) -> tuple[AudioSignal, float]:
        """The estimate with its lag taken out, and the lag in seconds."""
        from visqol.alignment import globally_align

        return globally_align(reference, estimate)

    def spectra(self, reference: AudioSignal, estimate: AudioSignal) -> tuple[Matrix, Matrix]:
        """Both sides in dB above the floor that they share."""
        from visqol.gammatone import prepare_spectrograms_for_comparison

        sides = [self._builder.build(side, self._window) for side in (reference, estimate)]
        return prepare_spectrograms_for_comparison(*sides)

    def patches(self, spectrum: Matrix, reference: AudioSignal) -> list[int]:
        """Patches of the reference that are scored."""
        return self._creator.create_ref_patch_indices(spectrum, reference, self._window)

    def matched(
        self, reference: Matrix, patches: list[int], estimate: Matrix, shift: int
    ) -> list[PatchSimilarityResult]:
        """What is most like each patch in the estimate's spectrum, which begins ``shift`` frames
        after the reference's. Times count from the beginning of the estimate's."""
        from visqol.patch_selector import find_most_optimal_deg_patches

        return find_most_optimal_deg_patches(
            self._creator.create_patches_from_indices(reference, patches),
            [patch - shift for patch in patches],
            estimate,
            self.frame_s,
            self._search_window,
        )

    def refined(
        self,
        matched: list[PatchSimilarityResult],
        reference: AudioSignal,
        estimate: AudioSignal,
    ) -> list[PatchSimilarityResult]:
        """Matches aligned once more, each by itself, where that makes them more alike."""
        from visqol.patch_selector import finely_align_and_recreate_patches

        return finely_align_and_recreate_patches(
            matched, reference, estimate, self._builder, self._window
        )
