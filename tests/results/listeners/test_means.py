"""Mean ratings and tests, for other listeners and other clips."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from snac_eval.results.listeners.means import (
    clip_means,
    codec_means,
    mean_rating,
    paired_ratings,
)
from snac_eval.results.listeners.ratings import Rating
from tests.results.listeners.drawn import ratings


def _rows(table: np.ndarray) -> list[Rating]:
    return [
        Rating(f"c{row}", "x", f"l{column}", float(table[row, column]))
        for row, column in np.ndindex(table.shape)
        if not math.isnan(table[row, column])
    ]


def test_a_full_table_is_analysed_as_the_textbooks_do() -> None:
    rng = np.random.default_rng(2)
    clips, people = 9, 7
    table = 10 * rng.normal(size=(clips, 1)) + 6 * rng.normal(size=(1, people))
    table = 50 + table + 8 * rng.normal(size=(clips, people))
    by_clip = people * table.mean(axis=1).var(ddof=1)
    by_person = clips * table.mean(axis=0).var(ddof=1)
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    freedom = (clips - 1) * (people - 1)
    error = float((rest**2).sum()) / freedom
    variance = (by_clip + by_person - error) / (clips * people)
    spread = by_clip**2 / (clips - 1) + by_person**2 / (people - 1) + error**2 / freedom
    reach = stats.t.ppf(0.975, (by_clip + by_person - error) ** 2 / spread) * math.sqrt(variance)
    found = mean_rating(_rows(table))
    assert found.mean == pytest.approx(table.mean())
    assert (found.low, found.high) == pytest.approx((table.mean() - reach, table.mean() + reach))
    assert (found.num_ratings, found.num_clips, found.num_listeners) == (63, 9, 7)


def test_a_clip_that_more_people_heard_weighs_no_more() -> None:
    table = np.full((4, 8), 20.0)
    table[0] = 60
    table[1:, 4:] = math.nan
    assert mean_rating(_rows(table)).mean == pytest.approx(30)


def test_intervals_hold_the_mean_and_tests_are_seldom_wrong() -> None:
    rng = np.random.default_rng(3)
    held = wrong = 0
    for _ in range(60):
        table = 12 * rng.normal(size=(12, 1)) + 8 * rng.normal(size=(1, 16))
        table = table + 17 * rng.normal(size=(12, 16))
        table[rng.random(table.shape) < 0.4] = math.nan
        found = mean_rating(_rows(table))
        held += found.low <= 0 <= found.high
        wrong += found.p_value < 0.05
    assert held + wrong == 60  # the test is the interval's
    assert 52 <= held <= 60


def test_pairs_are_tested_by_listener_and_clip() -> None:
    drawn = ratings({"ref": 100, "good": 70, "alike": 69, "bad": 30, "anchor": 10}, missing=0.2)
    found = {(one.first, one.second): one for one in paired_ratings(drawn)}
    assert {pair: one.verdict for pair, one in found.items()} == {
        ("good", "alike"): "no difference shown",
        ("good", "bad"): "better",
        ("alike", "bad"): "better",
    }
    worst = max(one.difference.p_value for one in found.values())
    assert found["good", "alike"].p_holm == worst  # the last of Holm's is not corrected
    assert found["good", "bad"].p_holm > found["good", "bad"].difference.p_value
    every = paired_ratings(drawn, ("codec", "reference", "anchor"))
    assert len(every) == 10


@pytest.mark.parametrize(("clips", "listeners"), [(3, 9), (9, 3)])
def test_few_clips_or_listeners_give_no_verdict(clips: int, listeners: int) -> None:
    (pair,) = paired_ratings(ratings({"a": 90, "b": 10}, clips=clips, listeners=listeners))
    assert pair.verdict == "not tested"
    assert math.isnan(pair.difference.p_value)
    assert pair.difference.low > 60


def test_one_listener_has_no_interval_and_equal_ratings_no_difference() -> None:
    (alone,) = paired_ratings(ratings({"a": 50, "b": 40}, listeners=1))
    assert math.isnan(alone.difference.low)
    (same,) = paired_ratings(ratings({"a": 50, "b": 50}, spread=0))
    assert (same.difference.p_value, same.verdict) == (1, "no difference shown")
    (apart,) = paired_ratings(ratings({"a": 51, "b": 50}, spread=0))
    assert (apart.difference.p_value, apart.verdict) == (0, "better")
    drawn = ratings({"a": 50, "b": 50})
    nobody = replace(
        drawn, rows=tuple(one for one in drawn.rows if (one.listener == "l1") == (one.codec == "a"))
    )
    assert paired_ratings(nobody)[0].verdict == "not tested"


def test_intervals_end_where_the_scale_does() -> None:
    found = codec_means(ratings({"ref": 100, "a": 97, "b": 2}))
    assert list(found) == ["ref", "a", "b"]
    assert found["ref"].high <= 100
    assert found["b"].low >= 0


def test_means_of_clips_are_over_listeners() -> None:
    rows = [Rating("c", "x", f"l{n}", value) for n, value in enumerate((10.0, 20, 30, 40))]
    (found,) = clip_means(replace(ratings({"x": 1}), rows=tuple(rows))).values()
    reach = stats.t.ppf(0.975, 3) * np.std([10, 20, 30, 40], ddof=1) / 2
    assert (found.mean, found.num_listeners) == (25, 4)
    assert (found.low, found.high) == pytest.approx((25 - reach, 25 + reach))
