"""Lyra v2: exact bits, its own weights by folder or download, and clear refusals."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from snac_eval.cli.main import main
from snac_eval.codecs.contract import CHECKS, Subject, examine
from snac_eval.codecs.lyra import LyraCodec
from snac_eval.codecs.opening import open_model
from snac_eval.errors import (
    CardError,
    CodecError,
    DownloadError,
    WeightsUnavailable,
)
from snac_eval.registry import plugins
from snac_eval.types import CodecRequest, Waveform
from tests.conftest import tone
from tests.file_server import serve

CARD = plugins.codec_card("lyra_v2_6kbps")


@pytest.fixture
def weights(shared_data: Path) -> Path:
    pytest.importorskip("ai_edge_litert", reason="needs the extra lyra")
    folder = shared_data / "lyra_v2"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}, which is not part of the project")
    return folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SNAC_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _open(weights: Path, name: str = "lyra_v2_6kbps") -> LyraCodec:
    codec = open_model(name, weights=str(weights)).coder
    assert isinstance(codec, LyraCodec)
    codec.prepare()
    return codec


@pytest.mark.parametrize("check", [name for name in CHECKS if name != "device move"])
def test_the_contract_holds(weights: Path, check: str) -> None:
    subject = Subject(_open(weights), lambda _: _open(weights), 10.0, drops_streams=True)
    finding = examine(check, CHECKS[check], subject)
    assert finding.state != "failed", finding.detail


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("lyra_v2_3.2kbps", 64),
        ("lyra_v2_6kbps", 120),
        ("lyra_v2_9.2kbps", 184),
        ("lyra_v2_9.2kbps@k=5", 20),
    ],
)
def test_bits_of_a_frame_are_exact(weights: Path, name: str, bits: int) -> None:
    codec = _open(weights, name)
    (codes,) = codec.encode([Waveform(tone(0.985)[None], 16000)])
    assert codes.num_bits == bits * 50  # 49.25 frames are sent as 50
    assert codec.card.nominal_bitrate_bps == pytest.approx(50 * bits)
    assert codec.card.sha256 == codec.weights_sha256
    assert codec.weights_sha256 in codec.fingerprint
    codec.decode([codes], [0])


def test_speech_is_understood(weights: Path, shared_data: Path) -> None:
    from snac_eval import audio, load_metric

    path = next((shared_data / "LibriSpeech" / "test-mini" / "1867").rglob("*.flac"))
    reference = audio.read(path)
    codec = _open(weights)
    (estimate,) = codec.decode(codec.encode([reference]), [0])
    stoi = load_metric("stoi").score_pair(reference.samples, estimate.samples, 16000)
    assert stoi.value > 0.88


def test_codes_of_another_rate_are_refused(weights: Path) -> None:
    low, high = _open(weights, "lyra_v2_3.2kbps"), _open(weights)
    codes = low.encode([Waveform(tone(0.1)[None], 16000)])
    with pytest.raises(CodecError, match="not its codes"):
        high.decode(codes, [0])


def test_weights_are_fetched_once_and_checked(
    weights: Path, tmp_path: Path, own_cache: Path
) -> None:
    shutil.copytree(weights, tmp_path / "web")
    with serve(tmp_path / "web") as (url, asked):
        card = replace(CARD, options={**CARD.options, "url": url})
        first = LyraCodec(CodecRequest(card))
        assert CARD.sha256 in first.fingerprint
        assert len(asked) == 3
        assert LyraCodec(CodecRequest(card)).fingerprint == first.fingerprint
        assert len(asked) == 3
        shutil.rmtree(own_cache)
        (tmp_path / "web" / "quantizer.tflite").write_bytes(b"something else")
        with pytest.raises(DownloadError, match=r"checksum differs.*--weights"):
            LyraCodec(CodecRequest(card)).prepare()
    assert not (own_cache / "lyra_v2" / "quantizer.tflite").exists()


def test_wrong_weights_are_refused(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WeightsUnavailable, match=r"holds no soundstream_encoder\.tflite"):
        _open(tmp_path)
    for name in ("soundstream_encoder", "quantizer", "lyragan"):
        (tmp_path / f"{name}.tflite").write_bytes(b"no model")
    arguments = ["--dataset", "demo", "--output", str(tmp_path / "run"), "--weights", str(tmp_path)]
    assert main(["run", "--model", "lyra_v2_6kbps", *arguments]) == 2
    error = capsys.readouterr().err
    assert "are no Lyra v2 models" in error.splitlines()[-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"codebook_sizes": (16,) * 47}, "num_codebooks from 1 to 46"),
        ({"codebook_sizes": (1024,)}, "codebook_size = 16"),
        ({"sample_rate": 24000}, "mono at 16000 Hz"),
        ({"options": {"url": "http://127.0.0.1"}}, "'sha256' is missing"),
        ({"options": {**CARD.options, "sha256": {"a.tflite": "b"}}}, "a sha256 of each of"),
    ],
)
def test_cards_that_make_no_sense_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(CardError, match=f"lyra_v2_6kbps.*{words}"):
        LyraCodec(CodecRequest(replace(CARD, **changes)))  # type: ignore[arg-type]
