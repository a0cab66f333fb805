"""A checkpoint in any of its forms loads to the same model; what is wrong with it is one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.utils.parametrizations import weight_norm

from snac_eval.codecs.snac.checkpoint import fold_weight_norm, load_model
from snac_eval.codecs.snac.model import SNAC, SNACConfig
from snac_eval.errors import CheckpointError
from snac_eval.hub import find_weights

TINY = SNACConfig(
    sampling_rate=24000,
    encoder_dim=4,
    encoder_rates=(2, 4),
    decoder_dim=16,
    decoder_rates=(4, 2),
    vq_strides=(2, 1),
    codebook_size=16,
)


def save_model(folder: Path, config: SNACConfig = TINY, seed: int = 0) -> SNAC:
    """A random model in the published form: config.json and pytorch_model.bin, weight-normed."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = SNAC(config)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv1d | torch.nn.ConvTranspose1d):
            weight_norm(module)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return model


def test_weight_norm_is_folded(tmp_path: Path) -> None:
    trained = save_model(tmp_path)
    loaded = load_model(find_weights(tmp_path))
    audio = torch.randn(1, 1, 500) * 0.1
    with torch.inference_mode():
        torch.testing.assert_close(
            trained.encoder(trained.pad(audio)), loaded.encoder(loaded.pad(audio))
        )
    state = loaded.state_dict()
    assert not any("parametrizations" in key for key in state)
    assert fold_weight_norm(state).keys() == state.keys()


def test_safetensors_win_and_half_precision_is_widened(tmp_path: Path) -> None:
    save_model(tmp_path)
    plain = load_model(find_weights(tmp_path)).state_dict()
    save_file({key: value.half() for key, value in plain.items()}, tmp_path / "model.safetensors")
    files = find_weights(tmp_path)
    assert files.weights.name == "model.safetensors"
    assert all(value.dtype == torch.float32 for value in load_model(files).state_dict().values())


def test_output_has_the_length_of_the_input(tmp_path: Path) -> None:
    save_model(tmp_path)
    model = SNAC.from_pretrained(tmp_path)
    for length in (1, 15, 16, 500):
        estimate, codes = model(torch.zeros(2, 1, length), seeds=[1, 2])
        assert estimate.shape == (2, 1, length)
        assert [stream.shape[1] for stream in codes] == [-(-length // 16), 2 * -(-length // 16)]


def _broken(folder: Path, kind: str) -> None:
    file = folder / "pytorch_model.bin"
    if kind == "truncated":
        file.write_bytes(file.read_bytes()[:1000])
    elif kind == "text":
        file.write_text("version https://git-lfs.github.com/spec/v1")
    elif kind == "list":
        torch.save([1, 2], file)
    elif kind == "code":
        torch.save({"a": os.system}, file)
    elif kind == "missing key":
        state = torch.load(file, weights_only=True)
        torch.save({k: v for k, v in state.items() if "decoder.model.0" not in k}, file)
    elif kind == "surplus key":
        torch.save({**torch.load(file, weights_only=True), "extra": torch.zeros(1)}, file)
    elif kind == "shape":
        state = torch.load(file, weights_only=True)
        torch.save({**state, "quantizer.quantizers.0.codebook.weight": torch.zeros(3, 3)}, file)
    elif kind == "safetensors":
        (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0 no json here ..")
    elif kind == "config":
        (folder / "config.json").write_text("{")
    elif kind == "config rates":
        table = {**TINY.to_dict(), "decoder_rates": [2, 2]}
        (folder / "config.json").write_text(json.dumps(table))


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "text",
        "list",
        "code",
        "missing key",
        "surplus key",
        "shape",
        "safetensors",
        "config",
        "config rates",
    ],
)
def test_broken_checkpoints_are_one_line(tmp_path: Path, kind: str) -> None:
    save_model(tmp_path)
    _broken(tmp_path, kind)
    with pytest.raises(CheckpointError) as caught:
        load_model(find_weights(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
