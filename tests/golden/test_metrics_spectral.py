"""Spectral distances against a second, plain computation: torch's STFT and filters by loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from snac_eval.metrics.base import PairMetric
from snac_eval.metrics.spectral import MelAudiotools, MelDacPaper, StftDistance, mel_filters

Signal = NDArray[np.float32]


def slaney_edges(sample_rate: int, num_mels: int) -> list[float]:
    """Band edges in Hz: steps of 200/3 Hz up to 1 kHz, 27 steps per factor 6.4 above."""
    step = math.log(6.4) / 27
    top = 15 + math.log(sample_rate / 2 / 1000) / step
    mels = [top * i / (num_mels + 1) for i in range(num_mels + 2)]
    return [m * 200 / 3 if m < 15 else 1000 * math.exp((m - 15) * step) for m in mels]


def slaney_filters(sample_rate: int, window: int, num_mels: int) -> torch.Tensor:
    edges = slaney_edges(sample_rate, num_mels)
    filters = torch.zeros(num_mels, window // 2 + 1, dtype=torch.float64)
    for band in range(num_mels):
        low, centre, high = edges[band : band + 3]
        for k in range(window // 2 + 1):
            hz = k * sample_rate / window
            if low < hz <= centre:
                height = (hz - low) / (centre - low)
            elif centre < hz < high:
                height = (high - hz) / (high - centre)
            else:
                continue
            filters[band, k] = height * 2 / (high - low)
    return filters


def spectrum(signal: Signal, window: int) -> torch.Tensor:
    return torch.stft(
        torch.from_numpy(signal).double(),
        window,
        window // 4,
        window=torch.hann_window(window, periodic=True, dtype=torch.float64),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    ).abs()


def log_l1(first: torch.Tensor, second: torch.Tensor, power: float) -> float:
    logs = [one.clamp(min=1e-5).pow(power).log10() for one in (first, second)]
    return float(torch.nn.functional.l1_loss(*logs))


def expected_mel_dac(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    total = 0.0
    for window, mels in {32: 5, 64: 10, 128: 20, 256: 40, 512: 80, 1024: 160, 2048: 320}.items():
        filters = slaney_filters(sample_rate, window, mels)
        total += log_l1(
            filters @ spectrum(reference, window), filters @ spectrum(estimate, window), 1
        )
    return total


def expected_audiotools(reference: Signal, estimate: Signal, sample_rate: int, mel: bool) -> float:
    total = 0.0
    for window, mels in ((2048, 150), (512, 80)):
        first, second = spectrum(reference, window), spectrum(estimate, window)
        if mel:
            filters = slaney_filters(sample_rate, window, mels)
            first, second = filters @ first, filters @ second
        total += log_l1(first, second, 2) + float((first - second).abs().mean())
    return total


def pair(sample_rate: int, seconds: float = 0.7) -> tuple[Signal, Signal]:
    rng = np.random.default_rng(7)
    time = np.arange(int(sample_rate * seconds)) / sample_rate
    clean = 0.3 * np.sin(2 * np.pi * 220 * time) + 0.1 * np.sin(2 * np.pi * 3100 * time**1.5)
    clean += 0.05 * rng.standard_normal(time.size) * (time > 0.3)
    noisy = 0.9 * clean + 0.02 * rng.standard_normal(time.size)
    return clean.astype(np.float32), noisy.astype(np.float32)


@pytest.mark.parametrize("sample_rate", [16000, 24000, 44100, 48000])
def test_mel_dac_paper_equals_independent_computation(sample_rate: int) -> None:
    reference, estimate = pair(sample_rate)
    value = MelDacPaper().score_pair(reference, estimate, sample_rate).value
    assert value == pytest.approx(expected_mel_dac(reference, estimate, sample_rate), rel=1e-5)


@pytest.mark.parametrize("sample_rate", [16000, 44100])
@pytest.mark.parametrize("mel", [True, False])
def test_audiotools_distances_equal_independent_computation(sample_rate: int, mel: bool) -> None:
    reference, estimate = pair(sample_rate)
    metric = MelAudiotools() if mel else StftDistance()
    expected = expected_audiotools(reference, estimate, sample_rate, mel)
    value = metric.score_pair(reference, estimate, sample_rate).value
    assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("window", "num_mels"), [(32, 5), (512, 80), (2048, 320)])
def test_filters_equal_slaney_by_loops(window: int, num_mels: int) -> None:
    expected = slaney_filters(24000, window, num_mels).numpy().T
    np.testing.assert_allclose(mel_filters(24000, window, num_mels), expected, atol=1e-12)


FROZEN = [
    (MelDacPaper(), 4.123657330),
    (MelAudiotools(), 3.529483832),
    (StftDistance(), 6.673629425),
]


@pytest.mark.parametrize(("metric", "value"), FROZEN, ids=lambda one: str(one)[:20])
def test_frozen_values(metric: PairMetric, value: float) -> None:
    """Values of the day on which both computations agreed: a change is a change of definition."""
    score = metric.score_pair(*pair(24000), 24000)
    assert score.value == pytest.approx(value, rel=1e-6)
