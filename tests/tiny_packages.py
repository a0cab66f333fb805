"""Weights of codecs with packages of their own: rates and codebooks as published, few and random.

Files are named as on the hub. What a package does not let its configuration change is made small in
the package, for as long as the test runs.
"""

from __future__ import annotations

import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from snac_eval.codecs.packages.imports import import_without, quiet

MODULES = {
    "speechtokenizer": "speechtokenizer",
    "bigcodec": "bigcodec",
    "nanocodec": "nanocodec_torch",
    "l3ac": "l3ac",
}
"""The package of each family."""
_SPEECHTOKENIZER = {
    "n_filters": 2,
    "strides": [8, 5, 4, 2],
    "dimension": 8,
    "semantic_dimension": 4,
    "bidirectional": True,
    "dilation_base": 2,
    "residual_kernel_size": 3,
    "n_residual_layers": 1,
    "lstm_layers": 2,
    "activation": "Snake",
    "codebook_size": 1024,
    "n_q": 8,
    "sample_rate": 16000,
}
_BIGCODEC = {
    "ngf": 2,
    "use_rnn": True,
    "rnn_bidirectional": False,
    "rnn_num_layers": 2,
    "up_ratios": [2, 2, 2, 5, 5],
    "dilations": [1, 3, 9],
    "out_channels": 8,
    "codebook_size": 8192,
    "vq_num_quantizers": 1,
    "codebook_dim": 8,
}
_L3AC = {
    "feature_dim = 128": "feature_dim = 16",
    "[24, 48, 96, 192]": "[4, 4, 8, 8]",
    "[512, 256, 96, 48, 24]": "[16, 8, 8, 4, 4]",
}


def package(family: str) -> Any:  # noqa: ANN401
    """The package, without what it needs for training alone. Skips the test where it is not
    installed."""
    if find_spec(MODULES[family]) is None:
        pytest.skip(f"needs the extra {family}")
    unused = {"torchaudio": (), "speechtokenizer.trainer": ("SpeechTokenizerTrainer",)}
    with quiet():
        return import_without(MODULES[family], unused)


def save_tiny(family: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Save a tiny model's files; return their folder."""
    module = package(family)
    folder.mkdir()
    torch.manual_seed(0)
    _SAVERS[family](module, folder, monkeypatch)
    return folder


def _spread(model: torch.nn.Module) -> None:
    """Draw weights so large that frames differ in their codes, which as built they do not."""
    for name, tensor in model.named_parameters():
        if tensor.ndim > 1 and not name.endswith("alpha"):
            torch.nn.init.normal_(tensor, std=1.5 * tensor[0].numel() ** -0.5)


def _speechtokenizer(module: Any, folder: Path, _: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    with quiet():
        model = module.SpeechTokenizer(_SPEECHTOKENIZER)
    for layer in model.quantizer.vq.layers:
        layer.codebook.normal_()
    (folder / "config.json").write_text(json.dumps(_SPEECHTOKENIZER))
    torch.save(model.state_dict(), folder / "SpeechTokenizer.pt")


def _bigcodec(module: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    small = partial(module.CodecDecoder, upsample_initial_channel=32)
    monkeypatch.setattr(module.hf_model, "CodecDecoder", small)
    model = module.BigCodec(**_BIGCODEC)
    _spread(model)
    model.save_pretrained(folder)


def _nanocodec(module: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    from safetensors.torch import save_file

    rates = [2, 3, 6, 7, 7]
    encoder = {"down_sample_rates": rates, "encoded_dim": 16, "base_channels": 2}
    decoder = {"up_sample_rates": rates[::-1], "input_dim": 16, "base_channels": 64}
    small = partial(module.AudioCodecModel, encoder_config=encoder, decoder_config=decoder)
    monkeypatch.setattr(module, "AudioCodecModel", small)
    model = small()
    _spread(model)
    tensors = [_as_in_nemo(*one) for one in model.state_dict().items()]
    save_file(dict(tensors), folder / "model.safetensors")


def _as_in_nemo(name: str, tensor: torch.Tensor) -> tuple[str, torch.Tensor]:
    """A tensor of the package's as it is called, and lies, in what NVIDIA published."""
    parts = name.split(".")
    if "up_sample_conv_layers" in parts:
        parts.insert(-1, "conv")
        tensor = tensor.transpose(1, 2) if parts[-1] == "weight" else tensor
    if parts[-1] == "alpha":
        parts[-1:] = ["activation", "snake_act", "alpha"]
    return ".".join(parts), tensor.contiguous()


def _l3ac(module: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    text = (module.CONFIG_DIR / "3kbps.toml").read_text()
    for large, small in _L3AC.items():
        text = text.replace(large, small)
    configs = folder / "configs"
    configs.mkdir()
    (configs / "3kbps.toml").write_text(text)
    monkeypatch.setattr(module, "CONFIG_DIR", configs)
    model = module.L3AC(module.L3ACConfig(config_file=configs / "3kbps.toml"))
    _spread(model.network)
    for name, part in model.network.trainable_modules.items():
        torch.save(part.state_dict(), folder / f"{name}.pt")


_SAVERS = {
    "speechtokenizer": _speechtokenizer,
    "bigcodec": _bigcodec,
    "nanocodec": _nanocodec,
    "l3ac": _l3ac,
}
