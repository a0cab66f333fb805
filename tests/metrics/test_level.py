"""The active speech level against signals whose level is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snac_eval.metrics.level import active_level_db

RATE = 16000


def sine(duration_s: float, hz: float = 500.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.sin(2 * np.pi * hz * np.arange(int(duration_s * RATE)) / RATE)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_steady_tone_has_the_level_of_its_power(rate: int) -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(10 * rate) / rate).astype(np.float32)
    assert active_level_db(tone, rate) == pytest.approx(-3.01, abs=0.02)


@pytest.mark.parametrize("gain_db", [20, -20, -60])
def test_a_gain_moves_the_level_by_as_much(gain_db: float) -> None:
    signal = np.concatenate([sine(1.0), 0.01 * sine(2.0)])
    moved = active_level_db(signal * 10 ** (gain_db / 20), RATE) - active_level_db(signal, RATE)
    assert moved == pytest.approx(gain_db, abs=1e-6)


@pytest.mark.parametrize("activity", [0.1, 0.25, 0.5])
def test_pauses_do_not_lower_the_level(activity: float) -> None:
    """But for the hangover of 0.2 s and the fall of the envelope, which count as speech."""
    signal = np.zeros(100 * RATE)
    talk = sine(100 * activity)
    signal[: talk.size] = talk
    assert active_level_db(signal, RATE) == pytest.approx(-3.01, abs=0.15)
    assert 10 * math.log10(np.mean(signal**2)) < -5.9


def test_a_quiet_background_does_not_count() -> None:
    noise = 0.003 * np.random.default_rng(0).standard_normal(60 * RATE)
    noise[: 20 * RATE] += sine(20.0)
    assert active_level_db(noise, RATE) == pytest.approx(-3.01, abs=0.15)


def test_silence_has_no_level() -> None:
    assert active_level_db(np.zeros(RATE), RATE) == -math.inf
    assert active_level_db(np.zeros(0), RATE) == -math.inf
