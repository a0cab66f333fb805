"""Optional metrics against their packages, and what each refuses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from snac_eval import audio
from snac_eval.cli.main import main
from snac_eval.metrics import _squim, _warpq, squim, warpq
from snac_eval.metrics.base import PairMetric, PreparedPair
from snac_eval.metrics.speechmos import DnsmosBak, DnsmosOvrl, DnsmosP808, DnsmosSig, Plcmos
from snac_eval.metrics.zimtohrli import Zimtohrli
from snac_eval.registry import extras, plugins
from snac_eval.types import Waveform
from tests.conftest import tone

Signal = NDArray[np.float32]
DNSMOS = {"sig": DnsmosSig, "bak": DnsmosBak, "ovrl": DnsmosOvrl, "p808": DnsmosP808}
OPTIONAL = [*(f"dnsmos_{key}" for key in DNSMOS), "plcmos", "zimtohrli", "warpq"]
OPTIONAL += ["squim_stoi", "squim_pesq", "squim_si_sdr"]
OPTIONAL += ["mcd", "f0_correlation", "f0_rmse", "voicing_error", "pesq_wb_c2"]


def noisy(signal: Signal, level: float) -> Signal:
    noise = np.random.default_rng(1).standard_normal(signal.size)
    return (signal + level * signal.std() * noise).astype(np.float32)


def value(metric: PairMetric, reference: Signal, estimate: Signal, rate: int = 16000) -> float:
    score = metric.score_pair(reference, estimate, rate, domain=None)
    assert score.status == "ok", score.reason
    assert score.value is not None
    return score.value


@pytest.fixture
def speech(shared_data: Path) -> Signal:
    """Ten seconds of read speech at 16 kHz."""
    path = sorted((shared_data / "LibriSpeech" / "test-mini").rglob("*.flac"))[0]
    return audio.read(path, length_s=10.0).samples[0]


@pytest.fixture
def speechmos() -> None:
    pytest.importorskip("speechmos.dnsmos", reason="needs the extra dnsmos")


def test_dnsmos_equals_the_package(speechmos: None) -> None:
    from speechmos import dnsmos

    signal = tone(3.0)
    expected = dnsmos.run(signal, 16000)
    for key, metric in DNSMOS.items():
        assert value(metric(), signal, signal) == pytest.approx(expected[f"{key}_mos"], abs=1e-6)


def test_dnsmos_runs_once_for_its_four_scores(
    speechmos: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from speechmos import dnsmos

    calls = []

    def run(sample: Signal, rate: int) -> dict[str, float]:
        calls.append(sample)
        return dict.fromkeys((f"{key}_mos" for key in DNSMOS), 3.0)

    monkeypatch.setattr(dnsmos, "run", run)
    wave = Waveform(4 * tone(1.0)[None], 16000)
    pair = PreparedPair(wave, wave)
    assert {metric().score_prepared(pair, "speech").value for metric in DNSMOS.values()} == {3.0}
    assert len(calls) == 1
    assert np.abs(calls[0]).max() <= 1  # the package refuses what overshoots


def test_plcmos_repeats_and_leaves_the_generator_alone(speechmos: None) -> None:
    signal = tone(2.0)
    state = np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    first = value(Plcmos(), signal, signal)
    assert np.random.get_state()[1].tolist() == state  # type: ignore[union-attr]
    assert value(Plcmos(), signal, signal) == first


def test_zimtohrli_equals_the_package() -> None:
    zimtohrli = pytest.importorskip("zimtohrli", reason="needs the extra zimtohrli")
    signal = tone(1.0, 48000)
    far = noisy(signal, 0.3)
    expected = zimtohrli.Pyohrli().distance(signal, far)
    assert expected > 0
    assert value(Zimtohrli(), signal, far, 48000) == pytest.approx(expected, abs=1e-7)
    assert value(Zimtohrli(), signal, signal, 48000) == 0


@pytest.mark.parametrize("name", [*OPTIONAL, "speaker_similarity"])
def test_too_short_is_undefined_and_silence_for_an_audible_clip_an_error(name: str) -> None:
    # Both are found before the package is asked, so that it need not be there.
    metric: Any = plugins.metric(name)
    signal = tone(0.05)
    assert f"too short for {name}, which needs" in metric.score_pair(signal, signal, 16000).reason
    signal = tone(2.0)
    for dead in (np.zeros_like(signal), signal[:0]):
        assert metric.score_pair(signal, dead, 16000).status == "error"
    assert metric.score_pair(np.zeros_like(signal), signal, 16000).status == "undefined"


def test_warpq_asks_its_package_for_the_raw_score(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def evaluate(reference: Signal, estimate: Signal, arr_sr: int) -> dict[str, float]:
        asked.append((len(reference), len(estimate), arr_sr))
        return {"raw_warpq_score": 0.7, "normalized_warpq_score": 0.8}

    monkeypatch.setattr(_warpq, "_measure", lambda _: SimpleNamespace(evaluate=evaluate))
    signal = tone(2.0, 24000)
    assert value(warpq.WarpQ(), signal, signal, 24000) == 0.7
    assert asked == [(32000, 32000, 16000)]


@pytest.fixture
def torchaudio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[tuple[int, ...]]]:
    """A torchaudio whose SQUIM answers by the estimate's peak, by weights that are in a file; the
    shapes that it was given."""
    shapes = []

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.zeros(()))

        def forward(self, batch: torch.Tensor) -> list[torch.Tensor]:
            shapes.append(tuple(batch.shape))
            peak = batch.abs().amax(dim=1)
            return [peak, 1 + peak, self.scale * peak]

    models = ModuleType("torchaudio.models")
    models.squim_objective_base = Model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchaudio", ModuleType("torchaudio"))
    monkeypatch.setitem(sys.modules, "torchaudio.models", models)
    monkeypatch.setenv(squim.MODEL.variable, str(tmp_path))
    torch.save({"scale": torch.tensor(20.0)}, tmp_path / squim.MODEL.name)
    yield shapes
    _squim._network.cache_clear()


def test_squim_scores_the_estimate_in_one_pass(torchaudio: list[tuple[int, ...]]) -> None:
    reference, estimate = tone(1.0), 0.5 * tone(1.0, seed=1)
    peak = float(np.abs(estimate).max())
    pair = PreparedPair(Waveform(reference[None], 16000), Waveform(estimate[None], 16000))
    metrics = (squim.SquimStoi(), squim.SquimPesq(), squim.SquimSiSdr())
    values = [metric.score_prepared(pair, "speech").value for metric in metrics]
    assert values == pytest.approx([peak, 1 + peak, 20 * peak])
    assert torchaudio == [(1, 16000)]
    squim.MODEL.get().write_bytes(b"no weights")
    _squim._network.cache_clear()
    broken = squim.SquimStoi().score_pair(reference, estimate, 16000)
    assert "squim_objective_dns2020.pth: no weights of SQUIM" in broken.reason


@pytest.mark.parametrize("name", OPTIONAL)
def test_without_its_extra_one_line_says_which(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(extras, "version", absent)
    extras._missing.cache_clear()
    run = ["run", "--model", "pcm_16bit", "--dataset", "demo", "--metrics", name]
    assert main([*run, "--output", str(tmp_path / "run")]) == 2
    extras._missing.cache_clear()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"metric '{name}' needs" in error
    assert ("pip install 'snac-eval[" in error) != (f"env create {name[:4]}" in error)
