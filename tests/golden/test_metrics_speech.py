"""PESQ, STOI, ViSQOL and SI-SDR against the packages and known ceilings. Kernels that are ours
stand against the packages in ``test_metric_kernels``.

The synthetic clip makes them run anywhere; where a speech corpus lies beside the checkout, real
speech is scored too.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from snac_eval import audio
from snac_eval.api import load_codec
from snac_eval.metrics import _visqol
from snac_eval.metrics import visqol as visqol_module
from snac_eval.metrics.base import PairMetric
from snac_eval.metrics.pesq import PesqNb, PesqWb, _parts, _quietest, num_bursts
from snac_eval.metrics.stoi import Estoi, Stoi
from snac_eval.metrics.visqol import VisqolAudio, VisqolSpeech, VisqolSpeechPolynomial
from snac_eval.metrics.waveform import SiSdr
from snac_eval.types import Waveform
from tests.conftest import tone

Signal = NDArray[np.float32]
RATE = 16000


def noisy(signal: Signal, snr_db: float, seed: int = 1) -> Signal:
    noise = np.random.default_rng(seed).standard_normal(signal.size)
    return (signal + noise * signal.std() * 10 ** (-snr_db / 20)).astype(np.float32)


@pytest.fixture(params=["synthetic", "LibriSpeech"])
def speech(request: pytest.FixtureRequest) -> Signal:
    """Four seconds at 16 kHz."""
    if request.param == "synthetic":
        return tone(4.0, seed=3)
    root: Path = request.getfixturevalue("shared_data")
    path = sorted((root / "LibriSpeech" / "test-mini").rglob("*.flac"))[0]
    return audio.read(path, length_s=4.0).samples[0]


def value(metric: PairMetric, reference: Signal, estimate: Signal, rate: int = RATE) -> float:
    score = metric.score_pair(reference, estimate, rate, domain="speech")
    assert score.status == "ok", score.reason
    assert score.value is not None
    return score.value


def test_pesq_equals_the_package(speech: Signal) -> None:
    import pesq

    estimate = noisy(speech, 20)
    expected = pesq.pesq(RATE, speech, estimate, "wb")
    assert value(PesqWb(), speech, estimate) == pytest.approx(expected, abs=1e-6)
    sides = [audio.resample(Waveform(x[None], RATE), 8000).samples[0] for x in (speech, estimate)]
    expected = pesq.pesq(8000, *sides, "nb")
    assert value(PesqNb(), speech, estimate) == pytest.approx(expected, abs=1e-6)


def test_estoi_repeats_and_leaves_the_global_generator_alone() -> None:
    clean = tone(2.0)
    estimate = noisy(clean, 10)
    np.random.seed(5)
    untouched = np.random.random(3)
    np.random.seed(5)
    first = value(Estoi(), clean, estimate)
    np.testing.assert_array_equal(np.random.random(3), untouched)
    assert value(Estoi(), clean, estimate) == first


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0, 60.0])
def test_si_sdr_equals_torchmetrics(speech: Signal, snr_db: float) -> None:
    import torch
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

    estimate = noisy(speech, snr_db) + np.float32(0.05)
    sides = [torch.from_numpy(one).double() for one in (estimate, speech)]
    expected = scale_invariant_signal_distortion_ratio(*sides, zero_mean=True)
    assert value(SiSdr(), speech, estimate) == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize(
    ("metric", "ceiling"),
    [(PesqWb(), 4.6439), (PesqNb(), 4.5486), (Stoi(), 1.0), (Estoi(), 1.0)],
    ids=lambda one: getattr(one, "info", None) and one.info.name,
)
def test_identical_signals_reach_the_ceiling(
    speech: Signal, metric: PairMetric, ceiling: float
) -> None:
    assert value(metric, speech, speech) == pytest.approx(ceiling, abs=2e-4)


def test_visqol_audio_ceiling_and_order() -> None:
    clean = tone(1.5, 48000)
    identical = value(VisqolAudio(), clean, clean, 48000)
    assert identical == pytest.approx(4.732, abs=1e-3)
    worse = [value(VisqolAudio(), clean, noisy(clean, snr), 48000) for snr in (40, 20)]
    assert identical > worse[0] > worse[1] >= 1


def test_polynomial_mapper_is_another_metric(speech: Signal) -> None:
    assert value(VisqolSpeechPolynomial(), speech, speech) == pytest.approx(5.0, abs=1e-3)
    assert VisqolSpeechPolynomial().info.fingerprint != VisqolSpeech().info.fingerprint


def test_visqol_speech_falls_with_noise(speech: Signal) -> None:
    scores = [value(VisqolSpeech(), speech, noisy(speech, snr)) for snr in (80, 45, 30)]
    assert scores[0] > scores[1] > scores[2] >= 1
    assert 3.5 < value(VisqolSpeech(), speech, speech) < 4.8


@pytest.mark.parametrize(
    "metric",
    [PesqWb(), PesqNb(), Stoi(), Estoi(), VisqolSpeechPolynomial()],
    ids=lambda one: one.info.name,
)
def test_a_floor_lies_between_a_lost_clip_and_a_poor_codec(
    metric: PairMetric, shared_data: Path
) -> None:
    files = sorted((shared_data / "LibriSpeech" / "test-mini").rglob("*.flac"))
    clips = [audio.read(files[index], length_s=4.0).samples[0] for index in (0, 12, 24)]
    floor = metric.info.floor
    assert floor is not None
    codec = load_codec("opus_6kbps")
    lost, heard = [], []
    for clip, other in zip(clips, clips[1:] + clips[:1], strict=True):
        lost += [value(metric, clip, np.ascontiguousarray(one)) for one in (other, clip[::-1])]
        poor = codec.decode(codec.encode([audio.resample(Waveform(clip[None], RATE), 24000)]), [0])
        estimate = audio.fit_length(audio.resample(poor[0], RATE), clip.size).samples[0]
        heard.append(value(metric, clip, estimate))
    assert np.median(lost) < floor < min(heard)


def test_visqol_without_the_lattice_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = tone(1.0)
    visqol_module._measurer.cache_clear()
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    score = VisqolSpeech().score_pair(clean, clean, RATE)
    assert (score.value, score.status) == (None, "error")
    assert "pip install 'visqol-python[lattice]'" in score.reason


def test_pesq_without_utterances_is_undefined() -> None:
    blip = np.zeros(2 * RATE, np.float32)
    blip[RATE : RATE + 1600] = bursts(1)[:1600]
    score = PesqWb().score_pair(blip, noisy(blip, 10), RATE)
    assert (score.value, score.status) == (None, "undefined")
    assert "no speech" in score.reason


def test_stoi_of_mostly_silence_is_undefined() -> None:
    mostly = np.zeros(3 * RATE, np.float32)
    mostly[:3000] = tone(1.0)[2000:5000]
    for metric in (Stoi(), Estoi()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            score = metric.score_pair(mostly, noisy(mostly, 10), RATE)
        assert (score.value, score.status) == (None, "undefined")
        assert "frames" in score.reason


def bursts(count: int, on_s: float = 0.3, period_s: float = 0.7) -> Signal:
    """Separate bursts: 60 of them would crash PESQ's native code."""
    one = np.zeros(int(period_s * RATE), np.float32)
    time = np.arange(int(on_s * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 130 * k * time + k * k) / k for k in range(1, 25))
    one[: time.size] = 0.1 * voice
    return np.tile(one, count)


def test_pesq_scores_whole_what_the_package_can_hold() -> None:
    import pesq

    clean = bursts(44)
    assert clean.size > 30 * RATE
    assert num_bursts(clean[: 38 * 11200], RATE) == 38
    estimate = noisy(clean, 20)
    whole = clean[: 38 * 11200], estimate[: 38 * 11200]
    expected = pesq.pesq(RATE, *whole, "wb")
    assert value(PesqWb(), *whole) == pytest.approx(expected, abs=1e-6)
    cut = _quietest(clean, RATE)
    halves = [slice(cut), slice(cut, None)]
    scores = [pesq.pesq(RATE, clean[half], estimate[half], "wb") for half in halves]
    expected = np.average(scores, weights=[cut, clean.size - cut])
    assert value(PesqWb(), clean, estimate) == pytest.approx(expected, abs=1e-6)


def test_pesq_survives_the_bursts_that_crash_the_package() -> None:
    clean = bursts(60, on_s=0.25, period_s=0.5)
    assert num_bursts(clean, RATE) == 60
    assert value(PesqWb(), clean, clean) == pytest.approx(4.6439, abs=1e-3)
    assert 1 < value(PesqWb(), clean, noisy(clean, 10)) < 4


def test_bursts_are_counted_as_p862_joins_and_drops_them() -> None:
    assert num_bursts(bursts(5), RATE) == 5
    assert num_bursts(bursts(5, on_s=0.3, period_s=0.45), RATE) == 1
    assert num_bursts(bursts(5, on_s=0.1, period_s=0.7), RATE) == 0
    soft = bursts(6)
    soft[: soft.size // 2] *= np.float32(0.02)
    assert num_bursts(soft, RATE) == 6


def test_pesq_cuts_long_clips_in_a_pause() -> None:
    clean = bursts(200)
    parts = list(_parts(clean, clean, RATE))
    assert len(parts) > 2
    assert sum(len(one) for one, _ in parts) == clean.size
    assert all(num_bursts(one, RATE) <= 40 for one, _ in parts)
    assert all(not one[:800].any() for one, _ in parts[1:])


def test_pesq_leaves_silent_parts_out_but_not_dropouts() -> None:
    clean = np.concatenate([bursts(40), np.zeros(65 * RATE, np.float32)])
    assert value(PesqWb(), clean, clean) == pytest.approx(4.6439, abs=1e-3)
    whole = bursts(130)
    dropped = whole.copy()
    dropped[45 * RATE :] = 0
    score = PesqWb().score_pair(whole, dropped, RATE)
    assert (score.value, score.status) == (None, "error")
    assert "silent in a part of the clip" in score.reason


def test_visqol_scores_music_as_one_clip() -> None:
    clean = audio.speech_like(16 * 48000, 48000).samples[0]
    estimate = noisy(clean, 30)
    sides = clean.astype(np.float64), estimate.astype(np.float64)
    measurer = visqol_module._measurer("audio", "svr")
    with threadpool_limits(1, "openmp"):  # with more, the package's last digits are luck
        expected = measurer.measure_from_arrays(*sides, 48000).moslqo
    assert value(VisqolAudio(), clean, estimate, 48000) == expected


def test_visqol_by_blocks_is_visqol_of_the_whole(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted((shared_data / "LibriSpeech" / "test-mini").rglob("*.flac"))
    clean = np.concatenate([audio.read(path).samples[0] for path in files[:3]])[: 24 * RATE]
    late = np.pad(noisy(clean, 25), (400, 0))
    metric = VisqolSpeechPolynomial()
    whole = value(metric, clean, late)
    monkeypatch.setattr(_visqol, "WHOLE_S", 10.0)
    monkeypatch.setattr(_visqol, "BLOCK_S", 8.0)
    assert value(metric, clean, late) == pytest.approx(whole, abs=2e-3)


@pytest.mark.parametrize("metric", [VisqolSpeech(), VisqolSpeechPolynomial()])
def test_visqol_of_speech_does_not_depend_on_the_level(speech: Signal, metric: PairMetric) -> None:
    estimate = noisy(speech, 35)
    expected = value(metric, speech, estimate)
    for gain in (4.0, 0.01, 0.001):
        loud = np.float32(gain) * speech, np.float32(gain) * estimate
        assert value(metric, *loud) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("metric", [VisqolSpeech(), VisqolSpeechPolynomial()])
def test_visqol_of_speech_tells_quiet_noise_from_speech(metric: PairMetric) -> None:
    speech, rng = tone(4.0, seed=3), np.random.default_rng(0)
    quiet = [1e-4 * rng.standard_normal(speech.size).astype(np.float32) for _ in range(2)]
    assert value(metric, *quiet) < 2
    assert value(metric, np.float32(1e-3) * speech, quiet[0]) < 2


@pytest.mark.parametrize("seed", range(3))
def test_quick_voice_detection_is_the_packages_own(seed: int) -> None:
    from visqol.audio_utils import AudioSignal
    from visqol.patch_creator import VadPatchCreator

    from snac_eval.metrics._visqol_own import quick_voice_detection

    quick = quick_voice_detection()(20)
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0, 1.0, 12) ** 2, 5 * 320)[:-7]
    signal = AudioSignal(loudness * rng.standard_normal(loudness.size), 16000)
    results = [
        creator._get_voice_activity(signal, 9, signal.data.size, 320)
        for creator in (quick, VadPatchCreator(quick.patch_size))
    ]
    assert results[0] == results[1]
    assert set(results[0]) == {0.0, 1.0}
