"""The smallest plugin: a codec that halves the amplitude, a dataset, and two metrics."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from snac_eval.audio import make_clip
from snac_eval.metrics.base import PairMetric
from snac_eval.types import (
    CodecRequest,
    Codes,
    Dataset,
    DatasetRequest,
    Fingerprint,
    MetricInfo,
    Reconstruction,
    Score,
    Waveform,
)

ALL = frozenset({"speech", "music", "general"})


class HalvingCodec:
    """Keeps 16-bit samples at half the amplitude."""

    def __init__(self, request: CodecRequest) -> None:
        self.card = request.card
        self.device = "cpu"
        self.fingerprint = "tiny/1"

    def prepare(self) -> None:
        """Nothing to load."""

    def padded_length(self, num_samples: int) -> None:
        """One clip at a time."""

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        return [
            Codes(one.num_samples, packets=((one.samples[0] * 16384).astype("<i2").tobytes(),))
            for one in waveforms
        ]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        return [
            Waveform(np.frombuffer(one.packets[0], "<i2")[None].astype(np.float32) / 32768, 16000)
            for one in codes
        ]


def load_codec(request: CodecRequest) -> HalvingCodec:
    return HalvingCodec(request)


def load_dataset(request: DatasetRequest) -> Dataset:
    root = Path(request.argument)
    clips = tuple(make_clip(path, root, domain="speech") for path in sorted(root.rglob("*.wav")))
    return Dataset("tiny", request.card, clips)


class PeakDifference(PairMetric):
    """Difference of the peaks, in percent of the reference's."""

    info = MetricInfo(
        "tiny_peak",
        "difference of peaks",
        "%",
        False,
        (0.0, 100.0),
        ALL,
        None,
        Fingerprint(("tiny_peak", "v=1")),
    )

    def _compute(self, reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
        peaks = np.abs(reference).max(), np.abs(estimate).max()
        return float(100 * abs(peaks[0] - peaks[1]) / peaks[0])


class Killer:
    """Kills the process that scores the clip named 'victim', as a crash in native code would."""

    info = MetricInfo(
        "tiny_killer", "kills", "", None, (0.0, 1.0), ALL, None, Fingerprint(("tiny_killer", "v=1"))
    )

    def score(self, reconstruction: Reconstruction) -> Score:
        if reconstruction.clip.id == "victim":
            os.kill(os.getpid(), signal.SIGKILL)
        return Score.ok(1.0)
