"""Weights for a codec of one's own: it loads them itself where it can, else torch does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from snac_eval.codecs.wrapping.quiet import seeded
from snac_eval.errors import (
    CheckpointError,
    SnacEvalError,
    UsageError,
    WeightsUnavailable,
    one_line,
    place,
)
from snac_eval.reading.names import user_path

_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
_WITHIN = ("state_dict", "model_state_dict", "model", "weights")


def load_weights(made: Any, weights: str, who: str) -> None:  # noqa: ANN401 - any object
    """Have the object load these weights: by its own ``load_weights``, else as a state dict.

    Raises WeightsUnavailable where there is no such file, CheckpointError where it does not fit,
    UsageError for an object that has nothing to load them into.
    """
    own = getattr(made, "load_weights", None)
    torch: Any = sys.modules.get("torch")
    try:
        if callable(own):
            with seeded(0):
                own(weights)
        elif torch is not None and isinstance(made, torch.nn.Module):
            made.load_state_dict(_state_dict(_file(weights, who)))
        else:
            raise UsageError(
                f"{who}: --weights {weights}: {type(made).__name__} has no load_weights(path), no"
                " argument 'weights', and is no torch module"
            )
    except SnacEvalError:
        raise
    except Exception as error:
        said = f"{one_line(error)}{place(error)}"
        raise CheckpointError(f"{who}: --weights {weights} cannot be loaded: {said}") from error


def weights_file(weights: str) -> Path | None:
    """The file that is named, or the only one in the folder that is; None where there is none."""
    path = user_path(weights)
    if path.is_dir():
        found = [one for one in sorted(path.iterdir()) if one.suffix in _SUFFIXES]
        return found[0] if len(found) == 1 else None
    return path if path.is_file() else None


def _file(weights: str, who: str) -> Path:
    path = weights_file(weights)
    if path is None:
        raise WeightsUnavailable(
            f"{who}: --weights {weights}: no file, and no folder with one file of"
            f" {', '.join(_SUFFIXES)}"
        )
    return path


def _state_dict(path: Path) -> Any:  # noqa: ANN401
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    inner = [state.get(name) for name in _WITHIN] if isinstance(state, dict) else []
    return next((one for one in inner if isinstance(one, dict)), state)
