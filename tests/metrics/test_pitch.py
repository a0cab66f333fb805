"""Melody, mel-cepstrum and levels of the spectrum, on signals whose answer is known."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from snac_eval.api import load_metric
from snac_eval.errors import UsageError
from snac_eval.metrics import pitch
from snac_eval.metrics.base import PairMetric
from snac_eval.metrics.cepstral import Mcd, mel_cepstrum
from snac_eval.metrics.pesq import PesqWb, PesqWbC2
from snac_eval.metrics.pitch import F0Correlation, F0Rmse, Tracks, VoicingError
from snac_eval.metrics.spectral import LogSpectralDistance
from snac_eval.registry import plugins
from snac_eval.run.scoring import score_clip
from snac_eval.types import Clip, Reconstruction, Waveform
from tests.conftest import tone

Signal = NDArray[np.float32]
RATE = 16000
TRACKED = ["f0_correlation", "f0_rmse", "voicing_error"]


def _vowel(
    low_hz: float, high_hz: float, duration_s: float = 1.0, formant_hz: float = 700
) -> Signal:
    """A voice that glides from one pitch to another."""
    times = np.arange(round(duration_s * RATE)) / RATE
    pitch_hz = np.linspace(low_hz, high_hz, times.size)
    turns = np.cumsum(pitch_hz) / RATE
    partials = range(1, int(6000 / max(low_hz, high_hz)))
    weights = [np.exp(-(((one * low_hz - formant_hz) / 900) ** 2)) + 0.02 for one in partials]
    waves = [
        weight * np.sin(2 * np.pi * one * turns + one * one)
        for one, weight in zip(partials, weights, strict=True)
    ]
    return (0.1 * np.sum(waves, axis=0)).astype(np.float32)


def _value(metric: PairMetric, reference: Signal, estimate: Signal) -> float:
    score = metric.score_pair(reference, estimate, RATE)
    assert score.status == "ok", score.reason
    assert score.value is not None
    return score.value


class TestPitch:
    @pytest.fixture(autouse=True)
    def _extra(self) -> None:
        pytest.importorskip("swift_f0", reason="needs the extra pitch")

    @pytest.mark.parametrize("hertz", [80, 110, 220, 330, 440])
    def test_a_vowels_pitch_is_found(self, hertz: float) -> None:
        found = pitch.track(_vowel(hertz, hertz))[5:-5]
        assert np.mean(found > 0) > 0.95
        assert np.median(found[found > 0]) == pytest.approx(hertz, rel=0.01)

    def test_the_same_melody_is_the_best_that_there_is(self) -> None:
        glide = _vowel(120, 200)
        assert _value(F0Correlation(), glide, glide) == pytest.approx(1)
        assert _value(F0Rmse(), glide, glide) == 0
        assert _value(VoicingError(), glide, glide) == 0

    def test_a_melody_that_is_20_hz_too_high_is_20_hz_off_and_correlates(self) -> None:
        low, high = _vowel(120, 200), _vowel(140, 220)
        assert _value(F0Rmse(), low, high) == pytest.approx(20, abs=1)
        assert _value(F0Correlation(), low, high) > 0.99
        assert _value(F0Correlation(), low, _vowel(200, 120)) < -0.99

    def test_a_voice_that_breaks_off_halfway_is_half_wrong(self) -> None:
        glide = _vowel(120, 200, 2.0)
        noise = 0.02 * np.random.default_rng(0).standard_normal(glide.size).astype(np.float32)
        half = np.where(np.arange(glide.size) < RATE, glide, noise)
        assert _value(VoicingError(), glide, half) == pytest.approx(50, abs=4)
        assert _value(F0Rmse(), glide, half) < 2

    def test_a_delay_is_taken_out(self) -> None:
        glide = _vowel(120, 300)
        late = np.pad(glide, (800, 0))[: glide.size]
        assert _value(F0Rmse(), glide, late) < 1

    def test_no_melody_is_undefined_and_a_lost_one_an_error(self) -> None:
        noise = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
        none = F0Rmse().score_pair(noise, _vowel(120, 200), RATE)
        assert (none.status, "has no melody" in none.reason) == ("undefined", True)
        lost = F0Correlation().score_pair(_vowel(120, 200), noise, RATE)
        assert (lost.status, "lost the voice" in lost.reason) == ("error", True)

    def test_one_track_a_side_serves_three_metrics(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[int] = []
        real = pitch.track

        def counted(signal: Signal) -> NDArray[np.float64]:
            calls.append(signal.size)
            return real(signal)

        monkeypatch.setattr(pitch, "track", counted)
        glide = _vowel(120, 200)
        clip = Clip("a", "a.wav", "a.wav", "0", 1.0, RATE, domain="speech")  # type: ignore[arg-type]
        pair = Reconstruction(clip, Waveform(glide[None], RATE), Waveform(glide[None], RATE))
        scores = score_clip(TRACKED, pair)
        assert {one.status for one in scores.values()} == {"ok"}
        assert calls == [RATE, RATE]


def test_a_melody_that_does_not_move_has_no_correlation() -> None:
    still, moving = np.full(20, 100.0), np.linspace(100, 120, 20)
    with pytest.raises(Exception, match="reference's pitch does not move"):
        F0Correlation()._of_tracks(Tracks(still, moving))
    with pytest.raises(Exception, match="estimate's pitch does not move"):
        F0Correlation()._of_tracks(Tracks(moving, still))
    assert F0Rmse()._of_tracks(Tracks(still, still + 3)) == pytest.approx(3)


class TestMcd:
    @pytest.fixture(autouse=True)
    def _extra(self) -> None:
        pytest.importorskip("pyworld", reason="needs the extra pitch")

    def test_the_same_speech_is_0_db_at_any_level_or_delay(self) -> None:
        voice = _vowel(120, 200)
        assert _value(Mcd(), voice, voice) == 0
        assert _value(Mcd(), voice, np.float32(0.5) * voice) < 0.1
        assert _value(Mcd(), voice, np.pad(voice, (160, 0))[: voice.size]) < 0.5

    def test_another_vowel_is_further_off_than_noise_and_fewer_coefficients_see_less(self) -> None:
        voice, other = _vowel(120, 200), _vowel(120, 200, formant_hz=2500)
        noise = 1e-3 * np.random.default_rng(0).standard_normal(voice.size).astype(np.float32)
        near, far = _value(Mcd(), voice, voice + noise), _value(Mcd(), voice, other)
        assert 0 < near < far
        assert 0 < _value(Mcd(order=13), voice, other) < far
        assert plugins.metric("mcd@order=24").info.name == "mcd"
        with pytest.raises(UsageError, match="1 to 100"):
            plugins.metric("mcd@order=0")


def test_a_mel_cepstrum_without_warp_is_the_cepstrum() -> None:
    cepstrum = np.zeros(512)
    cepstrum[[0, 1, 511, 3, 509]] = [0.6, 0.2, 0.2, -0.1, -0.1]
    power = np.exp(np.fft.rfft(cepstrum).real)[None]
    found = mel_cepstrum(power, 4, warp=0.0)[0]
    np.testing.assert_allclose(found, [0.3, 0.2, 0, -0.1, 0], atol=1e-12)


def test_a_mel_cepstrum_is_the_cepstrum_on_the_warped_axis() -> None:
    # The log spectrum at a frequency is the series at the frequency that an all-pass makes of it.
    rng = np.random.default_rng(0)
    power = np.exp(
        np.fft.rfft(np.r_[0, d := 0.3 * rng.standard_normal(8), np.zeros(1007), d[::-1]]).real
    )
    warp, angles = 0.42, np.linspace(0, np.pi, power.size)
    warped = angles + 2 * np.arctan(warp * np.sin(angles) / (1 - warp * np.cos(angles)))
    series = mel_cepstrum(power[None], 60)[0]
    found = 2 * np.cos(np.outer(warped, np.arange(61))) @ series
    np.testing.assert_allclose(found, np.log(power), atol=1e-3)


class TestLogSpectralDistance:
    def test_equal_is_0_and_half_the_level_is_6_db(self) -> None:
        noise = 0.3 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
        metric = LogSpectralDistance()
        assert _value(metric, noise, noise) == 0
        assert _value(metric, noise, np.float32(0.5) * noise) == pytest.approx(6.02, abs=0.01)
        assert _value(metric, np.float32(0.5) * noise, noise) == pytest.approx(6.02, abs=0.01)

    def test_what_is_below_the_floor_does_not_count(self) -> None:
        speech = tone(1.0)
        hiss = 1e-8 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
        silent = np.concatenate([speech, 0 * speech])
        assert _value(LogSpectralDistance(), silent, silent + np.tile(hiss, 2)) < 0.01

    def test_it_is_the_plain_definition(self) -> None:
        one, other = tone(0.5), tone(0.5, seed=1)
        padded = [np.pad(side.astype(np.float64), 1024, mode="reflect") for side in (one, other)]
        window = np.hanning(2049)[:-1]
        levels = [
            [
                10
                * np.log10(
                    np.maximum(np.abs(np.fft.rfft(window * side[at : at + 2048])) ** 2, 1e-8)
                )
                for at in range(0, side.size - 2047, 512)
            ]
            for side in padded
        ]
        squares = np.square(np.subtract(*levels))
        wanted = np.sqrt(squares.mean(axis=1)).mean()
        assert _value(LogSpectralDistance(), one, other) == pytest.approx(wanted)


def test_pesq_with_the_corrigendum_asks_the_package_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, str]] = []

    class NoUtterancesError(Exception):
        pass

    def score(rate: int, reference: Signal, estimate: Signal, mode: str) -> float:
        asked.append((rate, mode))
        if estimate.max() > 0.9:
            raise NoUtterancesError
        return 3.5

    monkeypatch.setitem(
        sys.modules, "pesqc2", SimpleNamespace(pesq=score, NoUtterancesError=NoUtterancesError)
    )
    speech = tone(1.0)
    assert _value(PesqWbC2(), speech, np.clip(speech, -0.8, 0.8)) == 3.5
    assert asked == [(RATE, "wb")]
    none = PesqWbC2().score_pair(speech, speech / np.abs(speech).max(), RATE)
    assert (none.status, "no speech" in none.reason) == ("undefined", True)
    assert PesqWbC2().info.fingerprint != PesqWb().info.fingerprint
    assert load_metric("pesq_wb").info.name == "pesq_wb"
