"""Metrics that score one clip share spectra and delays, and score as they do alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snac_eval.api import load_metric
from snac_eval.metrics import _stoi, spectral, waveform
from snac_eval.metrics.base import Memo
from snac_eval.run.scoring import score_clip
from snac_eval.types import Clip, Reconstruction, Waveform
from tests.conftest import tone

TOGETHER = [
    "mel_dac_paper", "mel_audiotools", "stft_distance", "si_sdr_aligned", "delay", "stoi", "estoi"
]  # fmt: skip


def _pair(channels: int) -> Reconstruction:
    reference = np.stack([tone(1.0, seed=seed) for seed in range(channels)])
    estimate = np.roll(reference, 37, axis=1) * np.float32(0.9)
    clip = Clip("a", Path("a.wav"), "a.wav", "0", 1.0, 16000, domain="speech")
    return Reconstruction(clip, Waveform(reference, 16000), Waveform(estimate, 16000))


@pytest.mark.parametrize("channels", [1, 2])
def test_scores_together_are_scores_alone(channels: int) -> None:
    pair = _pair(channels)
    together = score_clip(TOGETHER, pair)
    for name in TOGETHER:
        assert together[name] == load_metric(name).score(pair)
        assert together[name].status == "ok"


def test_each_spectrum_and_delay_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[int] = []
    calls: list[str] = []

    def count(module: object, name: str) -> None:
        real = getattr(module, name)

        def counted(*arguments: object) -> object:
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(module, name, counted)

    real_magnitudes = spectral.magnitudes

    def magnitudes(signal: object, window: int, *rest: object) -> object:
        windows.append(window)
        return real_magnitudes(signal, window, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(spectral, "magnitudes", magnitudes)
    count(waveform, "spectra")
    count(waveform, "aligned")
    count(_stoi, "third_octaves")
    score_clip(TOGETHER, _pair(1))
    assert sorted(windows) == sorted([32, 64, 128, 256, 512, 1024, 2048] * 2)
    assert sorted(calls) == ["aligned", "spectra", "third_octaves"]


def test_memo_keeps_no_large_array() -> None:
    memo = Memo()
    made: list[str] = []

    def make(name: str, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        made.append(name)
        return np.zeros(size)

    for _ in range(2):
        memo.get("small", lambda: make("small", 10))
        memo.get("large", lambda: make("large", 5_000_000))
    assert made == ["small", "large", "large"]
