"""What folders of runs are called, so that different runs never share one by accident."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.errors import redacted
from snac_eval.run.shards import Shard

if TYPE_CHECKING:
    from snac_eval.run.config import RunConfig

_LONGEST = 100
# A card's name, perhaps with a plain argument and options: no two give one folder's name.
_PLAIN = re.compile(r"[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)?(@[a-z_]+=[0-9.]+)*")
_REPLACED = re.compile(r"[^\w.-]+")
_DEFAULTS = {
    "limit": 0,
    "seed": 0,
    "weights": "",
    "model_args": (),
    "domain": "",
    "reference_rate": "clip",
    "excerpt_s": 0.0,
    "balance": "",
    "sample_seed": 0,
    "channels": "downmix",
}
"""The options that change what is measured."""


def default_output(config: RunConfig, below: Path = Path("runs")) -> Path:
    """``runs/MODEL_DATASET``, with a digest of what that does not say where it does not say all.

    A shard's begins with the name of the whole run's: ``runs/MODEL_DATASET+shard-2-of-8``.
    """
    options = {name: getattr(config, name) for name in _DEFAULTS}
    other = [f"{name}={value}" for name, value in options.items() if value != _DEFAULTS[name]]
    dataset = redacted(config.dataset)
    name, shard = folder_name([config.model, dataset], other), Shard.parse(config.shard)
    # No name that folder_name gives has a plus.
    return below / (name if shard.is_whole else f"{name}+shard-{shard.number}-of-{shard.of}")


def study_output(configs: Sequence[RunConfig]) -> Path:
    """``runs/study-`` and a digest of the runs' own names: the same runs are the same study."""
    said = "\n".join(str(default_output(config)) for config in configs)
    return Path("runs") / f"study-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def folder_name(names: Sequence[str], options: Sequence[str] = ()) -> str:
    """A folder's name for these names; different names and options have different ones."""
    text = _REPLACED.sub("_", "_".join([*names, *options])).strip("_.")
    if not options and len(text) <= _LONGEST and all(map(_PLAIN.fullmatch, names)):
        return text
    said = "\n".join([*names, *options]).encode("utf-8", "surrogatepass")
    return f"{text[:_LONGEST].strip('_.')}-{hashlib.sha256(said).hexdigest()[:8]}"
