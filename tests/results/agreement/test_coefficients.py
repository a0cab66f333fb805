"""Coefficients of many resamples are scipy's of each one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from snac_eval.results.agreement.coefficients import (
    correlation,
    kendall,
    paired_kendall,
    pearson,
    ranks,
    repeated_kendall,
    signs,
)
from snac_eval.results.agreement.shapes import Kind

Array = NDArray[np.float64]
RNG = np.random.default_rng(3)
SCORES = np.round(RNG.standard_normal(30), 1)  # ties
RATINGS = np.round(SCORES + RNG.standard_normal(30), 1)
WEIGHTS = RNG.multinomial(30, np.full(30, 1 / 30), size=5).T.astype(float)


def of_each(function: Callable[..., Any], x: Array, y: Array) -> list[float]:
    """scipy's answer where a point stands as often as a resample holds it."""
    times = WEIGHTS.astype(int)
    columns = range(WEIGHTS.shape[1])
    return [
        function(np.repeat(x, times[:, at]), np.repeat(y[:, at], times[:, at])).statistic
        for at in columns
    ]


def test_resampled_coefficients_are_scipys() -> None:
    y = np.round(RATINGS[:, None] + RNG.standard_normal((30, 5)), 1)
    own, theirs = ranks(SCORES, WEIGHTS), ranks(y, WEIGHTS)
    taus = kendall(signs(SCORES)[None], y, WEIGHTS)
    assert pearson(SCORES, y, WEIGHTS) == pytest.approx(of_each(stats.pearsonr, SCORES, y))
    assert pearson(own, theirs, WEIGHTS) == pytest.approx(of_each(stats.spearmanr, SCORES, y))
    assert taus[0] == pytest.approx(of_each(stats.kendalltau, SCORES, y), abs=1e-6)
    assert repeated_kendall(SCORES[None], y, WEIGHTS) == pytest.approx(taus, abs=1e-6)


def test_sides_that_both_differ_in_each_resample() -> None:
    x, y = np.round(RNG.standard_normal((2, 7, 4)), 1)
    expected = [stats.kendalltau(x[:, at], y[:, at]).statistic for at in range(4)]
    assert paired_kendall(x, y) == pytest.approx(expected, abs=1e-6)


def test_means_that_differ_by_rounding_are_ties() -> None:
    y = np.array([0.1 + 0.2, 0.3, 0.5])[:, None]
    found = ranks(y, np.ones((3, 1)))[:, 0]
    assert found[0] == found[1] < found[2]


@pytest.mark.parametrize("kind", ["pearson", "spearman", "kendall"])
def test_what_does_not_vary_has_no_coefficient(kind: Kind) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(correlation(kind, np.full(9, 0.1), np.arange(9.0)))
        assert math.isnan(correlation(kind, np.arange(2.0), np.arange(2.0)))
    flat, ones = np.full((9, 2), 0.1), np.ones((9, 2))
    assert np.isnan(pearson(flat, np.arange(9.0), ones)).all()
    assert np.isnan(paired_kendall(flat, np.tile(np.arange(9.0)[:, None], 2))).all()
