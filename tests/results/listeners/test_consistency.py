"""How far listeners agree."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snac_eval.results.listeners.consistency import consistency, consistency_of
from snac_eval.results.listeners.ratings import Rating
from tests.results.listeners.drawn import ratings

# Four judges of six targets: Shrout and Fleiss 1979, table 2.
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)


def _rows(table: np.ndarray) -> list[Rating]:
    return [
        Rating(f"clip{row}", "codec", f"l{column}", float(table[row, column]))
        for row, column in np.ndindex(table.shape)
        if not math.isnan(table[row, column])
    ]


def test_the_example_of_the_textbooks() -> None:
    found = consistency_of(_rows(JUDGES.astype(float)))
    assert found.single == pytest.approx(0.2898, abs=5e-5)
    assert found.single_interval == pytest.approx((0.0188, 0.7611), abs=5e-5)
    assert found.average == pytest.approx(0.6201, abs=5e-5)
    assert found.average_interval == pytest.approx((0.0711, 0.9272), abs=5e-5)
    assert (found.k, found.num_listeners, found.num_stimuli) == (4, 4, 6)


def test_empty_cells_leave_the_estimate_where_it_is() -> None:
    rng = np.random.default_rng(4)
    full, holed = [], []
    for _ in range(15):
        table = 15 * rng.normal(size=(40, 1)) + 8 * rng.normal(size=(1, 10))
        table = table + 15 * rng.normal(size=(40, 10))
        full.append(consistency_of(_rows(table)).single)
        table[rng.random(table.shape) < 0.4] = math.nan
        holed.append(consistency_of(_rows(table)).single)
    true = 225 / (225 + 64 + 225)
    assert np.mean(full) == pytest.approx(true, abs=0.05)
    assert np.mean(holed) == pytest.approx(true, abs=0.05)


def test_references_and_anchors_do_not_flatter() -> None:
    codecs = {"a": 40.0, "b": 50.0}
    flattered = ratings({**codecs, "ref": 100.0, "anchor": 5.0})
    assert consistency(flattered).num_stimuli == 16
    assert consistency(flattered).single < consistency_of(list(flattered.rows)).single


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (JUDGES[:, :1], "two listeners"),
        (JUDGES[:1], "two stimuli"),
        (np.full((3, 3), 7), "all ratings are the same"),
        ([[1, 2, math.nan, math.nan], [2, 2, math.nan, math.nan], [math.nan, math.nan, 3, 1],
          [math.nan, math.nan, 3, 5]], "nothing joins"),
        ([[1, 2], [3, math.nan]], "share enough"),
    ],
)  # fmt: skip
def test_what_says_nothing_of_agreement(table: np.ndarray, reason: str) -> None:
    found = consistency_of(_rows(np.asarray(table, dtype=float)))
    assert math.isnan(found.single)
    assert math.isnan(found.average_interval[0])
    assert reason in found.reason


def test_nobody() -> None:
    assert consistency_of([]).reason
