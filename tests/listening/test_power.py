"""The power of a planned test is that of the test which reads its answers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from snac_eval.listening.power import MUSHRA, Design, Plan, p_values, planned_power, table_lines
from snac_eval.results.listeners.means import mean_rating
from snac_eval.results.listeners.ratings import Rating

DESIGN = Design(listeners=9, clips=6)


def differences(seed: int, shift: float) -> NDArray[np.float64]:
    """``[clip, listener]`` of two codecs that differ by ``shift``."""
    rng, shape = np.random.default_rng(seed), (DESIGN.clips, DESIGN.listeners)
    by_clip = rng.normal(0, MUSHRA.clip, (DESIGN.clips, 1))
    by_listener = rng.normal(0, MUSHRA.listener, (1, DESIGN.listeners))
    return shift + 2**0.5 * (by_clip + by_listener + rng.normal(0, MUSHRA.rest, shape))


def read(table: NDArray[np.float64]) -> float:
    """The p-value of ``listen read``."""
    rows = [
        Rating(str(clip), "", str(listener), value)
        for (clip, listener), value in np.ndenumerate(table)
    ]
    return mean_rating(rows).p_value


def planned(table: NDArray[np.float64]) -> float:
    """The p-value as the planning computes it, of the table's statistics."""
    by_clip, by_listener = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_clip[:, None] - by_listener + table.mean()
    error = (rest**2).sum() / ((DESIGN.clips - 1) * (DESIGN.listeners - 1))
    found = (
        table.mean(),
        by_clip.var(ddof=1) / DESIGN.clips,
        by_listener.var(ddof=1) / DESIGN.listeners,
        error / table.size,
    )
    return float(p_values(*map(np.atleast_1d, found), DESIGN)[0])


@pytest.mark.parametrize("seed", range(6))
def test_the_planned_test_is_the_one_that_is_made(seed: int) -> None:
    table = differences(seed, 10.0)
    assert planned(table) == pytest.approx(read(table), rel=1e-9)


def test_power_is_the_share_of_drawn_ratings_that_show_the_difference() -> None:
    shown = np.mean([planned(differences(seed, 20.0)) < 0.05 for seed in range(600)])
    assert Plan("mushra", 2).power(DESIGN, 20.0) == pytest.approx(shown, abs=0.06)


def test_what_does_not_differ_is_rarely_shown_and_more_work_shows_more() -> None:
    plan = Plan("mushra", 2)
    assert plan.power(Design(12, 12), 0.0) <= 0.06
    found = [plan.power(Design(n, n), 10.0) for n in (5, 10, 20, 40)]
    assert found == sorted(found)
    assert found[-1] > 0.8 > found[0]
    assert Plan("mushra", 5).power(Design(12, 12), 20.0) < plan.power(Design(12, 12), 20.0)
    assert plan.power(Design(3, 50), 50.0) == 0


def test_abx_is_the_binomial_test_of_all_answers() -> None:
    # 9 of 10 and 10 of 10 are the only outcomes below 0.05: 11 of 1024.
    assert Plan("abx", 1).power(Design(10, 1), 0.0) == pytest.approx(11 / 1024)
    assert Plan("abx", 1).power(Design(10, 1), 0.4) == pytest.approx(0.9**10 + 10 * 0.1 * 0.9**9)
    assert Plan("abx", 1, repeats=2).power(Design(5, 1), 0.4) == pytest.approx(
        Plan("abx", 1).power(Design(10, 1), 0.4)
    )


def test_what_is_needed_is_enough_and_one_listener_less_is_not() -> None:
    plan = Plan("mushra", 3)
    found = planned_power(plan, 12)
    least = found.needed_here[-1]
    assert least is not None
    assert plan.power(Design(least, 12), 20.0) >= 0.8 > plan.power(Design(least - 1, 12), 20.0)
    text = "\n".join(table_lines(found))
    assert f"80 % for 20 points: with 12 clips {least} listeners" in text
    assert found.needed_here[0] is None
    assert "80 % for 5 points: with 12 clips more than 100 listeners" in text
    assert "nothing is tested" in "\n".join(table_lines(planned_power(plan, 2)))
