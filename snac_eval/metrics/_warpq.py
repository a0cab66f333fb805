"""The package ``warpq``, in whichever interpreter it is (:mod:`.warpq`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def raw_score(
    reference: NDArray[np.float32], estimate: NDArray[np.float32], sample_rate: int
) -> float:
    """Raw score of two float ``[time]``."""
    found = _measure(sample_rate).evaluate(reference, estimate, arr_sr=sample_rate)
    return float(found["raw_warpq_score"])


@cache
def _measure(sample_rate: int) -> Any:  # noqa: ANN401 - the package is untyped
    from warpq.core import warpqMetric

    return warpqMetric(sr=sample_rate, n_jobs=1)
