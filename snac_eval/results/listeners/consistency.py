"""How far listeners agree: the intraclass correlation of two random ways, for absolute agreement.

ICC(2,1) is how well one listener's ratings would repeat with another's, ICC(2,k) how well the mean
of k would with k others (Shrout and Fleiss 1979; ICC(A,1) and ICC(A,k) of McGraw and Wong 1996).
Both follow from the variances of stimuli, of listeners and of the rest. Real tests leave cells
empty, so these are estimated by Henderson's method 3, which on full tables is the usual analysis of
variance; k is then the harmonic mean of how many listeners a stimulus has.

The interval is that of McGraw and Wong for ICC(A,1), which takes listeners and stimuli as samples;
where cells are empty, the mean squares count as many listeners a stimulus as they do on average.
``benchmarks/listeners_simulation.py`` measures how often it holds the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from snac_eval.results.listeners.crossed import Crossed, squares
from snac_eval.results.listeners.ratings import Rating, Ratings
from snac_eval.results.stats import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Consistency:
    """The intraclass correlations of some listeners. NaN where they cannot be known."""

    single: float
    """ICC(2,1)."""
    single_interval: tuple[float, float]
    """95 % interval."""
    average: float
    """ICC(2,k)."""
    average_interval: tuple[float, float]
    k: float
    """Listeners behind a mean: the harmonic mean over stimuli."""
    num_listeners: int
    num_stimuli: int
    reason: str = ""
    """Why there is none; empty where there is one."""


def consistency(ratings: Ratings) -> Consistency:
    """How far the listeners agree on the codecs; reference and anchors, which would flatter them,
    do not count."""
    return consistency_of(list(ratings.of_role("codec")))


def consistency_of(rows: list[Rating]) -> Consistency:
    """How far the listeners of these rows agree; a stimulus is a clip of a codec."""
    data = Crossed.of(
        [(row.clip, row.codec) for row in rows],
        [row.listener for row in rows],
        [row.value for row in rows],
    )
    found = _estimated(data)
    k = _k(data)
    if isinstance(found, str):
        none = (math.nan, math.nan)
        return Consistency(
            math.nan, none, math.nan, none, k, data.num_columns, data.num_rows, found
        )
    low, high = found.interval()
    return Consistency(
        found.single,
        (low, high),
        average_of(found.single, k),
        (average_of(low, k), average_of(high, k)),
        k,
        data.num_columns,
        data.num_rows,
    )


def average_of(single: float, k: float) -> float:
    """ICC(2,k) of an ICC(2,1), by the formula of Spearman and Brown."""
    return k * single / (1 + (k - 1) * single) if 1 + (k - 1) * single > 0 else math.nan


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Mean squares and what they are made of."""

    of_rows: float
    """Variance of stimuli; of_columns and error: of listeners and of the rest."""
    of_columns: float
    error: float
    rows: int
    columns: int
    freedom: int
    """Of the rest."""
    each_row: float
    """Ratings that a stimulus counts for; each_column: a listener."""
    each_column: float

    @property
    def single(self) -> float:
        """ICC(2,1)."""
        return self.of_rows / (self.of_rows + self.of_columns + self.error)

    def interval(self) -> tuple[float, float]:
        """95 % interval of it; McGraw and Wong 1996, table 7, case 2A."""
        from scipy.stats import f

        level = (1 + CONFIDENCE) / 2
        k, n = self.each_row, self.each_column
        by_row, by_column = self.error + k * self.of_rows, self.error + n * self.of_columns
        rest = k * by_column + (k * n - k - n) * self.error
        freedom = self._denominator(by_column)
        down, up = f.ppf(level, self.rows - 1, freedom), f.ppf(level, freedom, self.rows - 1)
        low = n * (by_row - down * self.error) / (down * rest + n * by_row)
        high = n * (up * by_row - self.error) / (rest + n * up * by_row)
        return float(low), float(high)

    def _denominator(self, by_column: float) -> float:
        """Satterthwaite's degrees of freedom of what stimuli are held against."""
        if self.single >= 1:
            return float(self.freedom)
        odds = self.each_row * self.single / (self.each_column * (1 - self.single))
        of_columns, of_rest = odds * by_column, (1 + odds * (self.each_column - 1)) * self.error
        spread = of_columns**2 / (self.columns - 1) + of_rest**2 / self.freedom
        return (of_columns + of_rest) ** 2 / spread if spread else float(self.freedom)


def _estimated(data: Crossed) -> _Estimate | str:
    """What variance is whose, or why that cannot be known."""
    rows, columns, total = data.num_rows, data.num_columns, len(data.values)
    if columns < 2 or rows < 2:
        return "it takes two listeners and two stimuli"
    found = squares(data)
    if not found.is_connected:
        return "listeners rated sets of stimuli that nothing joins"
    if not found.freedom:
        return "no two listeners share enough stimuli"
    error = found.error
    of_rows = (found.rows - (rows - 1) * error) / (total - columns)
    of_columns = (found.columns - (columns - 1) * error) / (total - rows)
    if not of_rows + of_columns + error > 1e-12 * float(np.square(data.values).mean()):
        return "all ratings are the same"
    each_row, each_column = (total - columns) / (rows - 1), (total - rows) / (columns - 1)
    return _Estimate(
        of_rows, of_columns, error, rows, columns, found.freedom, each_row, each_column
    )


def _k(data: Crossed) -> float:
    counts = np.bincount(data.rows)
    return float(len(counts) / (1 / counts).sum()) if len(counts) else math.nan
