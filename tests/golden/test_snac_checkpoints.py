"""Models as PyPI's ``snac`` saves them: what it makes of a file, we make of it, in every shape."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from snac_eval.codecs.snac import SNAC
from tests.codecs.snac.models import equal, liven, random_audio

CONFIG: dict[str, Any] = {
    "sampling_rate": 24000,
    "encoder_dim": 8,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 64,
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "codebook_size": 64,
    "vq_strides": [4, 2, 1],
}
VARIANTS: dict[str, dict[str, Any]] = {
    "as published": {},
    "dense, without noise": {"depthwise": False, "noise": False},
    "odd strides": {
        "encoder_rates": [3, 3, 7, 7],
        "decoder_rates": [7, 7, 3, 3],
        "vq_strides": [8, 4, 2, 1],
        "sampling_rate": 44100,
    },
    "one codebook": {"vq_strides": [1]},
    "strides all one": {"vq_strides": [1, 1, 1, 1]},
    "1000 entries": {"codebook_size": 1000},
    "attention": {"decoder_dim": 128, "attn_window_size": 32},
    "two blocks": {"encoder_rates": [2, 2], "decoder_rates": [2, 2]},
    "fine blocks last": {"encoder_rates": [8, 8, 4, 2], "decoder_rates": [2, 4, 8, 8]},
    "a stride of one": {"encoder_rates": [1, 2, 4, 8], "decoder_rates": [8, 4, 2]},
    "a stride of five": {"encoder_rates": [2, 4, 5, 8], "decoder_rates": [8, 5, 4, 2]},
    "latents named": {"latent_dim": 128},
}


def _save(folder: Path, variant: dict[str, Any]) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference uses a deprecated part of torch
        import snac

    torch.manual_seed(0)
    model: torch.nn.Module = liven(snac.SNAC(**{**CONFIG, **variant}))
    (folder / "config.json").write_text(json.dumps({**CONFIG, **variant}))
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return model.eval()


@pytest.mark.parametrize("variant", VARIANTS)
def test_codes_are_those_of_the_reference(tmp_path: Path, variant: str) -> None:
    reference = _save(tmp_path, VARIANTS[variant])
    audio = random_audio(20_000, batch=2)
    with torch.no_grad():
        expected = reference.encode(audio)  # type: ignore[operator]
    codes = SNAC.from_pretrained(tmp_path).encode(audio)
    assert len({int(code) for stream in codes for code in stream.flatten()}) > 5
    assert equal(codes, expected)


@pytest.mark.parametrize("kind", [torch.half, torch.bfloat16])
def test_narrow_weights_give_the_codes_of_the_reference(tmp_path: Path, kind: torch.dtype) -> None:
    reference = _save(tmp_path, VARIANTS["attention"])
    narrow = {key: value.to(kind) for key, value in reference.state_dict().items()}
    torch.save(narrow, tmp_path / "pytorch_model.bin")
    reference.load_state_dict(narrow)
    audio = random_audio(20_000)
    with torch.no_grad():
        expected = reference.encode(audio)  # type: ignore[operator]
    assert equal(SNAC.from_pretrained(tmp_path).encode(audio), expected)


def test_what_the_configuration_does_not_name_is_what_the_reference_takes(tmp_path: Path) -> None:
    reference = _save(tmp_path, VARIANTS["attention"])
    named = ("sampling_rate", "encoder_dim", "encoder_rates", "decoder_dim", "decoder_rates")
    table = {key: CONFIG[key] for key in (*named, "vq_strides", "codebook_size")}
    (tmp_path / "config.json").write_text(json.dumps({**table, "decoder_dim": 128}))
    audio = random_audio(20_000)
    with torch.no_grad():
        expected = reference.encode(audio)  # type: ignore[operator]
    assert equal(SNAC.from_pretrained(tmp_path).encode(audio), expected)
