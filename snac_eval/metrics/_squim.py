"""torchaudio's SQUIM, in whichever interpreter it is (:mod:`.squim`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import CheckpointError, detail

if TYPE_CHECKING:
    from numpy.typing import NDArray


def predicted(estimate: NDArray[np.float32], weights: str) -> list[float]:
    """STOI, PESQ and SI-SDR of a float ``[time]`` at 16 kHz, by the weights in this file."""
    import torch

    with torch.inference_mode():
        return [float(one) for one in _network(weights)(torch.from_numpy(np.array(estimate))[None])]


@cache
def _network(weights: str) -> Any:  # noqa: ANN401 - torchaudio is not installed where types are checked
    import torch
    from torchaudio.models import squim_objective_base

    network = squim_objective_base()
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # what a damaged file raises is of any kind
        raise CheckpointError(f"{weights}: no weights of SQUIM: {detail(error)}") from error
    return network.eval()
