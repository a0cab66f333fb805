"""Errors of a metric in units of the rating, after the mapping of ITU-T P.1401.

A polynomial of third order maps scores to ratings, the best by least squares of those that never
turn within the range of the scores. It rises where higher scores are better and falls where lower
ones are: a mapping must not turn a metric's order round, so one that contradicts listeners gets a
level line, and errors as large as ratings spread. Where a metric has no better direction the
mapping takes the one that fits better.

RMSE is the root of the squared errors' sum over N - 4, for the mapping has four coefficients;
RMSE* counts of each error what lies beyond the 95 % interval of that mean rating (P.1401, 7.5).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.agreement.shapes import Mapped

Array = NDArray[np.float64]
_COEFFICIENTS = 4
_TURNS = np.linspace(0.0, 1.0, 201)


def mapped(scores: Array, ratings: Array, errors: Array, higher_is_better: bool | None) -> Mapped:
    """Fit the mapping to ``scores`` and ``ratings`` ``[points]``; ``errors`` is half the 95 %
    interval of each rating, NaN where it is unknown."""
    count, reach = len(scores), float(np.ptp(scores)) if len(scores) else 0.0
    if count <= _COEFFICIENTS:
        points = f"{count} point{'' if count == 1 else 's'}"
        return Mapped(reason=f"{points}; the mapping has {_COEFFICIENTS} coefficients")
    if not reach:
        return Mapped(reason="all scores are equal")
    at = (scores - scores.min()) / reach
    fits = [_fit(at, ratings, rises) for rises in _directions(higher_is_better)]
    best = min(fits, key=lambda fit: _root(_values(fit, at) - ratings, count))
    missed = np.abs(_values(best, at) - ratings)
    beyond = np.maximum(0.0, missed - errors)
    unknown = int(np.isnan(errors).sum())
    return Mapped(
        rmse=_root(missed, count),
        rmse_star=_root(beyond, count),
        coefficients=_unscaled(best, float(scores.min()), reach),
        reason=f"RMSE* needs the interval of every rating; {unknown} of {count} have none"
        if unknown
        else "",
    )


def mapped_values(coefficients: tuple[float, ...], scores: Array) -> Array:
    """What a mapping makes of scores."""
    return np.asarray(np.polynomial.polynomial.polyval(scores, coefficients))


def _directions(higher_is_better: bool | None) -> tuple[bool, ...]:
    return (True, False) if higher_is_better is None else (higher_is_better,)


def _fit(at: Array, ratings: Array, rises: bool) -> Array:
    """Coefficients of the best cubic of ``at``, 0 to 1, that does not turn there.

    A quadratic that is nowhere negative between 0 and 1 is a sum, with weights not below 0, of
    ``(t - s) ** 2``, s between 0 and 1, and of ``t * (1 - t)``. So the cubic is a constant and such
    a sum of their integrals, which is linear least squares with weights not below 0.
    """
    from scipy.optimize import nnls

    turning = np.stack([_TURNS**2, -_TURNS, np.full_like(_TURNS, 1 / 3)])
    parts = np.column_stack([turning, [0.0, 0.5, -1 / 3]])
    columns = parts.T @ np.stack([at, at**2, at**3])
    middle, level = columns.mean(axis=1, keepdims=True), float(ratings.mean())
    sign = 1.0 if rises else -1.0
    weights, _ = nnls((columns - middle).T, sign * (ratings - level))
    rising = sign * (parts @ weights)
    return np.array([level - sign * float(weights @ middle[:, 0]), *rising])


def _values(fit: Array, at: Array) -> Array:
    return np.asarray(np.polynomial.polynomial.polyval(at, fit))


def _root(errors: Array, count: int) -> float:
    return math.sqrt(float(errors @ errors) / (count - _COEFFICIENTS))


def _unscaled(fit: Array, least: float, reach: float) -> tuple[float, ...]:
    """The coefficients of the scores themselves, constant first."""
    inner = np.polynomial.Polynomial([-least / reach, 1 / reach])
    whole = np.polynomial.Polynomial(fit)(inner)
    padded = np.zeros(_COEFFICIENTS)
    padded[: len(whole.coef)] = whole.coef
    return tuple(map(float, padded))
