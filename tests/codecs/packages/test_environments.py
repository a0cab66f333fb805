"""DualCodec and FlexiCodec against their packages, where these are installed: their environments.

FlexiCodec's numbers of frames, the folders of several repositories and the states are looked at
anywhere.
"""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from snac_eval.codecs.packages import dualcodec, files, flexicodec, tiling
from snac_eval.codecs.packages.files import HubFile
from snac_eval.codecs.packages.imports import import_without
from snac_eval.errors import CheckpointError, CodecError, WeightsUnavailable
from snac_eval.registry import cards
from snac_eval.types import CodecCard, CodecRequest, Waveform
from tests.conftest import tone

# What the packages' libraries warn of is theirs.
pytestmark = pytest.mark.filterwarnings("ignore")

DUALCODECS = ("dualcodec_12hz_1.225kbps", "dualcodec_25hz_3.1kbps")
_NO_DOWNLOADS = {"cached_path": ("cached_path",)}


def card(name: str) -> CodecCard:
    return cards.read_codec_card(cards.data_dir("codecs") / f"{name}.toml")


def speech(rate: int, num_samples: int) -> Waveform:
    return Waveform(tone(2.0, rate)[None, :num_samples], rate)


def needs(package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"needs the environment {package}")


@pytest.mark.parametrize("longest", [1, 2, 5, 8])
def test_numbers_of_frames_are_as_many_bits_as_the_longest_needs(longest: int) -> None:
    lengths = np.random.default_rng(0).integers(1, longest + 1, 13).astype(np.int32)
    sent = flexicodec.packed(lengths, longest)
    assert len(sent) == math.ceil(13 * math.ceil(math.log2(longest)) / 8)
    again = flexicodec.unpacked(sent, 13, longest)
    assert again is not None
    np.testing.assert_array_equal(again, lengths)
    assert flexicodec.unpacked(sent + b"\0", 13, longest) is None


def test_a_number_of_frames_that_is_too_long_is_no_codes() -> None:
    assert flexicodec.unpacked(b"\xff", 2, 5) is None


def test_a_folder_for_each_repository_or_one_for_all(tmp_path: Path) -> None:
    wanted = (HubFile("one/first", "", "config.yaml"), HubFile("two/second", "", "config.yaml"))
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").touch()
    assert [file.parent.name for file in files.find(wanted, str(tmp_path))] == ["first", "second"]
    assert [file.parent.name for file in files.find(wanted, str(tmp_path / "first"))] == [
        "first"
    ] * 2
    (tmp_path / "second" / "config.yaml").unlink()
    with pytest.raises(WeightsUnavailable, match=r"holds no config\.yaml"):
        files.find(wanted, str(tmp_path))


@pytest.mark.parametrize(
    ("module", "name"), [(dualcodec, DUALCODECS[0]), (flexicodec, "flexicodec_8.3hz")]
)
def test_state_and_remedy_name_every_repository(
    module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    options = card(name).options
    assert module.state(card(name)) == "needs weights (hub)"
    commands = module.remedy(card(name))
    assert [command.split()[2] for command in commands if command.startswith("hf ")] == [
        card(name).weights,
        options["semantic"],
    ]
    assert str(options["checkpoint"]) in commands[-1]


def save_dualcodec(folder: Path, wanted: CodecCard) -> Any:  # noqa: ANN401
    """Random weights as published, but for w2v-BERT, which has two small layers; the package."""
    from safetensors.torch import save_model
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

    package = import_without("dualcodec", _NO_DOWNLOADS)
    torch.manual_seed(0)
    file = Path(package.__file__).parent / "conf/model" / f"{wanted.options['config']}.yaml"
    arguments = {**yaml.safe_load(file.read_text())["model"], "sample_rate": 24000}
    del arguments["_target_"]
    save_model(package.DualCodec(**arguments), folder / str(wanted.options["checkpoint"]))
    statistics = {"mean": torch.randn(1024), "var": torch.rand(1024) + 0.5}
    torch.save(statistics, folder / str(wanted.options["statistics"]))
    config = Wav2Vec2BertConfig(
        num_hidden_layers=2, intermediate_size=64, num_attention_heads=4, hidden_size=1024
    )
    Wav2Vec2BertModel(config).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(folder)
    return package


@pytest.mark.parametrize("name", DUALCODECS)
def test_dualcodec_is_the_packages(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("dualcodec")
    monkeypatch.setattr(dualcodec, "_LAYER", 0)
    package = save_dualcodec(tmp_path, card(name))
    codec = dualcodec.load(CodecRequest(card(name), weights=str(tmp_path)))
    codec.prepare()
    clip, count = speech(24000, 20001), len(card(name).codebook_sizes)
    (codes,) = codec.encode([clip])
    (audio,) = codec.decode([codes], [0])
    theirs = package.infer.dualcodec
    monkeypatch.setattr(theirs.inference_with_semantic, "cached_path", lambda path: path)
    network = codec.torch_modules[0]
    direct = package.Inference(network, str(tmp_path), str(tmp_path), device="cpu")
    direct.semantic_cfg.output_idx = 2
    tokens = direct.encode(torch.from_numpy(clip.samples)[None], n_quantizers=count)
    samples = direct.decode(*tokens)[0].numpy()
    np.testing.assert_array_equal(np.stack(codes.streams), torch.cat(tokens, dim=1)[0].numpy())
    np.testing.assert_array_equal(audio.samples[:, : samples.shape[1]], samples[:, :20001])
    assert not audio.samples[:, samples.shape[1] :].any()
    (short,) = codec.encode([speech(24000, 1)])
    assert codec.decode([short], [0])[0].samples.shape == (1, 1)


_SENSEVOICE = {
    "output_size": 512,
    "attention_heads": 4,
    "linear_units": 16,
    "num_blocks": 2,
    "tp_blocks": 1,
    "input_layer": "pe",
    "kernel_size": 11,
    "sanm_shfit": 0,
}


def save_flexicodec(folder: Path, wanted: CodecCard) -> None:
    """Random weights: rates and codebooks as published, layers few."""
    from flexicodec import modeling_flexicodec
    from flexicodec.customized_sensevoice.model import SenseVoiceSmall
    from safetensors.torch import save_file

    torch.manual_seed(0)
    encoder = {"encoder": "SenseVoiceEncoderSmall", "encoder_conf": _SENSEVOICE}
    hearing = SenseVoiceSmall(**encoder, input_size=560, vocab_size=20)
    (folder / "config.yaml").write_text(yaml.safe_dump(encoder))
    torch.save(hearing.state_dict(), folder / "model.pt")
    file = Path(modeling_flexicodec.__file__).parent / "conf/model_config.yaml"
    config = yaml.safe_load(file.read_text())
    config["model"] |= {
        "encoder_dim": 2,
        "latent_dim": 32,
        "decoder_dim": 64,
        "convnext_dim": 16,
        "convnext_layers": 1,
        "transformer_num_layers": 1,
        "transformer_dim": 32,
        "agg_transformer_num_layers": 1,
        "agg_transformer_dim": 32,
    }
    (folder / str(wanted.options["config"])).write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modeling_flexicodec, "AutoModel", lambda **_: SimpleNamespace(model=hearing))
        model = modeling_flexicodec.FlexiCodec(**config["model"])
    kept = {name: one for name, one in model.state_dict().items() if "semantic_model." not in name}
    save_file(kept, folder / str(wanted.options["checkpoint"]))


def test_flexicodec_is_the_packages(tmp_path: Path) -> None:
    needs("flexicodec")
    from flexicodec import infer

    name = "flexicodec_6.25hz"
    wanted = replace(card(name), options={**card(name).options, "threshold": -1.0})
    save_flexicodec(tmp_path, wanted)
    codec = flexicodec.load(CodecRequest(wanted, weights=str(tmp_path)))
    codec.prepare()
    clip = speech(16000, 30001)
    (codes,) = codec.encode([clip])
    (audio,) = codec.decode([codes], [0])
    torch.manual_seed(0)
    asked = {"num_quantizers": 8, "merging_threshold": -1.0}
    made = infer.encode_flexicodec(torch.from_numpy(clip.samples), codec._model, 16000, **asked)
    sent = [made[one] for one in ("semantic_codes", "acoustic_codes", "token_lengths")]
    with torch.no_grad():
        samples = codec._model["model"].decode_from_codes(*sent)[0].numpy()
    np.testing.assert_array_equal(np.stack(codes.streams), torch.cat(sent[:2], dim=1)[0].numpy())
    np.testing.assert_array_equal(audio.samples[:, : samples.shape[1]], samples[:, :30001])
    lengths = flexicodec.unpacked(codes.side_info, codes.streams[0].size, 8)
    assert lengths is not None
    np.testing.assert_array_equal(lengths, sent[2][0].numpy())
    assert lengths.max() == 8
    assert codes.num_bits == 99 * len(lengths) + 8 * math.ceil(3 * len(lengths) / 8)
    with pytest.raises(CodecError, match="these are not its codes"):
        codec.decode([replace(codes, side_info=b"")], [0])


def test_flexicodecs_weights_that_lack_a_layer(tmp_path: Path) -> None:
    needs("flexicodec")
    from safetensors.torch import load_file, save_file

    wanted = card("flexicodec_8.3hz")
    save_flexicodec(tmp_path, wanted)
    file = tmp_path / str(wanted.options["checkpoint"])
    held = load_file(file)
    del held["semantic_vq.fsq.project_in.weight"]
    save_file(held, file)
    with pytest.raises(CheckpointError, match=r"1 weights are missing, such as semantic_vq"):
        flexicodec.load(CodecRequest(wanted, weights=str(tmp_path))).prepare()


def test_tiles_change_nothing_but_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a frame depends on is narrower here than in the codecs; so is the context.
    monkeypatch.setattr(tiling, "TILE_FRAMES", 9)
    monkeypatch.setattr(tiling, "CONTEXT_FRAMES", 4)
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(
        torch.nn.Conv1d(1, 3, 10, 5, padding=3), torch.nn.Conv1d(3, 2, 7, padding=3)
    )
    decoder = torch.nn.Sequential(
        torch.nn.Conv1d(2, 3, 7, padding=3), torch.nn.ConvTranspose1d(3, 1, 10, 5, padding=3)
    )
    signal = torch.randn(1, 1, 200)
    with torch.inference_mode():
        latents = encoder(signal)
        audio = decoder(latents)
        tiling.tile_network(encoder, 5, 1)
        tiling.tile_network(decoder, 1, 5)
        tiled = encoder(signal)
        assert audio.shape[-1] == 199
        np.testing.assert_allclose(tiled, latents, rtol=0, atol=1e-6)
        np.testing.assert_allclose(decoder(tiled), audio, rtol=0, atol=1e-6)
