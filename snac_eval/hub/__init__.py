"""Weights of any model: bundled, in a folder, in the Hugging Face hub's cache, or on the hub.

This package alone asks the hub for a model. ``HF_ENDPOINT``, ``HF_HOME`` and
``HF_HUB_OFFLINE`` apply; a hub that sends next to nothing is given up as :mod:`snac_eval.download`
gives up any server. It imports no torch: a run with nothing left to compute only asks which weights
it is about.
"""

from __future__ import annotations

from snac_eval.hub.codecs import (
    BUNDLED_MODEL,
    NEEDS_WEIGHTS,
    cached_hub_file,
    find_file,
    find_weights,
    hub_file,
    weights_remedy,
    weights_state,
)
from snac_eval.hub.models import HubModel, model_named, quiet_transformers
from snac_eval.hub.repository import (
    CONFIG_FILE,
    QUESTION,
    REPOSITORY,
    WEIGHT_FILES,
    WeightFiles,
    answer,
    check_reachable,
    of_hub,
)

__all__ = [
    "BUNDLED_MODEL",
    "CONFIG_FILE",
    "NEEDS_WEIGHTS",
    "QUESTION",
    "REPOSITORY",
    "WEIGHT_FILES",
    "HubModel",
    "WeightFiles",
    "answer",
    "cached_hub_file",
    "check_reachable",
    "find_file",
    "find_weights",
    "hub_file",
    "model_named",
    "of_hub",
    "quiet_transformers",
    "weights_remedy",
    "weights_state",
]
