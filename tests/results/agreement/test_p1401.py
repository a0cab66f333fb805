"""The mapping of ITU-T P.1401."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snac_eval.results.agreement.p1401 import mapped, mapped_values

SCORES = np.linspace(1.2, 4.4, 40)


def test_a_cubic_that_does_not_turn_is_found() -> None:
    ratings = 10 + 3 * (SCORES - 2) ** 3 + 2 * SCORES
    found = mapped(SCORES, ratings, np.full(40, 1.0), True)
    assert found.rmse == pytest.approx(0, abs=0.01)
    assert found.coefficients == pytest.approx((-14, 38, -18, 3), abs=0.2)
    assert mapped_values(found.coefficients, SCORES) == pytest.approx(ratings, abs=0.02)


def test_errors_divide_by_points_less_four_and_rmse_star_spares_intervals() -> None:
    noise = np.tile([3.0, -3.0], 20)
    found = mapped(SCORES, 5 * SCORES + noise, np.full(40, 2.0), True)
    missed = 5 * SCORES + noise - mapped_values(found.coefficients, SCORES)
    assert found.rmse == pytest.approx(math.sqrt((missed**2).sum() / 36))
    beyond = np.maximum(0, np.abs(missed) - 2.0)
    assert found.rmse_star == pytest.approx(math.sqrt((beyond**2).sum() / 36))
    assert 0.8 < found.rmse_star < 1.2


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_it_never_turns_within_the_scores(higher: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ratings = 20 * np.sin(3 * SCORES) + rng.standard_normal(40)
    found = mapped(SCORES, ratings, np.ones(40), higher)
    steps = np.diff(mapped_values(found.coefficients, np.linspace(1.2, 4.4, 999)))
    assert (steps >= -1e-9).all() if higher else (steps <= 1e-9).all()


def test_a_metric_that_contradicts_gets_a_level_line() -> None:
    ratings = 80 - 10 * SCORES
    found = mapped(SCORES, ratings, np.ones(40), True)
    assert mapped_values(found.coefficients, SCORES) == pytest.approx(ratings.mean())
    assert mapped(SCORES, ratings, np.ones(40), False).rmse < 1e-6
    assert mapped(SCORES, ratings, np.ones(40), None).rmse < 1e-6


def test_why_there_is_none() -> None:
    four = mapped(SCORES[:4], SCORES[:4], np.ones(4), True)
    assert math.isnan(four.rmse)
    assert four.reason == "4 points; the mapping has 4 coefficients"
    assert mapped(np.ones(9), SCORES[:9], np.ones(9), True).reason == "all scores are equal"
    single = mapped(SCORES, SCORES, np.where(SCORES < 2, math.nan, 1.0), True)
    assert single.rmse == pytest.approx(0, abs=1e-6)
    assert math.isnan(single.rmse_star)
    assert single.reason == "RMSE* needs the interval of every rating; 10 of 40 have none"
