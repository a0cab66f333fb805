"""Read a SNAC model's weights, in any of the forms in which people save them.

These mean the same and give the same codes: weight normalisation under old names (``weight_g``,
``weight_v``) and new ones (``parametrizations.weight.original0``, ``original1``), or folded into
plain weights; names behind ``module.``, ``_orig_mod.``, ``generator.`` or ``model.``; half
precision and bfloat16; a table inside another under ``state_dict``, ``model_state_dict``,
``generator`` or ``model``, beside whatever else training keeps; safetensors, and both formats of
``torch.save``.

Tensors that are plainly not the generator's are left aside: discriminators, mel filters, losses,
optimisers. Any other surplus is an error, for it could be a layer that SNAC does not have.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from snac_eval.errors import CheckpointError, detail
from snac_eval.hub import WeightFiles

_TABLES = ("state_dict", "model_state_dict", "generator", "model")
_DEEPEST_TABLE = 4
_PREFIXES = ("module", "_orig_mod", "generator", "model")
_NOT_SNACS = re.compile(
    r"(discriminators?|disc|mpd|msd|mrd|mel\w*|loss(es)?|criterion|optimi[sz]ers?|n_averaged)(\.|$)"
)
# Gain and direction of weight normalisation, as torch names them now and as it did before.
_NORMED = (
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
    (".weight_g", ".weight_v"),
)
_NAMED = 10
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
}


def read_weights(files: WeightFiles, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Plain float32 weights under SNAC's names, fit for ``expected``.

    No code from the file is run. Raises CheckpointError, which names every tensor that is missing,
    unknown or of a wrong shape.
    """
    state = snac_weights(read_table(files.weights), files.weights)
    if wrong := _differences(state, expected):
        raise CheckpointError(f"{files.weights}: does not fit {files.config}: {wrong}")
    return state


def read_table(path: Path) -> dict[str, Tensor]:
    """Tensors by name, out of the tables around them. Raises CheckpointError."""
    try:
        if path.suffix == ".safetensors":
            table: object = _safetensors(path)
        else:
            table = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path}: cannot be read as weights{_why(error)}") from error
    for _ in range(_DEEPEST_TABLE):
        if isinstance(table, dict):
            inner = (table[key] for key in _TABLES if isinstance(table.get(key), dict))
            table = next(inner, table)
    tensors = table if isinstance(table, dict) else {}
    tensors = {str(k): v.detach() for k, v in tensors.items() if isinstance(v, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path}: holds no table of tensors; download it again")
    return tensors


def _safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, also in an interpreter that has torch alone: the length of a header (8
    bytes, little-endian), the header, which is JSON, and the numbers."""
    try:
        from safetensors.torch import load_file
    except ImportError:
        pass
    else:
        found: dict[str, Tensor] = load_file(path)
        return found
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, facts in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        first, end = facts["data_offsets"]
        numbers = torch.frombuffer(data, dtype=torch.uint8)[start + first : start + end].clone()
        tensors[name] = numbers.view(_DTYPES[facts["dtype"]]).reshape(facts["shape"])
    return tensors


def snac_weights(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Plain float32 weights under SNAC's names. Raises CheckpointError where two get one name."""
    named: dict[str, Tensor] = {}
    for key, value in state.items():
        name = _bare(key)
        if _NOT_SNACS.match(name):
            continue
        if name in named:
            raise CheckpointError(
                f"{path}: holds {name} twice, once as {key}; save one model alone"
            )
        # Before weight normalisation is folded: half precision would round the outcome again.
        named[name] = value.float()
    return fold_weight_norm(named)


def fold_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace each gain and direction by the weight ``gain * direction / |direction|``.

    The norm is over all dimensions but the first (Salimans and Kingma, arXiv 1602.07868). Plain
    weights pass through, so folding twice changes nothing; so does what has no counterpart.
    """
    folded = dict(state)
    for key, gain in state.items():
        for gains, directions in _NORMED:
            module = key.removesuffix(gains)
            direction = state.get(module + directions)
            if module == key or direction is None or gain.shape != (len(direction), 1, 1):
                continue
            del folded[key], folded[module + directions]
            folded[f"{module}.weight"] = torch._weight_norm(direction, gain, 0)
    return folded


def _why(error: Exception) -> str:
    if code := re.search(r"GLOBAL (\S+)", str(error)):
        return (
            f": it holds {code[1]}, and loading that could run code; save the tensors alone,"
            " torch.save(model.state_dict(), ...)"
        )
    # Torch's own message is about how to run the code that is in the file.
    not_torchs = isinstance(error, pickle.UnpicklingError)
    return (
        f" ({'torch.save wrote no such file' if not_torchs else detail(error)}); download it again"
    )


def _bare(key: str) -> str:
    """The name without what data parallelism, torch.compile and trainers put before it."""
    parts = [part for part in key.split(".") if part not in ("module", "_orig_mod")]
    while len(parts) > 1 and parts[0] in _PREFIXES:
        del parts[0]
    return ".".join(parts)


def _differences(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    wanted = {key: tuple(value.shape) for key, value in expected.items()}
    both = sorted(shapes.keys() & wanted.keys())
    misfits = [f"{k} {shapes[k]} for {wanted[k]}" for k in both if shapes[k] != wanted[k]]
    kinds = {
        "missing": sorted(wanted.keys() - shapes.keys()),
        "unknown": sorted(shapes.keys() - wanted.keys()),
        "of a wrong shape": misfits,
    }
    return "; ".join(f"{len(keys)} {kind}: {_listed(keys)}" for kind, keys in kinds.items() if keys)


def _listed(keys: Iterable[str]) -> str:
    keys = list(keys)
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return f"{', '.join(keys[:_NAMED])}{more}"
