"""Known delays come out, whatever filter and noise lie between: to a hundredth of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfiltfilt

from snac_eval.alignment import measure_lag
from snac_eval.audio import speech_like

Samples = NDArray[np.float64]


def delayed(samples: Samples, by: float) -> Samples:
    size = 2 * len(samples)
    turned = np.fft.rfft(samples, size) * np.exp(-2j * np.pi * by * np.fft.rfftfreq(size))
    return np.asarray(np.fft.irfft(turned, size)[: len(samples)])


def sounds(rate: int) -> dict[str, Samples]:
    noise = np.random.default_rng(0).standard_normal(4 * rate)
    return {"speech": speech_like(4 * rate, rate).samples[0].astype(float), "noise": noise}


def coded(samples: Samples, snr_db: float) -> Samples:
    """With noise of the signal's own spectrum, as a codec's is."""
    spectrum = np.abs(np.fft.rfft(samples))
    drawn = np.fft.rfft(np.random.default_rng(1).standard_normal(len(samples)))
    noise = np.fft.irfft(drawn * spectrum, len(samples))
    return samples + noise * samples.std() / noise.std() * 10 ** (-snr_db / 20)


@pytest.mark.parametrize("rate", [8000, 44100])
def test_a_delay_comes_out_whatever_the_sound_and_its_sign(rate: int) -> None:
    for sound in sounds(rate).values():
        for late in (-31.37, 0.25, 700.5):
            lag = measure_lag(sound, -delayed(sound, late), rate)
            assert lag is not None
            assert lag.seconds * rate == pytest.approx(late, abs=0.002)
            assert lag.kept > 0.99


@pytest.mark.parametrize(("snr_db", "within"), [(20, 0.004), (6, 0.02), (0, 0.04)])
def test_a_codecs_noise_moves_nothing(snr_db: float, within: float) -> None:
    for sound in sounds(16000).values():
        lag = measure_lag(sound, coded(delayed(sound, 7.3), snr_db), 16000)
        assert lag is not None
        assert lag.seconds * 16000 == pytest.approx(7.3, abs=within)


def test_a_low_pass_moves_nothing_and_a_high_pass_all_sounds_alike() -> None:
    low = butter(4, 3000, fs=16000, output="sos")
    high = butter(2, 80, "high", fs=16000, output="sos")
    found: dict[str, Any] = {"low": [], "high": []}
    for sound in sounds(16000).values():
        for name, out in (("low", sosfiltfilt(low, sound)), ("high", sosfilt(high, sound))):
            lag = measure_lag(sound, out, 16000)
            assert lag is not None
            found[name].append(lag.seconds * 16000)
    assert found["low"] == pytest.approx([0, 0], abs=0.002)
    assert np.ptp(found["high"]) < 0.002
    # Cross-correlation's peak is 12 samples off here, on the voice.
    assert found["high"][0] == pytest.approx(-0.06, abs=0.03)


def test_what_has_no_lag_has_none() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.standard_normal((2, 16000))
    lag = measure_lag(one, other, 16000)
    assert lag is not None
    assert lag.kept < 0.1
    assert measure_lag(one, 0 * other, 16000) is None
    assert measure_lag(one[:4000], one[:4000], 16000) is None
