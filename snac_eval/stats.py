"""Confidence intervals of a mean over clips."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95
_RESAMPLES = 2000


def bootstrap_mean_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13).

    Clips are resampled as if independent; clips of one speaker are not, so over few speakers the
    interval is too narrow. NaN, NaN for fewer than two values. Seeded: the same values give the
    same interval.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size < 2:
        return math.nan, math.nan
    if np.ptp(data) == 0:
        return float(data[0]), float(data[0])
    from scipy.stats import bootstrap

    result = bootstrap(
        (data,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
