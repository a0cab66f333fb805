"""SNAC's configurations and weights: everything in them, and more than memory holds."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from tests.codecs.snac.test_checkpoint import save_model
from tests.conftest import tone
from tests.fuzz.harness import Place, call, few, once, place, spoilt, toml, twisted, write_text

_CARD = {
    "name": "mine",
    "family": "snac",
    "description": "d",
    "licence": "l",
    "citation": "c",
    "sample_rate": 24000,
    "channels": 1,
}


@once
def _seeds() -> tuple[dict[str, object], dict[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder))
        config = json.loads((Path(folder) / "config.json").read_text())
        pickled = Path(folder) / "pytorch_model.bin"
        tensors = torch.load(pickled, weights_only=True)
        save_file({key: one.contiguous() for key, one in tensors.items()}, f"{folder}/m")
        torch.save(tensors, f"{folder}/old", _use_new_zipfile_serialization=False)
        weights = {
            "pytorch_model.bin": pickled.read_bytes(),
            "model.safetensors": Path(folder, "m").read_bytes(),
            "model.pt": Path(folder, "old").read_bytes(),
        }
    return config, weights


def _run(where: Place, config: bytes, name: str, weights: bytes) -> None:
    for folder in ("codecs", "weights", "clips"):
        (where.input / folder).mkdir()
    (where.input / "codecs" / "mine.toml").write_text(toml(_CARD))
    (where.input / "weights" / "config.json").write_bytes(config)
    (where.input / "weights" / name).write_bytes(weights)
    soundfile.write(where.input / "clips" / "a.wav", tone(0.2), 16000)
    call(
        where,
        *("run", "--model", "mine", "--dataset", f"folder:{where.input / 'clips'}"),
        *("--weights", where.input / "weights", "--cards", where.input),
        *("--metrics", "bitrate", "--workers", "0", "--quiet", "--no-html"),
        *("--output", where.output / "run"),
        allowed=(0, 2, 4),
    )


@given(data=st.data())
@few(15)
def test_any_weights_are_a_model_or_one_line(data: st.DataObject) -> None:
    config, weights = _seeds()
    name = data.draw(st.sampled_from(sorted(weights)))
    content = data.draw(spoilt([weights[name]]))
    with place() as where:
        _run(where, json.dumps(config).encode(), name, content)


@given(data=st.data())
@few(20)
def test_any_configuration_is_a_model_or_one_line(data: st.DataObject) -> None:
    config, weights = _seeds()
    content = json.dumps(data.draw(twisted(config))).encode("utf-8", "surrogatepass")
    if data.draw(st.integers(0, 3)) == 0:
        content = data.draw(spoilt([content]))
    with place() as where:
        _run(where, content, "pytorch_model.bin", weights["pytorch_model.bin"])


def test_a_configuration_as_deep_as_a_well_is_one_line() -> None:
    with place() as where:
        _run(where, b"[" * 100_000, "model.safetensors", b"")


def test_a_file_of_half_characters_is_one_line() -> None:
    with place() as where:
        write_text(where.input / "x", "\ud800")
        config = (where.input / "x").read_bytes()
        _run(where, config, "model.safetensors", b"")
