"""Correlation coefficients of many resamples at once, equal to scipy's where all weights are 1.

Conventions: ``x`` and ``y`` are ``[points]`` or ``[points, resamples]``, ``weights`` ``[points,
resamples]``: how often a resample holds a point, 0 for not at all. A coefficient is NaN where
either side does not vary.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.agreement.shapes import Kind

Array = NDArray[np.float64]
Signs = NDArray[np.float32]
_FEWEST = 3
_TIE = 9
"""Means that are equal to so many decimals are ties: sums of the same numbers differ by rounding
where their order differs."""


def correlation(kind: Kind, x: Array, y: Array) -> float:
    """scipy's coefficient of two sides ``[points]``; NaN where one does not vary, and for fewer
    than three points."""
    from scipy import stats

    if len(x) < _FEWEST or not np.ptp(x) or not np.ptp(y):
        return math.nan
    how = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
    return float(how[kind](x, y).statistic)


def pearson(x: Array, y: Array, weights: Array) -> Array:
    """Weighted Pearson coefficients ``[resamples]``."""
    x, y = (side if side.ndim == 2 else side[:, None] for side in (x, y))
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # What is left of a constant is rounding.
        least = [1e-24 * (weights * side**2).sum(axis=0) for side in (x, y)]
        x = x - (weights * x).sum(axis=0) / total
        y = y - (weights * y).sum(axis=0) / total
        xx, yy, xy = ((weights * a * b).sum(axis=0) for a, b in ((x, x), (y, y), (x, y)))
        flat = (xx <= least[0]) | (yy <= least[1])
        found = np.where(flat, np.nan, xy / np.sqrt(xx * yy))
    return np.asarray(np.clip(found, -1.0, 1.0))


def ranks(values: Array, weights: Array) -> Array:
    """Weighted ranks ``[points, resamples]`` but for a constant; ties share their mean rank."""
    values = np.round(values, _TIE)
    if values.ndim == 1:
        return _ranks_of_fixed(values, weights)
    order = np.argsort(values, axis=0, kind="stable")
    sorted_values = np.take_along_axis(values, order, axis=0)
    upto = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    begins = np.ones(values.shape, dtype=bool)
    begins[1:] = sorted_values[1:] != sorted_values[:-1]
    ends = np.ones(values.shape, dtype=bool)
    ends[:-1] = begins[1:]
    before = np.zeros_like(upto)
    before[1:] = upto[:-1]
    # upto grows along the points, so the last that began is the largest, the next end the least.
    low = np.maximum.accumulate(np.where(begins, before, 0.0), axis=0)
    high = np.minimum.accumulate(np.where(ends, upto, np.inf)[::-1], axis=0)[::-1]
    found = np.empty_like(upto)
    np.put_along_axis(found, order, (low + high) / 2, axis=0)
    return found


def _ranks_of_fixed(values: Array, weights: Array) -> Array:
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    of_group = np.add.reduceat(weights[order], starts, axis=0)
    return np.asarray((np.cumsum(of_group, axis=0) - of_group / 2)[group])


def signs(values: Array) -> Signs:
    """Which of two points is higher, ``[points * points]`` or ``[points * points, resamples]``."""
    rounded = np.round(values, _TIE)
    found = np.sign(rounded[:, None] - rounded[None, :]).astype(np.float32)
    return found.reshape(-1, *found.shape[2:])


def kendall(x_signs: Signs, y: Array, weights: Array) -> Array:
    """Weighted tau-b ``[metrics, resamples]`` of :func:`signs` of metrics ``[metrics, points *
    points]`` and of ``y`` ``[points, resamples]``."""
    both = (weights[:, None] * weights[None, :]).astype(np.float32)
    pairs, theirs = both.reshape(-1, weights.shape[1]), signs(y)
    return _tau(x_signs @ (theirs * pairs), np.abs(x_signs) @ pairs, np.abs(theirs) * pairs)


def repeated_kendall(x: Array, y: Array, weights: Array) -> Array:
    """The same as :func:`kendall` of metrics ``x`` ``[metrics, points]``, one by one: of many
    points there are more pairs than fit in memory."""
    from scipy.stats import kendalltau

    found = np.full((len(x), weights.shape[1]), np.nan)
    for resample, times in enumerate(weights.T.astype(int)):
        rated = np.round(np.repeat(y[:, resample], times), _TIE)
        for metric, row in enumerate(x):
            found[metric, resample] = kendalltau(np.repeat(row, times), rated).statistic
    return found


def paired_kendall(x: Array, y: Array) -> Array:
    """tau-b ``[resamples]`` of sides ``[points, resamples]`` that both differ in each resample."""
    ours, theirs = signs(x), signs(y)
    return _tau((ours * theirs).sum(axis=0), np.abs(ours).sum(axis=0), np.abs(theirs))


def _tau(agree: Signs, untied_x: Signs, untied_y: Signs) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = agree / np.sqrt(untied_x * untied_y.sum(axis=0))
    return np.asarray(np.clip(np.where(np.isfinite(found), found, np.nan), -1, 1), dtype=float)
