"""Codecs with packages of their own against the packages asked directly, with small models."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from snac_eval.api import load_codec
from snac_eval.codecs.packages.base import PackageCodec
from snac_eval.codecs.packages.imports import import_without, quiet
from snac_eval.errors import CheckpointError, CodecError, WeightsUnavailable
from snac_eval.registry import cards, plugins
from snac_eval.types import CodecCard, Waveform
from tests.conftest import tone
from tests.tiny_packages import MODULES, package, save_tiny

CARDS = {
    path.stem: cards.read_codec_card(path)
    for path in cards.card_files("codecs").values()
    if cards.read_codec_card(path).family in MODULES
}
TINY = {
    "speechtokenizer": "speechtokenizer_4kbps",
    "bigcodec": "bigcodec_1.04kbps",
    "nanocodec": "nanocodec_0.6kbps",
    "l3ac": "l3ac_3kbps",
}
# Whoever pads a clip to whole frames: the package itself, or its user.
_PADDED_BY_USER = {"bigcodec": 200, "nanocodec": 1764}


@pytest.fixture(params=sorted(MODULES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return save_tiny(family, tmp_path / "weights", monkeypatch)


def open_tiny(name: str, folder: Path) -> PackageCodec:
    codec = load_codec(name, weights=str(folder))
    assert isinstance(codec, PackageCodec)
    return codec


def speech(card: CodecCard, num_samples: int) -> Waveform:
    return Waveform(tone(1.0, card.sample_rate)[None, :num_samples], card.sample_rate)


def direct(family: str, folder: Path, samples: torch.Tensor) -> tuple[Any, Any]:
    """Tokens ``[stream, frame]`` and audio ``[time]`` of ``[1, time]``, by the package's README and
    its own loader."""
    module = package(family)
    with torch.inference_mode():
        if family == "l3ac":
            config = module.L3ACConfig(config_file=module.CONFIG_DIR / "3kbps.toml")
            model = module.L3AC(config)
            model.network.load_model(model_path=folder)
            model.network.eval()
            _, indices = model.encode_audio(samples)
            audio = model.decode_audio(indices=indices["indices"])
            return indices["indices"], audio[0]
        if family == "nanocodec":
            model = module.AudioCodecModel().eval()
            module.models.audio_codec.load_safetensors_weights(
                model, str(folder / "model.safetensors"), verbose=False
            )
            tokens, lengths = model.encode(samples[None], torch.tensor([samples.shape[1]]))
            return tokens[0], model.decode(tokens, lengths)[0][0, 0]
        if family == "bigcodec":
            model = module.BigCodec.from_pretrained(folder).eval()
        else:
            files = (folder / "config.json", folder / "SpeechTokenizer.pt")
            with quiet():
                model = module.SpeechTokenizer.load_from_checkpoint(*map(str, files)).eval()
        tokens = model.encode(samples[None])
        return tokens[:, 0], model.decode(tokens)[0, 0]


def test_codes_and_audio_are_the_packages(family: str, folder: Path) -> None:
    codec = open_tiny(TINY[family], folder)
    clip = speech(codec.card, 9001)
    (codes,) = codec.encode([clip])
    (audio,) = codec.decode([codes], [0])
    missing = -clip.num_samples % _PADDED_BY_USER.get(family, 1)
    padded = torch.from_numpy(np.pad(clip.samples, ((0, 0), (0, missing))))
    tokens, samples = direct(family, folder, padded)
    np.testing.assert_array_equal(np.stack(codes.streams), tokens.numpy())
    np.testing.assert_array_equal(audio.samples[0], samples.numpy()[: clip.num_samples])
    assert audio.samples.shape == clip.samples.shape
    assert len(np.unique(np.stack(codes.streams))) > 4


def test_a_clip_of_one_sample_and_codes_of_another(family: str, folder: Path) -> None:
    codec = open_tiny(TINY[family], folder)
    (codes,) = codec.encode([speech(codec.card, 1)])
    (audio,) = codec.decode([codes], [0])
    assert audio.samples.shape == (1, 1)
    with pytest.raises(CodecError, match=f"{codec.card.name}: these are not its codes"):
        codec.decode([replace(codes, streams=(codes.streams[0][:0],) * len(codes.streams))], [0])


def test_first_streams_of_speechtokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_tiny("speechtokenizer", tmp_path / "weights", monkeypatch)
    whole, part = (open_tiny(f"speechtokenizer_4kbps{cut}", folder) for cut in ("", "@k=2"))
    clip = speech(whole.card, 4000)
    (all_codes,), (codes,) = whole.encode([clip]), part.encode([clip])
    np.testing.assert_array_equal(np.stack(codes.streams), np.stack(all_codes.streams)[:2])
    assert part.decode([codes], [0])[0].num_samples == 4000


def test_bigcodecs_activations_go_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = open_tiny("bigcodec_1.04kbps", save_tiny("bigcodec", tmp_path / "w", monkeypatch))
    clip = speech(codec.card, 1500)
    (whole,) = codec.encode([clip])
    (audio,) = codec.decode([whole], [0])
    monkeypatch.setattr("snac_eval.codecs.packages.bigcodec._PART", 400)
    (codes,) = codec.encode([clip])
    np.testing.assert_array_equal(codes.streams[0], whole.streams[0])
    parts = codec.decode([codes], [0])[0].samples
    np.testing.assert_allclose(parts, audio.samples, rtol=0, atol=1e-5)


def test_weights_that_are_incomplete_or_another_models(family: str, folder: Path) -> None:
    (file, *_) = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.pt"))
    broken = file.read_bytes()
    file.write_bytes(broken[: len(broken) // 2])
    with pytest.raises(CheckpointError, match=f"cannot be loaded as {family}"):
        open_tiny(TINY[family], folder)
    file.unlink()
    with pytest.raises(WeightsUnavailable, match=f"holds no .*{file.name}; give --weights DIR"):
        open_tiny(TINY[family], folder)


def test_a_tensor_that_nanocodecs_loader_would_pass_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_tiny("nanocodec", tmp_path / "weights", monkeypatch)
    tensors = load_file(folder / "model.safetensors")
    del tensors["audio_decoder.post_conv.conv.bias"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"post_conv\.conv\.bias is missing or does not fit"):
        open_tiny("nanocodec_0.6kbps", folder)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_tiny("l3ac", tmp_path / "weights", monkeypatch)
    torch.save({"weight": subprocess.Popen}, folder / "quantizer.pt")
    with pytest.raises(CheckpointError, match="Weights only load failed"):
        open_tiny("l3ac_3kbps", folder)


def test_a_card_of_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_tiny("l3ac", tmp_path / "weights", monkeypatch)
    card = replace(CARDS["l3ac_3kbps"], name="mine", codebook_sizes=(1024,))
    codec: Any = plugins.open_codec(
        replace(open_tiny("l3ac_3kbps", folder)._request, card=card)  # the same weights
    )
    with pytest.raises(
        CodecError, match=r"codebooks of 250047 at 166.667 frames .* 'mine' does not"
    ):
        codec.prepare()


def test_variables_of_the_environment_do_not_configure_l3ac(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tiny("l3ac", tmp_path / "weights", monkeypatch)
    monkeypatch.setenv("SAMPLE_RATE", "8000")
    open_tiny("l3ac_3kbps", folder)


@pytest.mark.parametrize("name", sorted(TINY.values()))
def test_published_weights_are_asked_of_the_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = CARDS[name]
    package(card.family)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert plugins.codec_state(card) == "needs weights (hub)"
    command, _, folder = plugins.codec_remedy(card)
    assert command.startswith(f"hf download {card.weights} ")
    assert folder.startswith("--weights DIR")
    with pytest.raises(WeightsUnavailable, match=r"HF_HUB_OFFLINE is set.*or give --weights DIR"):
        load_codec(name)


def test_adapters_import_nothing_but_numpy() -> None:
    modules = ", ".join(f"snac_eval.codecs.packages.{one}" for one in MODULES)
    code = f"import sys, json, {modules}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    there = {one.partition(".")[0] for one in json.loads(done.stdout)}
    foreign = {one for one in there if one not in sys.stdlib_module_names and one[0] != "_"}
    assert foreign <= {"snac_eval", "numpy", "annotated_types", "typing_extensions"}


def test_stand_ins_are_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one_that_trains.py").write_text("from not_there.deep import a, b\nfound = a, b\n")
    monkeypatch.syspath_prepend(tmp_path)
    module: Any = import_without("one_that_trains", {"not_there.deep": "ab", "json": ()})
    assert module.found == (None, None)
    assert "not_there.deep" not in sys.modules
    assert sys.modules["json"] is json
