"""Metrics whose networks predict opinions, with substitutes of the same interface.

DistillMOS, whose weights come in its wheel, scores speech.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from snac_eval import audio
from snac_eval.errors import WeightsUnavailable
from snac_eval.metrics import audiobox, cdpam, distillmos, nisqa, pieces, scoreq, utmos, web
from snac_eval.metrics.base import PairMetric, PreparedPair
from snac_eval.types import Waveform
from tests import tiny_opinion_models as tiny
from tests.conftest import tone
from tests.file_server import serve

Signal = NDArray[np.float32]
RATE = 16000


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Workers of the suite share the cores; threads that wait for one another burn them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def value(metric: PairMetric, reference: Signal, estimate: Signal, rate: int = RATE) -> float:
    score = metric.score_pair(reference, estimate, rate, domain="speech")
    assert score.status == "ok", score.reason
    assert score.value is not None
    return score.value


def noisy(signal: Signal, level: float = 0.3) -> Signal:
    noise = np.random.default_rng(1).standard_normal(signal.size)
    return (signal + level * signal.std() * noise).astype(np.float32)


def test_a_clip_is_one_piece_until_it_is_too_long() -> None:
    assert pieces.in_pieces(30, 30) == [slice(0, 30)]
    assert pieces.in_pieces(61, 30) == [slice(0, 20), slice(20, 40), slice(40, 61)]
    signal = np.arange(61, dtype=np.float32)

    def first(piece: Signal) -> Any:  # noqa: ANN401
        return np.asarray([piece[0]])

    found = pieces.mean_of_pieces(first, 2, signal)  # 30 s are 60 samples
    assert found == pytest.approx([30 * 31 / 61])


@pytest.fixture
def weights(tmp_path: Path) -> Iterator[tuple[web.WebFile, Path]]:
    """A file that a server here holds, and where it is kept."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "net.tar").write_bytes(b"weights")
    with serve(tmp_path / "served") as (address, _):
        known = f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
        yield web.WebFile(f"{address}/net.tar", "TINY_WEIGHTS", "tiny", known), tmp_path


def test_weights_of_the_web_are_fetched_once_and_checked(
    weights: tuple[web.WebFile, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = weights
    monkeypatch.setenv("SNAC_EVAL_CACHE", str(folder / "cache"))
    assert (model.state, model.digest) == (web.NEEDS_WEIGHTS, "absent")
    assert model.remedy[1] == "TINY_WEIGHTS=DIR, a folder that holds net.tar"
    assert model.get() == folder / "cache" / "weights" / "tiny" / "net.tar"
    assert (model.state, model.remedy) == ("", ())
    assert model.digest == hashlib.sha256(b"weights").hexdigest()[:16]
    (folder / "served" / "net.tar").write_bytes(b"others")
    assert model.get().read_bytes() == b"weights"
    model.get().unlink()
    with pytest.raises(WeightsUnavailable, match=r"checksum differs.*set TINY_WEIGHTS"):
        model.get()
    page = dataclasses.replace(model, known_hash=None, least_bytes=1000)
    with pytest.raises(WeightsUnavailable, match="6 bytes, which are no weights"):
        page.get()
    assert model.state == web.NEEDS_WEIGHTS


def test_weights_of_a_folder_that_the_user_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TINY_WEIGHTS", str(tmp_path))
    model = web.WebFile("https://nowhere.invalid/net.onnx", "TINY_WEIGHTS", "tiny")
    assert model.state == web.NEEDS_WEIGHTS
    with pytest.raises(WeightsUnavailable, match=r"no such file \(see TINY_WEIGHTS\)"):
        model.get()
    (tmp_path / "net.onnx").touch()
    assert model.get() == tmp_path / "net.onnx"


@pytest.fixture
def tiny_utmos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of its weights."""
    pytest.importorskip("utmos_pytorch", reason="needs the extra utmos")
    tiny.shrink_utmos(monkeypatch)
    monkeypatch.setenv("SNAC_EVAL_UTMOS_WEIGHTS", str(tmp_path))
    utmos.MODEL.__dict__.pop("folder", None)
    with pytest.warns(FutureWarning):
        file = tiny.save_utmos(tmp_path)
    yield file
    utmos.MODEL.__dict__.pop("folder", None)


def test_utmos_equals_the_package_and_long_clips_are_cut(
    tiny_utmos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from utmos_pytorch import UTMOSScoreTorch

    metric, signal = utmos.Utmos(), tone(1.0)
    with pytest.warns(FutureWarning):
        package = UTMOSScoreTorch(str(tiny_utmos))
    halves = [float(package.score(torch.from_numpy(part))) for part in np.split(signal, 2)]
    whole = float(package.score(torch.from_numpy(signal)))
    assert value(metric, tone(1.0, seed=2), signal) == pytest.approx(whole, abs=1e-5)
    assert whole != pytest.approx(np.mean(halves), abs=1e-5)
    monkeypatch.setattr(pieces, "LONGEST_S", 0.5)
    assert value(metric, signal, signal) == pytest.approx(np.mean(halves), abs=1e-5)
    digest = hashlib.sha256(tiny_utmos.read_bytes()).hexdigest()[:16]
    assert f"weights={digest}" in metric.info.fingerprint.parts


def test_utmos_does_not_score_with_weights_left_at_random(tiny_utmos: Path) -> None:
    state = torch.load(tiny_utmos)
    del state["output_layers.1.net.3.bias"]
    torch.save(state, tiny_utmos)
    utmos._network.cache_clear()
    score = utmos.Utmos().score_pair(tone(1.0), tone(1.0), RATE)
    assert score.status == "error"
    assert "no weights of UTMOS: 1 of " in score.reason
    assert "such as output_layers.1.net.3.bias" in score.reason


@pytest.fixture
def tiny_distillmos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The digest of its weights; there is no torchaudio."""
    names = ("distillmos", "distillmos.sqa", "snac_eval.metrics._distillmos")
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    distillmos._network.cache_clear()
    yield tiny.write_distillmos(tmp_path)
    distillmos._network.cache_clear()
    tiny.forget(*names)
    sys.modules.update(kept)


def test_distillmos_looks_at_windows_and_needs_no_torchaudio(tiny_distillmos: str) -> None:
    metric = distillmos.DistillMos()
    assert f"weights={tiny_distillmos}" in metric.info.fingerprint.parts
    signal = tone(1.6, seed=3)
    starts = [int(share * 9600) for share in np.linspace(0, 1, 11)]
    sizes = [np.abs(signal[at : at + 16000]).mean() for at in starts]
    assert value(metric, signal, signal) == pytest.approx(1 + 2 * np.mean(sizes), abs=1e-5)
    seen = sys.modules["distillmos.sqa"].SEEN  # type: ignore[attr-defined]
    assert seen == [(8, 16000), (3, 16000)]
    short = tone(0.5)
    assert value(metric, short, short) == pytest.approx(1 + np.abs(short).sum() / 8000, abs=1e-5)


def test_distillmos_hears_noise_in_speech_as_its_package_does(shared_data: Path) -> None:
    pytest.importorskip("snac_eval.metrics._distillmos", reason="needs the extra distillmos")
    path = sorted((shared_data / "LibriSpeech" / "test-mini").rglob("*.flac"))[0]
    speech = audio.read(path, length_s=7.0).samples[0]
    metric = distillmos.DistillMos()
    network, _, _ = distillmos._network()
    with torch.inference_mode():
        expected = float(network(torch.from_numpy(speech)[None]))
    clean = value(metric, speech, speech)
    assert clean == pytest.approx(expected, abs=1e-4)
    assert value(metric, speech, noisy(speech, 1.0)) < clean - 1


@pytest.fixture
def tiny_nisqa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of its weights."""
    pytest.importorskip("librosa", reason="needs the extra nisqa")
    monkeypatch.setenv("SNAC_EVAL_NISQA_WEIGHTS", str(tmp_path))
    return tiny.save_nisqa(tmp_path)


def test_nisqa_runs_once_for_its_five_scores(
    tiny_nisqa: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchmetrics.functional.audio import nisqa as package

    calls = []
    asked = package.non_intrusive_speech_quality_assessment

    def counted(*arguments: Any) -> Any:  # noqa: ANN401
        calls.append(arguments)
        return torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])

    monkeypatch.setattr(package, "non_intrusive_speech_quality_assessment", counted)
    kinds = {"": nisqa.Nisqa, "_noisiness": nisqa.NisqaNoisiness}
    kinds |= {"_discontinuity": nisqa.NisqaDiscontinuity, "_coloration": nisqa.NisqaColoration}
    kinds |= {"_loudness": nisqa.NisqaLoudness}
    signal = tone(1.0, 24000)
    pair = PreparedPair(*[Waveform(signal[None], 24000)] * 2)
    metrics = [kind() for kind in kinds.values()]
    found = [metric.score_prepared(pair, "speech").value for metric in metrics]
    assert found == [1, 2, 3, 4, 5]
    assert [one.info.name for one in metrics] == [f"nisqa{key}" for key in kinds]
    assert [rate for _, rate in calls] == [24000]
    monkeypatch.setattr(package, "non_intrusive_speech_quality_assessment", asked)
    # Longer than the network takes; the weights are random and their scores may be any.
    scores = nisqa._predict(np.tile(tone(1.0, 8000), 61), 8000)
    assert scores.shape == (5,)
    assert np.isfinite(scores).all()
    assert Path(package.NISQA_DIR) == tiny_nisqa.parent


@pytest.fixture
def tiny_scoreq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra scoreq")
    monkeypatch.setenv("SNAC_EVAL_SCOREQ_WEIGHTS", str(tmp_path))
    for metric in (scoreq.Scoreq, scoreq.ScoreqRef):
        tiny.save_onnx(tmp_path / metric.model.name)


def test_scoreq_asks_a_network_of_one_side_or_of_both(tiny_scoreq: None) -> None:
    reference, estimate = tone(0.5), np.full(8000, 0.75, np.float32)
    estimate[::2] *= -1
    assert value(scoreq.Scoreq(), reference, estimate[:7900]) == pytest.approx(0.75 * 79 / 80)
    distance = value(scoreq.ScoreqRef(), reference, estimate)
    assert distance == pytest.approx(0.75 - np.abs(reference).mean(), abs=1e-6)
    assert value(scoreq.ScoreqRef(), reference, reference) == 0
    missing = scoreq.ScoreqSynthetic()
    assert missing.state() == web.NEEDS_WEIGHTS
    with pytest.raises(WeightsUnavailable, match=r"adapt_nr_synthetic\.onnx"):
        missing.prepare()


def test_audiobox_rates_windows_by_their_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"AesMultiOutput": tiny.TinyAesthetics}
    names = ("audiobox_aesthetics", "audiobox_aesthetics.model", "audiobox_aesthetics.model.aes")
    for name, module in tiny.modules((name, held) for name in names).items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("SNAC_EVAL_AUDIOBOX_WEIGHTS", str(tmp_path))
    (tmp_path / "model.safetensors").touch()
    audiobox.MODEL.__dict__.pop("folder", None)
    signal = tone(12.0)
    pair = PreparedPair(*[Waveform(signal[None], RATE)] * 2)
    kinds = (audiobox.AudioboxEnjoyment, audiobox.AudioboxUsefulness)
    kinds += (audiobox.AudioboxComplexity, audiobox.AudioboxQuality)  # type: ignore[assignment]
    metrics = [kind() for kind in kinds]
    found = [metric.score_prepared(pair, "music").value for metric in metrics]
    size = np.abs(signal).mean()
    assert found == pytest.approx([2 * size + index for index in range(4)], abs=1e-6)
    assert [one.info.higher_is_better for one in metrics] == [True, True, None, True]
    assert audiobox._network(tmp_path).shapes == [(1, 1, 160000)] * 2
    audiobox._network.cache_clear()
    audiobox.MODEL.__dict__.pop("folder", None)


def test_cdpam_compares_16_bit_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = (("cdpam", {"CDPAM": tiny.TinyCdpam}), ("cdpam.models", {"FINnet": tiny.TinyFin}))
    for name, module in tiny.modules(held).items():
        monkeypatch.setitem(sys.modules, name, module)
    file = tmp_path / "net.pth"
    torch.save({"state": {"factor": torch.tensor(0.5)}}, file)
    monkeypatch.setattr(cdpam, "_weights", lambda: [file])
    cdpam._network.cache_clear()
    metric, one = cdpam.Cdpam(), tone(0.5, 22050)
    assert value(metric, one, one, 22050) == 0
    other = (0.5 * one).astype(np.float32)
    expected = 0.5 * np.abs(np.round(one * 32768) - np.round(other * 32768)).mean()
    assert value(metric, one, other, 22050) == pytest.approx(expected, rel=1e-5)
    cdpam._network.cache_clear()
