"""The packages ``pesq`` and ``pesqc2``, in whichever interpreter they are (:mod:`.pesq`)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def score_of_part(
    package: str,
    mode: str,
    reference: NDArray[np.float32],
    estimate: NDArray[np.float32],
    sample_rate: int,
) -> float | None:
    """PESQ of two float ``[time]`` that the native code can hold; None where it finds no speech."""
    pesq: Any = import_module(package)
    try:
        return float(pesq.pesq(sample_rate, reference, estimate, mode))
    except pesq.NoUtterancesError:
        return None
