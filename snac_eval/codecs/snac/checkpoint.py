"""Read a SNAC model's weights and fold weight normalisation into plain weights."""

from __future__ import annotations

import pickle

import torch
from torch import Tensor

from snac_eval.codecs.snac.model import SNAC, SNACConfig
from snac_eval.errors import CheckpointError
from snac_eval.hub import WeightFiles

_GAIN, _DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"


def load_model(files: WeightFiles, device: str = "cpu", compiled: bool = False) -> SNAC:
    """A frozen model, float32, with plain weights. Raises CheckpointError."""
    model = SNAC(SNACConfig.from_json(files.config))
    state = {key: value.float() for key, value in fold_weight_norm(read_state(files)).items()}
    expected = model.state_dict()
    if wrong := _differences(state, expected):
        raise CheckpointError(f"{files.weights}: does not fit {files.config}: {wrong}")
    model.load_state_dict(state)
    return model.to(device).freeze(compiled)


def read_state(files: WeightFiles) -> dict[str, Tensor]:
    """Tensors by name. Never runs code from the file. Raises CheckpointError."""
    try:
        if files.weights.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                return dict(load_file(files.weights))
            except SafetensorError as error:
                raise ValueError(error) from error
        state = torch.load(files.weights, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{files.weights}: cannot be read as weights ({detail}); download it again"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{files.weights}: holds no table of tensors; download it again")
    return state


def fold_weight_norm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Replace each gain and direction by the weight ``gain * direction / |direction|``.

    The norm is over all dimensions but the first (Salimans and Kingma, arXiv 1602.07868). Plain
    weights pass through, so folding twice changes nothing.
    """
    folded = {}
    for key, value in state.items():
        if key.endswith(_DIRECTION):
            continue
        if key.endswith(_GAIN):
            module = key.removesuffix(_GAIN)
            folded[f"{module}.weight"] = torch._weight_norm(state[module + _DIRECTION], value, 0)
        else:
            folded[key] = value
    return folded


def _differences(state: dict[str, Tensor], expected: dict[str, Tensor]) -> str:
    if missing := sorted(set(expected) - set(state)):
        return f"{len(missing)} weights are missing, the first is {missing[0]}"
    if surplus := sorted(set(state) - set(expected)):
        return f"{len(surplus)} weights are unknown, the first is {surplus[0]}"
    for key, value in expected.items():
        if state[key].shape != value.shape:
            return f"{key} has shape {tuple(state[key].shape)}, not {tuple(value.shape)}"
    return ""
