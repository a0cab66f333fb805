"""Vocos on EnCodec's codes against transformers and the package, with small random models."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from snac_eval.codecs.contract import CHECKS, Subject, examine
from snac_eval.codecs.packages.imports import import_without
from snac_eval.codecs.packages.vocos import VocosEncodec, load
from snac_eval.errors import CheckpointError, CodecError
from snac_eval.registry import cards
from snac_eval.types import CodecCard, CodecRequest, Waveform
from tests.conftest import tone

if find_spec("vocos") is None:
    pytest.skip("needs the extra vocos", allow_module_level=True)
transformers = pytest.importorskip("transformers", reason="needs the extra transformers")

# A layer of torch's warns of how the package builds it.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

_PACKAGE = {
    "torchaudio": (),
    "torchaudio.functional": (),
    "torchaudio.functional.functional": ("_hz_to_mel", "_mel_to_hz"),
    "encodec": ("EncodecModel",),
}
_BACKBONE = {
    "input_channels": 8,
    "dim": 16,
    "intermediate_dim": 24,
    "num_layers": 1,
    "adanorm_num_embeddings": 4,
}
_HEAD = {"dim": 16, "n_fft": 1280, "hop_length": 320, "padding": "same"}


def card(name: str) -> CodecCard:
    return cards.read_codec_card(cards.data_dir("codecs") / f"{name}.toml")


def open_tiny(name: str, folder: Path, num_streams: int = 0) -> VocosEncodec:
    wanted = card(name)
    if num_streams:
        wanted = cards.keep_streams(wanted, num_streams)
    codec = load(CodecRequest(wanted, weights=str(folder)))
    codec.prepare()
    return codec


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A folder for each of the two repositories, EnCodec, and Vocos' backbone and head."""
    folder = tmp_path_factory.mktemp("vocos")
    torch.manual_seed(0)
    config = transformers.EncodecConfig(hidden_size=8, num_filters=2, codebook_dim=8)
    encodec = transformers.EncodecModel(config).eval()
    with torch.no_grad():
        latents = encodec.encoder(torch.from_numpy(speech(24000).samples)[None])[0].T
        for layer in encodec.quantizer.layers:
            layer.codebook.embed.copy_(latents[torch.randint(len(latents), (1024,))])
    encodec.save_pretrained(folder / "encodec_24khz")
    package = import_without("vocos", _PACKAGE)
    vocos = torch.nn.ModuleDict(
        {
            "backbone": package.models.VocosBackbone(**_BACKBONE),
            "head": package.heads.ISTFTHead(**_HEAD),
        }
    )
    for parameter in vocos.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    table = torch.cat([layer.codebook.embed for layer in encodec.quantizer.layers[:16]])
    own = folder / "vocos-encodec-24khz"
    own.mkdir()
    torch.save(
        {"feature_extractor.codebook_weights": table, **vocos.state_dict()},
        own / "pytorch_model.bin",
    )
    write_config(own)
    return folder, encodec, vocos.eval()


def write_config(folder: Path, head: str = "vocos.heads.ISTFTHead") -> None:
    parts = {
        "feature_extractor": ("vocos.feature_extractors.EncodecFeatures", {}),
        "backbone": ("vocos.models.VocosBackbone", _BACKBONE),
        "head": (head, _HEAD),
    }
    config = {
        part: {"class_path": name, "init_args": dict(own)} for part, (name, own) in parts.items()
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def speech(num_samples: int) -> Waveform:
    return Waveform(tone(2.0, 24000)[None, :num_samples], 24000)


@pytest.mark.parametrize(("name", "bandwidth_id"), [("1.5", 0), ("12", 3)])
def test_codes_are_encodecs_and_audio_is_vocos(
    name: str, bandwidth_id: int, made: tuple[Path, Any, Any]
) -> None:
    folder, encodec, vocos = made
    codec, clip = open_tiny(f"vocos_encodec_{name}kbps", folder), speech(20001)
    (codes,) = codec.encode([clip])
    (audio,) = codec.decode([codes], [0])
    samples = torch.from_numpy(clip.samples)[None]
    with torch.inference_mode():
        tokens = encodec.encode(samples, bandwidth=float(name)).audio_codes[0, 0]
        layers = zip(encodec.quantizer.layers, tokens, strict=False)
        features = sum(layer.codebook.embed[one] for layer, one in layers)
        which = torch.tensor([bandwidth_id])
        expected = vocos["head"](vocos["backbone"](features.T[None], bandwidth_id=which))
    np.testing.assert_array_equal(np.stack(codes.streams), tokens.numpy())
    np.testing.assert_allclose(audio.samples, expected.numpy()[:, :20001], rtol=1e-4, atol=1e-6)
    assert len(np.unique(np.stack(codes.streams))) > 4


def test_the_contract_holds(made: tuple[Path, Any, Any]) -> None:
    codec = open_tiny("vocos_encodec_6kbps", made[0])
    subject = Subject(
        codec, lambda _: open_tiny("vocos_encodec_6kbps", made[0]), 2.0, drops_streams=True
    )
    findings = [examine(check, CHECKS[check], subject) for check in CHECKS if check != "delay"]
    assert [finding for finding in findings if finding.state == "failed"] == []


def test_codebooks_that_are_no_bandwidth_of_vocos(made: tuple[Path, Any, Any]) -> None:
    whole, part = (open_tiny("vocos_encodec_12kbps", made[0], count) for count in (0, 4))
    (codes,), (first,) = whole.encode([speech(4000)]), part.encode([speech(4000)])
    np.testing.assert_array_equal(np.stack(first.streams), np.stack(codes.streams)[:4])
    with pytest.raises(CodecError, match="Vocos decodes 2, 4, 8, 16 codebooks of EnCodec, not 3"):
        open_tiny("vocos_encodec_12kbps", made[0], 3)


def test_a_configuration_that_names_other_code(made: tuple[Path, Any, Any], tmp_path: Path) -> None:
    for file in made[0].glob("*/*"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config.yaml").unlink()
    write_config(tmp_path, head="subprocess.Popen")
    with pytest.raises(CheckpointError, match=r"its head is 'subprocess\.Popen'; it must be vocos"):
        open_tiny("vocos_encodec_6kbps", tmp_path)
