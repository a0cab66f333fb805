"""What listeners hear of a clip: equally loud, at one time, never clipped; and the anchors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import freqz

from snac_eval.audio import speech_like
from snac_eval.errors import AudioError
from snac_eval.listening.sounding import (
    ANCHORS_HZ,
    SAMPLE_RATE,
    SoundedClip,
    loudness_of,
    low_pass,
    sound_clip,
    true_peak_db,
)
from snac_eval.types import Waveform
from tests.listening.meters import measured

RATE = 16_000


def sounded(reference: Waveform, estimates: dict[str, Waveform], **changes: object) -> SoundedClip:
    wanted = {"length_s": 10.0, "loudness": -23.0, "anchors": True, "seed": 1} | changes
    return sound_clip(reference, estimates, **wanted)  # type: ignore[arg-type]


def tones(seconds: float, rate: int, lag_s: float = 0.0) -> Waveform:
    """Tones that come and go, given ``lag_s`` late."""
    times = np.arange(round(seconds * rate)) / rate - lag_s
    pitches = (211.0, 467.3, 941.7, 1873.1, 3307.9)
    waves = [np.sin(2 * np.pi * hz * times + hz) / (1 + n) for n, hz in enumerate(pitches)]
    swell = 0.3 + 0.2 * np.sin(2 * np.pi * 1.3 * times) + 0.2 * np.sin(2 * np.pi * 3.7 * times)
    return Waveform((0.3 * swell * sum(waves)).astype(np.float32)[None], rate)


def floats(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    return samples.T / 32768


@pytest.mark.parametrize(
    ("channels", "expected"), [([1.0], -3.01), ([1.0, 0.0], -3.01), ([1.0, 1.0], 0.0)]
)
def test_a_full_scale_sine_has_the_loudness_that_bs1770_states(
    channels: list[float], expected: float
) -> None:
    sine = np.sin(2 * np.pi * 997 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)
    assert loudness_of(np.outer(channels, sine)) == pytest.approx(expected, abs=0.005)


def test_a_true_peak_lies_between_samples() -> None:
    quarter = np.sin(np.pi / 2 * np.arange(SAMPLE_RATE // 4) + np.pi / 4)[None]
    assert 20 * np.log10(np.abs(quarter).max()) == pytest.approx(-3.01, abs=0.01)
    assert true_peak_db(quarter[:, 100:-100] * np.hanning(quarter.shape[1] - 200)) == pytest.approx(
        0.0, abs=0.05
    )


@pytest.mark.parametrize("edge", ANCHORS_HZ)
def test_anchors_pass_and_stop_as_bs1534_says(edge: int) -> None:
    hz, response = freqz(low_pass(edge), worN=1 << 14, fs=SAMPLE_RATE)
    level = 20 * np.log10(np.abs(response) + 1e-12)
    assert np.abs(level[hz <= edge]).max() <= 0.1
    assert level[hz >= edge + 500].max() <= -25
    assert level[hz >= edge + 1000].max() <= -50


def test_every_version_is_as_loud_as_the_others_by_another_meter() -> None:
    reference = speech_like(2 * RATE, RATE, seed=3)
    quiet = Waveform(0.1 * reference.samples, RATE)
    noise = np.random.default_rng(0).normal(0, 0.2, reference.samples.shape)
    found = sounded(reference, {"quiet": quiet, "noise": Waveform(np.float32(noise), RATE)})
    assert len(found.sounds) == 5
    assert {one.shape for one in found.sounds.values()} == {(2 * SAMPLE_RATE, 2)}
    for samples in found.sounds.values():
        loudness, peak = measured(floats(samples))
        assert loudness == pytest.approx(-23, abs=0.1)
        assert peak < -1
    same = found.sounds["codec", "quiet"] - found.sounds["reference", "reference"]
    assert np.abs(same).max() <= 1
    assert "hardly correlate" in found.undelayed["noise"]


def test_where_a_peak_would_clip_all_versions_get_quieter_together() -> None:
    reference = tones(2, RATE)
    clicks = reference.samples.copy()
    clicks[:, ::4000] = 1.0
    found = sounded(reference, {"clicks": Waveform(clicks, RATE)}, loudness=-14.0, anchors=False)
    levels = [measured(floats(one)) for one in found.sounds.values()]
    assert found.loudness < -15
    assert [loudness for loudness, _ in levels] == pytest.approx([found.loudness] * 2, abs=0.1)
    assert max(peak for _, peak in levels) == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("samples", [7.37, -4.21, 300.5])
def test_a_lag_is_taken_out_to_a_fraction_of_a_sample(samples: float) -> None:
    reference, lag = tones(1.5, RATE), samples / RATE
    found = sounded(reference, {"late": tones(1.5, RATE, lag)}, anchors=False)
    assert found.delays_ms["late"] == pytest.approx(1000 * lag, abs=0.002)
    mine, theirs = (floats(one) for one in found.sounds.values())
    middle = slice(SAMPLE_RATE // 4, -SAMPLE_RATE // 4)
    error = np.abs(mine[:, middle] - theirs[:, middle]).max() / np.abs(mine).max()
    assert error < 0.02
    assert found.length_s == pytest.approx(1.5 - abs(lag), abs=2e-4)


def test_a_long_clip_is_cut_where_it_is_loudest() -> None:
    reference = speech_like(6 * RATE, RATE, seed=1)
    reference.samples[:, : 3 * RATE] *= 0.01
    found = sounded(reference, {}, length_s=2.0)
    assert found.length_s == 2.0
    assert 2.0 <= found.start_s <= 4.0


def test_two_channels_stay_two_and_a_mono_codec_is_heard_on_both() -> None:
    left, right = tones(1, RATE).samples, tones(1, RATE, 0.3).samples
    stereo = Waveform(np.concatenate([left, right]), RATE)
    found = sounded(stereo, {"mono": Waveform((left + right) / 2, RATE)}, anchors=False)
    reference, mono = (floats(one) for one in found.sounds.values())
    assert np.abs(reference[0] - reference[1]).max() > 0.01
    assert np.array_equal(mono[0], mono[1])


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (Waveform(np.zeros((1, RATE), np.float32), RATE), "silent"),
        (tones(0.3, RATE), "too short"),
    ],
)
def test_what_nobody_could_judge_is_refused(reference: Waveform, problem: str) -> None:
    with pytest.raises(AudioError, match=problem):
        sounded(reference, {"a": reference})


def test_a_codec_that_gave_silence_is_named() -> None:
    reference = tones(1, RATE)
    silence = Waveform(np.zeros_like(reference.samples), RATE)
    found = sounded(reference, {"dead": silence}, anchors=False)
    assert found.silent == ("dead",)
    assert found.undelayed["dead"]
    assert np.abs(found.sounds["codec", "dead"]).max() <= 1
