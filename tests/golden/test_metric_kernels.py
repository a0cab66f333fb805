"""Our kernels of ViSQOL, STOI and ESTOI give the packages' values to the bit, on odd input too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from visqol import VisqolApi, numba_accel, patch_selector
from visqol.alignment import align_and_truncate
from visqol.audio_utils import AudioSignal
from visqol.gammatone import GammatoneSpectrogramBuilder
from visqol.nsim import measure_patch_similarity
from visqol.signal_utils import find_best_lag, upper_envelope

from snac_eval import audio
from snac_eval.metrics import _gammatone, _lag, _stoi, _visqol, _visqol_own
from snac_eval.metrics import stoi as stoi_module
from snac_eval.metrics.base import PairMetric
from snac_eval.metrics.level import active_level_db
from snac_eval.metrics.stoi import Estoi, Stoi
from snac_eval.metrics.visqol import VisqolAudio, VisqolSpeech, VisqolSpeechPolynomial
from snac_eval.types import Score
from tests.conftest import tone

Signal = NDArray[np.float32]
Pair = tuple[Signal, Signal, int]
SEEDS = st.integers(0, 2**32 - 1)


def noisy(signal: Signal, snr_db: float = 20, seed: int = 1) -> Signal:
    noise = np.random.default_rng(seed).standard_normal(signal.size)
    return (signal + noise * signal.std() * 10 ** (-snr_db / 20)).astype(np.float32)


def delayed(by: int) -> Pair:
    clean = tone(2.0, seed=2)
    return clean, noisy(np.roll(clean, by)), 16000


def at_rate(rate: int) -> Pair:
    clean = tone(1.6, rate, seed=rate)
    return clean, noisy(clean), rate


def with_silent_ends() -> Pair:
    clean = tone(3.0, seed=4)
    clean[:12000] = 0
    clean[-9000:] = 0
    return clean, noisy(clean), 16000


def with_a_hole() -> Pair:
    clean = tone(3.0, seed=5)
    lost = noisy(clean, 35)
    lost[15000:30000] = 0
    return clean, lost, 16000


def longer_and_shorter(by: int) -> Pair:
    clean = tone(2.0, seed=6)
    changed = noisy(np.pad(clean, (0, by)) if by > 0 else clean[:by])
    return clean, changed, 16000


def pure_tone() -> Pair:
    time = np.arange(2 * 16000) / 16000
    steady = (0.3 * np.sin(2 * np.pi * 625 * time)).astype(np.float32)
    return steady, np.float32(0.5) * steady, 16000


def stepped() -> Pair:
    """Equal frames, in which correlations have no spread."""
    square = np.where(np.arange(32000) % 128 < 64, 0.5, -0.5).astype(np.float32)
    return square, -square, 16000


def swapped() -> Pair:
    clean = tone(2.4, seed=7)
    return clean, np.concatenate([clean[20000:], clean[:20000]]), 16000


ODD: dict[str, Callable[[], Pair]] = {
    **{f"{rate} Hz": lambda rate=rate: at_rate(rate) for rate in (8000, 48000)},
    **{f"delay {by}": lambda by=by: delayed(by) for by in (37, 9000)},
    **{f"length {by}": lambda by=by: longer_and_shorter(by) for by in (700, -13)},
    "silent ends": with_silent_ends,
    "hole": with_a_hole,
    "too short": lambda: (tone(0.3), noisy(tone(0.3)), 16000),
    "all-zero estimate": lambda: (tone(1.0), np.zeros(16000, np.float32), 16000),
    "offset": lambda: (tone(1.5) + np.float32(0.2), noisy(tone(1.5)) - np.float32(0.4), 16000),
    "quiet": lambda: (np.float32(1e-3) * tone(1.5), np.float32(2e-3) * noisy(tone(1.5)), 16000),
    "inverted": lambda: (tone(1.5), -tone(1.5), 16000),
    "unlike": lambda: (tone(1.5), noisy(np.zeros(24000, np.float32) + tone(1.5), -40), 16000),
    "pure tone": pure_tone,
    "stepped": stepped,
    "swapped": swapped,
}


def by_the_packages(
    monkeypatch: pytest.MonkeyPatch, metric: PairMetric, pair: Pair
) -> tuple[Score, Score]:
    """The score by our kernels, and by the packages' own code."""
    own = metric.score_pair(*pair)
    with monkeypatch.context() as patch:
        patch.setattr(_visqol, "agrees", lambda: False)
        patch.setattr(_stoi, "agrees", lambda: False)
        return own, metric.score_pair(*pair)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", list(ODD))
def test_odd_input_scores_as_by_the_packages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for metric in (Stoi(), Estoi(), VisqolSpeech(), VisqolSpeechPolynomial(), VisqolAudio()):
        own, package = by_the_packages(monkeypatch, metric, ODD[name]())
        assert own == package


@pytest.mark.parametrize("kind", ["LibriSpeech/test-mini", "music"])
def test_real_clips_score_as_by_the_packages(
    kind: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [one for one in sorted((shared_data / kind).rglob("*")) if one.suffix != ".txt"]
    for path in [one for one in files if one.is_file()][:2]:
        clip = audio.to_mono(audio.read(path, length_s=3.0))
        pair = clip.samples[0], noisy(clip.samples[0], 25), clip.sample_rate
        for metric in (Stoi(), Estoi(), VisqolSpeech(), VisqolAudio()):
            own, package = by_the_packages(monkeypatch, metric, pair)
            assert own == package
            assert own.status == "ok"


@pytest.mark.parametrize(
    ("metric", "mapper"),
    [(VisqolSpeech(), "lattice"), (VisqolSpeechPolynomial(), "polynomial")],
    ids=["lattice", "polynomial"],
)
def test_the_value_is_that_of_the_packages_front_door(metric: PairMetric, mapper: str) -> None:
    clean = tone(2.0, seed=8)
    estimate = noisy(np.roll(clean, 5), 25)
    api = VisqolApi()
    api.create(mode="speech", use_lattice_model=mapper == "lattice")
    gain = 10 ** ((-26 - active_level_db(clean, 16000)) / 20)
    sides = [gain * one.astype(np.float64) for one in (clean, estimate)]
    expected = api.measure_from_arrays(*sides, 16000).moslqo
    assert metric.score_pair(clean, estimate, 16000).value == expected


def test_blocks_of_a_long_clip_score_as_by_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_visqol, "WHOLE_S", 3.0)
    monkeypatch.setattr(_visqol, "BLOCK_S", 2.0)
    monkeypatch.setattr(_visqol, "AROUND_S", 0.5)
    clean = tone(7.0, seed=9)
    own, package = by_the_packages(
        monkeypatch, VisqolSpeech(), (clean, noisy(np.roll(clean, 50)), 16000)
    )
    assert own == package


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 21), st.sampled_from([800, 8000, 16000]), st.integers(-6, 2))
def test_levels_are_the_packages(seed: int, bands: int, rate: int, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    window = visqol_window(rate)
    size = int(rng.integers(window.size + 1, 4 * window.size))
    samples = rng.standard_normal(size) * 10.0**exponent
    samples[rng.random(size) < 0.3] = 0
    builder = GammatoneSpectrogramBuilder(bands, 50.0, speech_mode=False)
    expected = builder.build(AudioSignal(samples, rate), window).data
    bank = _gammatone.filter_bank(rate, bands, 50.0, rate / 2)
    starts = np.arange(expected.shape[1]) * window.hop_size
    found = _gammatone.levels(samples, starts, window.hann_window, bank, bands)
    np.testing.assert_array_equal(found, expected)


def visqol_window(rate: int) -> patch_selector.AnalysisWindow:
    return patch_selector.AnalysisWindow(rate, 0.25)


@settings(max_examples=40, deadline=None)
@given(
    SEEDS, st.integers(2, 5), st.integers(2, 6), st.integers(1, 5), st.integers(1, 30),
    st.integers(0, 6), st.sampled_from([1.0, 20.0]),
)  # fmt: skip
def test_patches_are_matched_as_by_the_package(
    seed: int, bands: int, size: int, count: int, frames: int, reach: int, step: float
) -> None:
    """Spectra of few values, so that many patches are equally like many frames."""
    from snac_eval.metrics._nsim import similarities

    rng = np.random.default_rng(seed)
    reference = step * rng.integers(0, 3, (bands, size * count + 4)).astype(float)
    estimate = step * rng.integers(0, 3, (bands, frames)).astype(float)
    begins = np.arange(count) * size
    begins = begins[begins < frames]
    first, last = np.maximum(0, begins - reach), np.minimum(frames - 1, begins + reach)
    like = similarities(reference, begins, size, estimate, first, last)
    constants = numba_accel._GW, numba_accel._C1, numba_accel._C3
    patches = np.array([reference[:, one : one + size] for one in begins])
    candidates = numba_accel._build_all_deg_patches(estimate, bands, size)
    limits = len(begins), frames, reach
    total, before = numba_accel._dp_forward_pass(patches, candidates, begins, *limits, *constants)
    path = numba_accel._dp_backtrace(total, before, begins, *limits)
    np.testing.assert_array_equal(like[0], total[0])
    for index, begin in enumerate(begins):
        for frame in range(first[index], last[index] + 1):
            one = measure_patch_similarity(reference[:, begin : begin + size], candidates[frame])
            assert like[index, frame] == one.similarity
    lost = [before[index, frame] == frame for index, frame in enumerate(path)]
    assert _visqol_own._best_path(like, first, last) == list(zip(path, lost, strict=True))


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.integers(2, 40), st.integers(2, 40), st.sampled_from(["noise", "few", "period"]))
@example(211, 21, 2, "period")  # whose envelope is zero but for rounding
def test_lags_are_the_packages(seed: int, one: int, two: int, kind: str) -> None:
    """Signals of few values and of short periods have lags that are equally good."""
    rng = np.random.default_rng(seed)
    sides = []
    for size in (one, two):
        if kind == "noise":
            sides.append(rng.standard_normal(size) + rng.normal())
        elif kind == "few":
            sides.append(rng.integers(-1, 2, size).astype(float))
        else:
            sides.append(np.resize(rng.integers(-1, 2, 3), size).astype(float))
    expected = find_best_lag(*(upper_envelope(side) for side in sides))
    assert _lag.best_lag(*sides) == expected


def test_a_lag_is_the_packages_where_rounding_would_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = _lag._package_lag
    monkeypatch.setattr(_lag, "_package_lag", lambda *sides: asked.append(1) or real(*sides))
    silent = np.zeros(100)
    assert _lag.best_lag(silent, silent) == find_best_lag(silent, silent)
    assert len(asked) == 1
    rng = np.random.default_rng(0)
    _lag.best_lag(rng.standard_normal(100), rng.standard_normal(100))
    assert len(asked) == 1


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from([8000, 44100, 48000]))
def test_parts_overlap_as_in_the_package_and_know_their_place(seed: int, rate: int) -> None:
    rng = np.random.default_rng(seed)
    wholes = [AudioSignal(rng.standard_normal(rng.integers(60, 90)), rate) for _ in range(2)]
    times = [sorted(rng.uniform(0, 100, 2)) for _ in wholes]
    cuts = [
        _visqol_own._cut(one, a / rate, b / rate) for one, (a, b) in zip(wholes, times, strict=True)
    ]
    if min(one.samples.size for one in cuts) < 2:
        return
    lag = _visqol_own._limited_lag(*(one.samples for one in cuts))
    found = _visqol_own._overlap(*cuts, lag, rate)
    *expected, lag_s = align_and_truncate(*(AudioSignal(one.samples, rate) for one in cuts))
    assert lag / rate == lag_s
    for whole, one, other in zip(wholes, found, expected, strict=True):
        np.testing.assert_array_equal(one.samples, other.data)
        if one.start is not None:
            part = whole.data[one.start : one.start + one.samples.size]
            np.testing.assert_array_equal(one.samples, part)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 31, 32, 6397, 6400])
def test_envelopes_are_the_packages_but_for_rounding(size: int) -> None:
    samples = np.random.default_rng(size).standard_normal(size) + 0.3
    ((magnitude, mean),) = _lag._envelopes(samples)
    np.testing.assert_allclose(magnitude + mean, upper_envelope(samples), atol=1e-13)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(4000, 9000), st.sampled_from([10000, 16000]), st.integers(-5, 1))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_stoi_and_estoi_are_the_packages(seed: int, size: int, rate: int, exponent: int) -> None:
    from pystoi import stoi

    rng = np.random.default_rng(seed)
    reference = (rng.standard_normal(size) * 10.0**exponent).astype(np.float32)
    reference[rng.integers(size) :][: rng.integers(3000)] = 0
    estimate = (reference + rng.standard_normal(size) * 10.0**exponent).astype(np.float32)
    bands = _stoi.third_octaves(reference, estimate, rate)
    expected = stoi(reference, estimate, rate)
    assert (bands is None) == (expected == 1e-5)
    if bands is not None:
        assert _stoi.stoi(bands) == expected
        np.random.seed(seed)
        assert _stoi.estoi(bands, seed) == stoi(reference, estimate, rate, extended=True)


def test_noise_goes_on_where_the_kept_numbers_end(monkeypatch: pytest.MonkeyPatch) -> None:
    _stoi._drawn.cache_clear()
    monkeypatch.setattr(_stoi, "_NOISE_KEPT", 1001)
    expected = np.finfo(float).eps * np.random.RandomState(3).standard_normal(2500)
    for count in (10, 1001, 1002, 2500):
        np.testing.assert_array_equal(_stoi._noise(3, count), expected[:count])
    _stoi._drawn.cache_clear()


def test_what_has_no_value_is_no_perfect_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stoi, "stoi", lambda bands: float("nan"))
    score = Stoi().score_pair(tone(1.0), noisy(tone(1.0)), 16000)
    assert (score.value, score.status) == (None, "error")


def test_a_pair_on_the_frames_of_the_whole_is_filtered_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns: list[int] = []
    real = _gammatone.levels

    def levels(samples: NDArray[np.float64], starts: NDArray[np.int64], *rest: object) -> object:
        columns.append(starts.size)
        return real(samples, starts, *rest)

    monkeypatch.setattr(_gammatone, "levels", levels)
    clean = tone(4.0, seed=3)
    assert VisqolSpeech().score_pair(clean, noisy(clean, 30), 16000).status == "ok"
    assert columns == [197, 197]


def refuse(*_: object) -> None:
    raise AssertionError("our kernel, beside a package that it was not held against")


def test_beside_another_visqol_its_own_code_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = tone(1.5)
    pair = clean, noisy(clean), 16000
    expected = VisqolSpeech().score_pair(*pair)
    monkeypatch.setattr(_visqol, "OwnSteps", refuse)
    assert "our kernel" in VisqolSpeech().score_pair(*pair).reason
    monkeypatch.setattr(_visqol_own, "installed", lambda package: "3.9.0")
    assert VisqolSpeech().score_pair(*pair) == expected


def test_beside_another_pystoi_its_own_code_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = tone(1.5)
    pair = clean, noisy(clean), 16000
    expected = [metric.score_pair(*pair) for metric in (Stoi(), Estoi())]
    monkeypatch.setattr(_stoi, "third_octaves", refuse)
    assert "our kernel" in Stoi().score_pair(*pair).reason
    monkeypatch.setattr(_stoi, "installed", lambda package: "0.4.2")
    assert [metric.score_pair(*pair) for metric in (Stoi(), Estoi())] == expected
    assert stoi_module._stoi is _stoi


def test_without_numba_the_packages_own_code_is_taken() -> None:
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "from snac_eval.metrics.visqol import VisqolSpeech\n"
        "from tests.conftest import tone\n"
        "clean = tone(0.8)\n"
        "print(VisqolSpeech().score_pair(clean, clean[::-1].copy(), 16000).value)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    clean = tone(0.8)
    expected = VisqolSpeech().score_pair(clean, clean[::-1].copy(), 16000).value
    assert float(done.stdout) == pytest.approx(expected, abs=1e-9)
