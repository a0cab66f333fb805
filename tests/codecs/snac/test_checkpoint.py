"""A checkpoint in any of its forms loads to the same model; what is wrong with it is one line."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from snac_eval.codecs.snac import SNAC, SNACConfig
from snac_eval.codecs.snac.checkpoint import fold_weight_norm
from snac_eval.errors import CheckpointError
from snac_eval.hub import find_weights
from tests.codecs.snac.models import equal, liven, random_audio

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


def _state(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(folder / "pytorch_model.bin", weights_only=True)
    return state


def test_weight_norm_is_folded(tmp_path: Path) -> None:
    trained = save_model(tmp_path).eval()
    loaded = SNAC.from_pretrained(tmp_path)
    audio = random_audio(500)
    assert equal(loaded.encode(audio), trained.encode(audio))
    state = loaded.state_dict()
    assert not any("parametrizations" in key for key in state)
    assert fold_weight_norm(state).keys() == state.keys()


def test_safetensors_win_and_half_precision_is_widened(tmp_path: Path) -> None:
    save_model(tmp_path)
    plain = SNAC.from_pretrained(tmp_path).state_dict()
    save_file({key: value.half() for key, value in plain.items()}, tmp_path / "model.safetensors")
    files = find_weights(tmp_path)
    assert files.weights.name == "model.safetensors"
    model = SNAC.from_files(files)
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())


def test_output_has_the_length_of_the_input(tmp_path: Path) -> None:
    save_model(tmp_path)
    model = SNAC.from_pretrained(tmp_path)
    for length in (1, 15, 16, 500):
        audio = torch.zeros(2, 1, length)
        codes = model.encode(audio)
        frames = -(-length // 16)
        assert [stream.shape for stream in codes] == [(2, frames), (2, 2 * frames)]
        assert (
            model.decode(codes, length, seeds=[1, 2]).shape == model(audio)[0].shape == audio.shape
        )


def test_loading_leaves_the_random_numbers_alone_and_can_be_trained_on(tmp_path: Path) -> None:
    save_model(tmp_path)
    torch.manual_seed(1)
    expected = torch.randn(3)
    torch.manual_seed(1)
    with torch.inference_mode():
        model = SNAC.from_pretrained(tmp_path)
    assert torch.equal(torch.randn(3), expected)
    assert not model.training
    assert all(one.requires_grad and not one.is_inference() for one in model.parameters())


def _old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    names = {f".parametrizations.weight.original{i}": f".weight_{x}" for i, x in enumerate("gv")}
    return {
        next((k.replace(new, old) for new, old in names.items() if k.endswith(new)), k): v
        for k, v in state.items()
    }


def _prefixed(prefix: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: {f"{prefix}{key}": value for key, value in state.items()}


TRAINERS = {"epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}, "param_groups": []}}
FORMS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "as published": lambda state: state,
    "weight_g and weight_v": _old_names,
    "plain": fold_weight_norm,
    "module.": _prefixed("module."),
    "_orig_mod.": _prefixed("_orig_mod."),
    "both, and a trainer's": _prefixed("model.module._orig_mod.generator."),
    "parts compiled": lambda state: {
        k.replace(".block", "._orig_mod.block"): state[k] for k in state
    },
    "state_dict": lambda state: {"state_dict": state, **TRAINERS},
    "model": lambda state: {"model": state, **TRAINERS},
    "generator beside discriminator": lambda state: {
        "generator": {"state_dict": state},
        "discriminator": {"encoder.block.0.weight": torch.zeros(1)},
    },
    "numbers beside tensors": lambda state: {**state, "step": 7, "note": "x"},
    "discriminators and filters": lambda state: {
        **_prefixed("generator.")(state),  # type: ignore[dict-item]
        "discriminator.0.weight": torch.zeros(3),
        "mpd.convs.0.weight": torch.zeros(3),
        "mel_basis": torch.zeros(2),
        "n_averaged": torch.tensor(4),
    },
    "parameters": lambda state: {key: nn.Parameter(value) for key, value in state.items()},
    "float64": lambda state: {key: value.double() for key, value in state.items()},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_codes(tmp_path: Path, form: str) -> None:
    expected = liven_saved(tmp_path)
    torch.save(FORMS[form](_state(tmp_path)), tmp_path / "pytorch_model.bin")
    model = SNAC.from_pretrained(tmp_path)
    audio = random_audio(20_000)
    codes = expected.encode(audio)
    assert len(codes[1].unique()) > 5
    assert equal(model.encode(audio), codes)
    assert torch.equal(model.decode(codes), expected.decode(codes))


def liven_saved(folder: Path) -> SNAC:
    """A model whose codes are many, saved as published."""
    model = liven(save_model(folder)).eval()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return model


@pytest.mark.parametrize("kind", [torch.half, torch.bfloat16])
def test_narrow_weights_are_widened_before_they_are_folded(
    tmp_path: Path, kind: torch.dtype
) -> None:
    wide = liven_saved(tmp_path)
    wide.load_state_dict({key: value.to(kind) for key, value in wide.state_dict().items()})
    torch.save(wide.to(kind).state_dict(), tmp_path / "pytorch_model.bin")
    audio = random_audio(20_000)
    model = SNAC.from_pretrained(tmp_path)
    assert equal(model.encode(audio), wide.float().encode(audio))


def test_the_older_format_and_safetensors_with_notes(tmp_path: Path) -> None:
    expected, audio = liven_saved(tmp_path), random_audio(20_000)
    state, file = _state(tmp_path), tmp_path / "pytorch_model.bin"
    torch.save(state, file, _use_new_zipfile_serialization=False)
    assert equal(SNAC.from_pretrained(tmp_path).encode(audio), expected.encode(audio))
    file.unlink()
    safe = {f"module.{key}": value.contiguous() for key, value in state.items()}
    save_file(safe, tmp_path / "model.safetensors", metadata={"format": "pt", "note": "ünï"})
    assert equal(SNAC.from_pretrained(tmp_path).encode(audio), expected.encode(audio))


def test_configurations_as_people_write_them(tmp_path: Path) -> None:
    save_model(tmp_path)
    file, table = tmp_path / "config.json", TINY.to_dict()
    more = {**table, "model_type": "snac", "architectures": ["SNAC"], "nested": {"a": [1]}}
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(more).encode())
    assert SNACConfig.from_json(file) == TINY
    optional = ("latent_dim", "noise", "depthwise", "codebook_dim")
    file.write_text(json.dumps({k: v for k, v in table.items() if k not in optional}))
    assert SNACConfig.from_json(file) == TINY
    # As PyPI's snac has it, a window that is not named is one of 32 frames.
    wide = {**table, "encoder_dim": 16, "decoder_dim": 64}
    file.write_text(json.dumps({k: v for k, v in wide.items() if k != "attn_window_size"}))
    assert SNACConfig.from_json(file).attn_window_size == 32


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"encoder_dim": "48"}, "encoder_dim must be a positive whole number, not '48'"),
        ({"encoder_rates": 4}, "encoder_rates must be a list of positive whole numbers, not 4"),
        ({"vq_strides": []}, r"vq_strides must be a list of positive whole numbers, not \(\)"),
        ({"vq_strides": [2, 0]}, "vq_strides must be a list of positive"),
        ({"noise": "yes"}, "noise must be true or false, not 'yes'"),
        ({"vq_strides": [3, 2]}, "must divide the first"),
        ({"decoder_rates": [2, 2]}, "different products"),
        ({"encoder_rates": [8, 1]}, "into 3 latent frames, not 2"),
        ({"decoder_rates": [8, 1]}, "decoder_rates must be at least 2"),
        ({"latent_dim": 5}, "latent_dim must be the 16 channels"),
        ({"attn_window_size": 8}, "multiples of 64 channels, not 16 in the encoder and 16"),
        ({"decoder_dim": 2}, "cannot be halved"),
    ],
)
def test_a_configuration_that_cannot_be_says_why(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**TINY.to_dict(), **change}))
    with pytest.raises(CheckpointError, match=says):
        SNACConfig.from_json(tmp_path / "config.json")


def test_a_configuration_that_lacks_names_says_which(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    for text, says in (
        ("{", "no valid SNAC configuration: Expecting"),
        ("[]", "no table of names and values"),
        ('{"sampling_rate": 8000, "encoder_dim": 4}', "encoder_rates, decoder_dim, decoder_rates,"),
    ):
        file.write_text(text)
        with pytest.raises(CheckpointError, match=says):
            SNACConfig.from_json(file)


def _broken(folder: Path, kind: str) -> None:
    file = folder / "pytorch_model.bin"
    if kind == "truncated":
        file.write_bytes(file.read_bytes()[:1000])
    elif kind == "text":
        file.write_text("version https://git-lfs.github.com/spec/v1")
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "list":
        torch.save([1, 2], file)
    elif kind == "no tensors":
        torch.save({"state_dict": {"epoch": 3}}, file)
    elif kind == "a table in itself":
        table: dict[str, object] = {}
        table["model"] = table
        torch.save(table, file)
    elif kind == "code":
        torch.save({"a": os.system}, file)
    elif kind == "two models":
        state = _state(folder)
        torch.save({**state, **_prefixed("module.")(state)}, file)  # type: ignore[dict-item]
    elif kind == "safetensors":
        (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0 no json here ..")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("truncated", "cannot be read as weights"),
        ("text", r"cannot be read as weights \(torch.save wrote no such file\); download it again"),
        ("empty", "cannot be read as weights"),
        ("list", "holds no table of tensors"),
        ("no tensors", "holds no table of tensors"),
        ("a table in itself", "holds no table of tensors"),
        ("code", "it holds posix.system, and loading that could run code"),
        ("two models", "holds .* twice, once as module."),
        ("safetensors", "cannot be read as weights"),
    ],
)
def test_broken_checkpoints_are_one_line(tmp_path: Path, kind: str, says: str) -> None:
    save_model(tmp_path)
    _broken(tmp_path, kind)
    with pytest.raises(CheckpointError, match=says) as caught:
        SNAC.from_pretrained(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY.to_dict()))
    mark = tmp_path / "mark"

    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (mark,)

    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Harmful()}))
    with pytest.raises(CheckpointError):
        SNAC.from_pretrained(tmp_path)
    assert not mark.exists()


def test_what_does_not_fit_is_named_key_by_key(tmp_path: Path) -> None:
    save_model(tmp_path)
    state = _state(tmp_path)
    del state["decoder.model.0.bias"], state["encoder.block.0.parametrizations.weight.original0"]
    state["encoder.block.0.extra"] = state["postnet.weight"] = torch.zeros(1)
    state["quantizer.quantizers.0.codebook.weight"] = torch.zeros(3, 3)
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError) as caught:
        SNAC.from_pretrained(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'pytorch_model.bin'}: does not fit {tmp_path / 'config.json'}:"
        " 2 missing: decoder.model.0.bias, encoder.block.0.weight;"
        " 3 unknown: encoder.block.0.extra,"
        " encoder.block.0.parametrizations.weight.original1, postnet.weight;"
        " 1 of a wrong shape: quantizer.quantizers.0.codebook.weight (3, 3) for (16, 8)"
    )
    torch.save({"encoder.x": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(
        CheckpointError, match=r"\d+ missing: (\S+, ){9}\S+ and \d+ more; 1 unknown"
    ):
        SNAC.from_pretrained(tmp_path)
