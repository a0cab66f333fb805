"""Every metric of two waveforms through the traps that silently bend averages."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snac_eval import audio
from snac_eval.api import load_metric
from snac_eval.metrics import base
from snac_eval.metrics.base import DEFAULT_METRICS, PairMetric, PreparedPair
from snac_eval.metrics.opening import open_metric, opened
from snac_eval.metrics.pesq import PesqWb
from snac_eval.metrics.spectral import MelAudiotools, MelDacPaper, StftDistance
from snac_eval.metrics.waveform import Delay, SiSdr, SiSdrAligned, si_sdr
from snac_eval.registry import plugins
from snac_eval.run.scoring import score_audio, score_clip
from snac_eval.types import Clip, Domain, Reconstruction, Score, Waveform
from tests.conftest import tone

Signal = NDArray[np.float32]
RATE = 16000
# Those of the core; test_metrics_optional.py has those of the extras.
CORE = [name for name, entry in plugins._group("snac_eval.metrics").items() if not entry.extras]
PAIR_METRICS = [one.pair for one in map(open_metric, sorted(CORE)) if one.pair is not None]
QUICK = [one for one in PAIR_METRICS if one.info.name != "visqol_audio"]
every_metric = pytest.mark.parametrize("metric", PAIR_METRICS, ids=lambda one: one.info.name)
quick_metric = pytest.mark.parametrize("metric", QUICK, ids=lambda one: one.info.name)
spectral = pytest.mark.parametrize(
    "metric", [MelDacPaper(), MelAudiotools(), StftDistance()], ids=lambda one: one.info.name
)


def noisy(signal: Signal, level: float = 0.01, seed: int = 1) -> Signal:
    noise = np.random.default_rng(seed).standard_normal(signal.shape)
    return (signal + level * noise).astype(np.float32)


def reconstruction(
    reference: Signal, estimate: Signal, domain: Domain = "speech", rate: int = RATE
) -> Reconstruction:
    clip = Clip("a", Path("a.wav"), "a.wav", "0", len(reference) / rate, rate, domain=domain)
    return Reconstruction(clip, Waveform(reference[None], rate), Waveform(estimate[None], rate))


def assert_no_value(score: Score, status: str, reason: str) -> None:
    assert (score.value, score.status) == (None, status)
    assert reason in score.reason


def test_every_entry_point_of_two_waveforms_is_here() -> None:
    names = {one.info.name for one in PAIR_METRICS}
    assert len(names) == 14
    assert {name for names in DEFAULT_METRICS.values() for name in names} < set(
        plugins.metric_names()
    )


@quick_metric
def test_values_lie_in_the_range_that_is_stated(metric: PairMetric) -> None:
    clean = tone(2.0)
    for estimate in (noisy(clean, 0.001), noisy(clean, 0.3), noisy(0 * clean, 0.1)):
        score = metric.score_pair(clean, estimate, RATE)
        if metric.info.name == "delay" and not np.abs(np.corrcoef(clean, estimate)[0, 1]) > 0.2:
            assert_no_value(score, "undefined", "hardly correlate")
            continue
        assert score.status == "ok", score.reason
        assert score.value is not None
        low, high = metric.info.value_range
        assert low <= score.value <= high


@every_metric
def test_silent_reference_is_undefined(metric: PairMetric) -> None:
    clean = tone(1.5)
    for silent in (0 * clean, 1e-6 * clean):
        assert_no_value(metric.score_pair(silent, clean, RATE), "undefined", "silent")


@every_metric
def test_a_silent_estimate_of_an_audible_clip_is_an_error(metric: PairMetric) -> None:
    clean = tone(1.5)
    for silent in (0 * clean, 1e-6 * clean, 0 * clean + np.float32(0.1)):
        score = metric.score_pair(clean, silent, RATE)
        assert_no_value(score, "error", "the estimate is silent, the reference is audible")
    score = metric.score_pair(clean, clean[:0], RATE)
    assert_no_value(score, "error", "the estimate is empty although the reference is audible")


@every_metric
def test_silence_for_dither_is_no_failure(metric: PairMetric) -> None:
    dither = tone(1.5) * np.float32(9e-5 / np.abs(tone(1.5)).max())
    score = metric.score_pair(dither, 0 * dither, RATE)
    assert_no_value(score, "undefined", "the reference is silent")
    assert metric.score_pair(10 * dither, 0 * dither, RATE).status == "error"


@quick_metric
def test_one_silent_channel_does_not_lose_the_clip(metric: PairMetric) -> None:
    clean = tone(1.5)
    estimate, hiss = noisy(clean, 0.01), noisy(0 * clean, 0.001, seed=2)
    if metric.info.name == "pesq_nb":
        pytest.skip("finds no speech in this clip")
    score = metric.score_pair(np.stack([0 * clean, clean]), np.stack([hiss, estimate]), RATE)
    assert score.status == "ok", score.reason
    if not metric.mixes_down:
        assert score.value == metric.score_pair(clean, estimate, RATE).value
        assert score.reason == "without channel 1: silent in the reference"


@quick_metric
def test_a_channel_that_the_codec_silenced_is_an_error(metric: PairMetric) -> None:
    clean = tone(1.5)
    estimate = np.stack([noisy(clean, 0.01), 0 * clean])
    score = metric.score_pair(np.stack([clean, clean]), estimate, RATE)
    assert_no_value(score, "error", "the estimate is silent in channel 2, the reference is audible")


@every_metric
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_infinity_are_errors(metric: PairMetric, bad: float) -> None:
    clean = tone(1.5)
    broken = clean.copy()
    broken[100] = bad
    assert_no_value(metric.score_pair(clean, broken, RATE), "error", "the estimate holds NaN")
    assert_no_value(metric.score_pair(broken, clean, RATE), "error", "the reference holds NaN")


@every_metric
def test_unusable_arrays_are_errors_or_undefined(metric: PairMetric) -> None:
    clean = tone(1.5)
    stereo = np.stack([clean, clean])
    assert_no_value(metric.score_pair(clean, stereo, RATE), "error", "channel")
    assert_no_value(metric.score_pair(stereo.T, stereo.T, RATE), "error", "[channels, time]")
    assert_no_value(metric.score_pair(clean, clean[:12000], RATE), "error", "same clip")
    assert_no_value(metric.score_pair(clean[:0], clean[:0], RATE), "undefined", "empty")
    assert_no_value(metric.score_pair(clean, clean, 0), "error", "sample rate")
    pcm = (clean * 32767).astype(np.int16)
    assert_no_value(metric.score_pair(pcm, pcm, RATE), "error", "int16")


@every_metric
def test_fifty_milliseconds(metric: PairMetric) -> None:
    clean = tone(2.0)[3000:3800]
    score = metric.score_pair(clean, noisy(clean), RATE)
    if metric.info.name in ("si_sdr", "si_sdr_aligned", "delay"):
        assert score.status == "ok", score.reason
    else:
        assert_no_value(score, "undefined", "too short")


@every_metric
def test_a_metric_keeps_to_its_domains(metric: PairMetric) -> None:
    clean = tone(0.05)
    for domain in {"speech", "music", "general"} - metric.info.domains:
        score = metric.score(reconstruction(clean, clean, domain))
        assert_no_value(score, "undefined", f"this clip is {domain}")
        assert metric.info.name in score.reason


@quick_metric
def test_stereo_of_two_equal_channels_scores_as_mono(metric: PairMetric) -> None:
    clean = tone(1.5, seed=3)
    estimate = noisy(clean)
    mono = metric.score_pair(clean, estimate, RATE)
    stereo = metric.score_pair(np.stack([clean] * 2), np.stack([estimate] * 2), RATE)
    assert mono.status == "ok", mono.reason
    assert stereo.value == pytest.approx(mono.value, rel=1e-6)


def test_stereo_channels_are_averaged() -> None:
    left, right = tone(1.0, seed=1), tone(1.0, seed=2)
    pairs = [(left, noisy(left, 0.1)), (right, noisy(right, 0.01))]
    singles = [SiSdr().score_pair(one, other, RATE).value for one, other in pairs]
    both = SiSdr().score_pair(np.stack([left, right]), np.stack([pairs[0][1], pairs[1][1]]), RATE)
    assert both.value == pytest.approx(np.mean([one for one in singles if one is not None]))


def test_slightly_different_lengths_are_fitted() -> None:
    clean = tone(1.5)
    whole = MelDacPaper().score_pair(clean, clean, RATE)
    assert whole.value == 0.0
    longer = np.pad(clean, (0, 40))
    assert MelDacPaper().score_pair(clean, longer, RATE).value == 0.0


def test_both_sides_meet_at_the_references_rate() -> None:
    clean = audio.resample(Waveform(tone(1.0)[None], RATE), 24000)
    back = audio.resample(clean, 48000)
    metric = SiSdr()
    clip = Clip("a", Path("a.wav"), "a.wav", "0", 1.0, 24000)
    score = metric.score(Reconstruction(clip, clean, back))
    assert score.value is not None
    assert score.value > 50


@settings(deadline=None, max_examples=25)
@given(st.floats(1e-2, 1e2), st.integers(0, 1000))
def test_si_sdr_ignores_scale(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean = rng.standard_normal(4000)
    estimate = clean + rng.standard_normal(4000)
    plain = SiSdr().score_pair(clean, estimate, RATE).value
    scaled = SiSdr().score_pair(clean, scale * estimate, RATE).value
    assert scaled == pytest.approx(plain, abs=1e-3)


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.7, 0.3, 3.0, -1.0])
def test_a_copy_up_to_a_gain_is_at_the_ceiling_of_si_sdr(gain: float) -> None:
    clean = tone(1.0)
    for metric in (SiSdr(), SiSdrAligned()):
        value = metric.score_pair(clean, np.float32(gain) * clean, RATE).value
        assert value == metric.info.value_range[1] == 140.0


def test_what_holds_nothing_of_the_reference_is_at_the_floor_of_si_sdr() -> None:
    time = np.arange(RATE) / RATE
    sine, cosine = np.sin(2 * np.pi * 100 * time), np.cos(2 * np.pi * 100 * time)
    value = SiSdr().score_pair(sine, cosine, RATE).value
    assert value is not None
    assert -140 <= value < -90
    assert si_sdr(np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])) == -140
    assert_no_value(SiSdr().score_pair(0 * sine + 0.1, sine, RATE), "undefined", "silent")


@settings(deadline=None, max_examples=12)
@given(st.integers(-1500, 1500))
def test_delay_is_found_and_taken_out(delay: int) -> None:
    noise = np.random.default_rng(3).standard_normal(20000).astype(np.float32)
    reference, estimate = noise[2000:18000], noise[2000 - delay : 18000 - delay]
    estimate = noisy(estimate, 0.1)
    found = Delay().score_pair(reference, estimate, RATE).value
    assert found == pytest.approx(delay / 16, abs=1e-3)
    aligned = SiSdrAligned().score_pair(reference, estimate, RATE).value
    assert aligned == pytest.approx(20, abs=0.5)


def shifted(signal: Signal, samples: float) -> Signal:
    """``signal`` later by a fraction of a sample, without the ends that wrapped around."""
    spectrum = np.fft.rfft(signal)
    turn = np.exp(-2j * np.pi / len(signal) * samples * np.arange(len(spectrum)))
    return np.fft.irfft(spectrum * turn, len(signal)).astype(np.float32)[50:-50]


@pytest.mark.parametrize("delay", [0.1, 0.25, 0.5, 0.9, 1.5, 2.37, 5.33, -0.5, -3.2])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_fraction_of_a_sample_is_undone(delay: float, sign: int) -> None:
    whole = tone(2.0, seed=3)
    reference, estimate = whole[50:-50], sign * shifted(whole, delay)
    value = SiSdrAligned().score_pair(reference, estimate, RATE).value
    assert value is not None
    assert value > 60
    found = Delay().score_pair(reference, estimate, RATE).value
    assert found == pytest.approx(delay / 16, abs=1e-4)


@pytest.mark.parametrize("path", [0, 16, 32])
def test_a_fraction_is_undone_on_real_speech(shared_data: Path, path: int) -> None:
    files = sorted((shared_data / "LibriSpeech" / "test-mini").rglob("*.flac"))
    whole = audio.read(files[path]).samples[0]
    for delay in (0.1, 0.5, 5.33):
        value = SiSdrAligned().score_pair(whole[50:-50], shifted(whole, delay), RATE).value
        assert value is not None
        assert value > 60


def test_noise_and_a_lowpass_do_not_pull_the_delay() -> None:
    whole = tone(2.0, seed=3)
    spectrum = np.fft.rfft(whole)
    spectrum[int(0.5 * len(spectrum)) :] = 0
    low = np.fft.irfft(spectrum, len(whole))
    estimate = noisy(shifted(low, 1.3), 0.02)
    found = Delay().score_pair(whole[50:-50], estimate, RATE).value
    assert found == pytest.approx(1.3 / 16, abs=0.05 / 16)


def test_delay_of_unrelated_signals_is_undefined() -> None:
    one, other = (np.random.default_rng(seed).standard_normal(RATE).astype("f4") for seed in (1, 2))
    assert_no_value(Delay().score_pair(one, other, RATE), "undefined", "hardly correlate")
    half = 0.5 * one + 0.5 * other
    assert Delay().score_pair(one, half, RATE).value == pytest.approx(0, abs=1e-3)


def test_a_delay_beyond_the_limit_is_no_delay_and_costs_si_sdr() -> None:
    bump = np.exp(-((np.linspace(-3, 5, 2 * RATE)) ** 2))
    late = np.pad(bump, (4000, 0))[: 2 * RATE]
    assert_no_value(Delay().score_pair(bump, late, RATE), "undefined", "no delay within 100 ms")
    left = SiSdrAligned().score_pair(bump, late, RATE).value
    assert left is not None
    assert left < 20


def test_what_aligns_by_itself_gets_the_end_of_a_late_estimate() -> None:
    clean = tone(2.0)
    value = SiSdrAligned().score_pair(clean, np.pad(clean, (1000, 0)), RATE).value
    assert value is not None
    assert value > 100


def test_pesq_gets_the_end_of_a_late_estimate(shared_data: Path) -> None:
    path = sorted((shared_data / "LibriSpeech" / "test-mini").rglob("*.flac"))[0]
    clean = audio.read(path, length_s=6.0).samples[0]
    best = PesqWb().score_pair(clean, clean, RATE).value
    assert PesqWb().score_pair(clean, np.pad(clean, (1000, 0)), RATE).value == best


@spectral
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 1000), level=st.floats(1e-4, 1.0))
def test_distances_are_symmetric_and_zero_for_the_same(
    metric: PairMetric, seed: int, level: float
) -> None:
    clean = tone(0.2, seed=seed)
    other = noisy(clean, level, seed)
    forth = metric.score_pair(clean, other, RATE).value
    back = metric.score_pair(other, clean, RATE).value
    assert forth is not None
    assert forth > 0
    assert forth == pytest.approx(back, rel=1e-12)
    assert metric.score_pair(clean, clean, RATE).value == 0.0


@spectral
def test_more_noise_is_farther(metric: PairMetric) -> None:
    clean = tone(1.0)
    values = [metric.score_pair(clean, noisy(clean, x), RATE).value for x in (0.003, 0.03, 0.3)]
    assert values == sorted(values, key=lambda one: one or 0)
    assert len(set(values)) == 3


class _Failing(PairMetric):
    def __init__(self) -> None:
        self.info = MelDacPaper().info

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        raise ZeroDivisionError("somewhere\ndeep inside")


class _Leaving(_Failing):
    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        sys.exit(0)


class _Full(_Failing):
    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        raise MemoryError


class _NotANumber(_Failing):
    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return math.nan


def test_an_exception_is_an_error_with_its_type_and_message_on_one_line() -> None:
    score = _Failing().score_pair(tone(0.2), tone(0.2), RATE)
    assert_no_value(score, "error", "ZeroDivisionError: somewhere deep inside")
    for metric, reason in (
        (_NotANumber(), "metric 'mel_dac_paper' returned nan"),
        (_Leaving(), "SystemExit: 0"),
        (_Full(), "MemoryError"),
    ):
        assert_no_value(metric.score_pair(tone(0.2), tone(0.2), RATE), "error", reason)


def test_all_metrics_of_a_clip_resample_once_per_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    real = audio.resample

    def counting(waveform: Waveform, sample_rate: int) -> Waveform:
        if waveform.sample_rate != sample_rate:
            calls.append((waveform.sample_rate, sample_rate))
        return real(waveform, sample_rate)

    monkeypatch.setattr(base.audio, "resample", counting)
    clean = tone(1.5, 24000)
    names = ["pesq_wb", "stoi", "estoi", "pesq_nb", "mel_dac_paper"]
    scores = score_clip(names, reconstruction(clean, noisy(clean), rate=24000))
    assert sorted(calls) == sorted([(24000, 16000)] * 2 + [(24000, 8000)] * 2)
    assert list(scores) == names
    alone = load_metric("pesq_wb").score(reconstruction(clean, noisy(clean), rate=24000))
    assert scores["pesq_wb"] == alone


def test_a_plugin_that_raises_costs_its_own_score_only() -> None:
    class Broken:
        info = StftDistance().info

        def score(self, reconstruction: Reconstruction) -> Score:
            raise KeyError("no such thing")

    clean = tone(0.2)
    metrics = {"broken": opened(Broken(), "broken"), "mel": opened(MelDacPaper(), "mel")}
    scores = score_audio(metrics, reconstruction(clean, clean))
    assert_no_value(scores["broken"], "error", "KeyError")
    assert scores["mel"].value == 0.0


def test_prepared_pair_has_equal_lengths() -> None:
    pair = PreparedPair(Waveform(tone(1.0)[None], RATE), Waveform(tone(1.01, 24000)[None], 24000))
    for rate in (None, 8000, 48000):
        reference, estimate = pair.at(rate, mono=True)
        assert reference.samples.shape == estimate.samples.shape
        assert reference.sample_rate == estimate.sample_rate == (rate or RATE)


@every_metric
def test_fingerprints_name_the_metric_and_are_stable(metric: PairMetric) -> None:
    assert metric.info.fingerprint == type(metric)().info.fingerprint  # type: ignore[call-arg]
    assert str(metric.info.fingerprint).startswith(metric.info.name + ";")
    assert "resampler=soxr-HQ" in metric.info.fingerprint.parts


def test_listing_metrics_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from snac_eval.registry import plugins\n"
        "infos = [plugins.metric(name).info for name in plugins.metric_names()]\n"
        "assert len(infos) >= 20\n"
        "heavy = ('torch', 'scipy', 'pandas', 'pesq', 'pystoi', 'visqol', 'numba', 'soxr')\n"
        "print(*[name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
