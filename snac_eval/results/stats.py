"""Intervals and tests of means over clips, honest about speakers.

Conventions: ``values`` are one finite number per clip, ``clusters`` one speaker (or recording) per
clip, "" where unknown. Clips of one speaker are not independent: the **units** are the speakers,
and each clip of an unknown speaker for itself. What is estimated is the **mean over clips**, as it
is printed: a speaker of many clips weighs more. Where clips have ``weights``, it is the mean by
these: of error rates weighted by words, all errors over all words. Its standard error is the
jackknife over units (CR3; MacKinnon, Nielsen and Webb 2023), with the degrees of freedom of
Satterthwaite where all variance is the speakers' (Bell and McCaffrey 2002), so that an interval
widens where speakers are few or one of them has most of the clips, or of the words. Units of equal
size give the t interval of the textbooks.

Student's t expects no skew. An interval reaches as far as t's or as that of Hall's correction for
skewness (1992), whichever reaches farther on its side, and a p-value is the larger of the two's:
so a p-value is below 0.05 exactly where the 95 % interval leaves out 0. Both are of the mean,
whatever the shape of the differences; what is rarer than about one clip in ``n / 3`` may be in
none of the ``n`` clips, and no test sees it. ``benchmarks/intervals_simulation.py`` measures how
often all this is wrong.

Two or three units are too few for a verdict: they get an interval, and no p-value. Of clips that
are all of one speaker the clips are the units, and what is stated holds for that speaker alone.
Every interval says its :data:`Claim`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
MIN_UNITS = 4
"""The fewest units of which a verdict is given."""
_ALPHA = 1 - CONFIDENCE
# Scores that differ by less than this part of their size are the same but for rounding.
_ROUNDING = 1e-12

Unit = Literal["clip", "speaker", "speaker or clip"]
Claim = Literal["general", "one speaker", "too few"]
"""What an interval holds for: "general", other clips and speakers like these; "one speaker", other
clips of the one speaker that all clips are of; "too few", as "general", of fewer than
:data:`MIN_UNITS` units, with which nothing is tested."""
Alternative = Literal["two-sided", "less", "greater"]
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """95 % interval of a mean over clips. NaN for fewer than two units."""

    low: float
    high: float
    unit: Unit
    """What was taken as independent; "speaker or clip" where some clips' speakers are unknown."""
    num_units: int
    claim: Claim


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of the per-clip differences first minus second, over ``n`` clips scored in both."""

    n: int
    mean: float
    interval: Interval
    p_value: float
    """That the mean is 0, by the same t statistic as the interval. NaN where the claim is
    "too few"."""
    p_wilcoxon: float
    """Wilcoxon's signed-rank test of the units' means: whether most are on one side of 0, which a
    few far astray do not decide. NaN where ``p_value`` is."""
    p_sign: float
    """Exact sign test of the units' means: whether as many are above 0 as below, two-sided whatever
    the alternative. It is valid of any number of units."""


def mean_interval(
    values: Sequence[float],
    clusters: Sequence[str] = (),
    value_range: tuple[float, float] = (-math.inf, math.inf),
    weights: Sequence[float] = (),
) -> Interval:
    """95 % interval of the mean over clips, which ends where a metric's ``value_range`` does.

    Raises ValueError for a value that is not finite, a weight that is not above 0, and for
    ``clusters`` or ``weights`` of another length.
    """
    data = _finite(values)
    found = _Mean.of(data, clusters, _weights(data, weights)).interval()
    if math.isnan(found.low):
        return found
    least, most = min(value_range[0], data.min()), max(value_range[1], data.max())
    return replace(found, low=max(found.low, float(least)), high=min(found.high, float(most)))


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[str] = (),
    alternative: Alternative = "two-sided",
    weights: Sequence[float] = (),
    weights_second: Sequence[float] = (),
) -> PairedDifference:
    """Difference of two scores of the same clips, ``[n]`` each, in the same order.

    ``alternative`` "less" asks whether the first is smaller. ``weights`` are of both, unless
    ``weights_second`` are the second's own: the mean is then that of the first by its weights less
    that of the second by its own. Raises ValueError where lengths differ, for a score that is not
    finite and for a weight that is not above 0.
    """
    differences, counts = _paired(first, second, weights, weights_second)
    mean = _Mean.of(differences, clusters, counts)
    interval = mean.interval()
    tested = interval.claim != "too few"
    return PairedDifference(
        n=len(differences),
        mean=mean.mean,
        interval=interval,
        p_value=mean.p_value(alternative) if tested else math.nan,
        p_wilcoxon=_wilcoxon(mean.by_unit, alternative) if tested else math.nan,
        p_sign=_sign(mean.by_unit),
    )


def paired_test(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[str] = (),
    weights: Sequence[float] = (),
    weights_second: Sequence[float] = (),
) -> tuple[float, float]:
    """The mean and the two-sided p-value of :func:`paired_difference`, without its other tests,
    which take most of its time."""
    differences, counts = _paired(first, second, weights, weights_second)
    mean = _Mean.of(differences, clusters, counts)
    return mean.mean, math.nan if mean.claim == "too few" else mean.p_value("two-sided")


def _paired(
    first: Sequence[float],
    second: Sequence[float],
    weights: Sequence[float],
    weights_second: Sequence[float],
) -> tuple[Vector, Vector]:
    """The differences, and how much each counts."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} scores against {len(second)}")
    ours, theirs = _finite(first), _finite(second)
    counts = _weights(ours, weights)
    if len(weights_second):
        theirs = reweighted(theirs, _weights(theirs, weights_second), counts)
    return _differences(ours, theirs), counts


def mean_of(values: Sequence[float] | Vector, weights: Sequence[float] | Vector = ()) -> float:
    """The mean that every table prints: over clips, or where they have ``weights`` the sum of
    values times weights over that of weights. NaN without a value. Raises ValueError for weights of
    another number, and for one that is not above 0."""
    data = np.asarray(values, dtype=np.float64)
    if not data.size:
        return math.nan
    return float(np.mean(data)) if not len(weights) else _pooled(data, _weights(data, weights))


def units(count: int, unit: Unit) -> str:
    """``4 speakers``, ``1 clip``, ``44 speakers or clips``."""
    words = (f"{word}s" if word != "or" and count != 1 else word for word in unit.split())
    return f"{count} {' '.join(words)}"


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the same order (Holm 1979). NaN, which stands for
    "not tested", does not count. Raises ValueError for what is no probability."""
    if wrong := [p for p in p_values if p < 0 or p > 1]:
        raise ValueError(f"{wrong[0]:g} is no p-value; they lie between 0 and 1")
    adjusted, largest = [math.nan] * len(p_values), 0.0
    known = [index for index, p in enumerate(p_values) if not math.isnan(p)]
    for rank, index in enumerate(sorted(known, key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(known) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def rank_intervals(
    scores: Sequence[Sequence[float]],
    higher_is_better: bool,
    clusters: Sequence[str] = (),
    weights: Sequence[Sequence[float]] = (),
) -> list[tuple[int, int]]:
    """95 % interval of each codec's rank, 1 best, from ``scores`` ``[codecs, clips]``, whose clips
    count by ``weights`` of the same shape.

    A codec's rank lies below those that are shown to be better and above those that are shown to
    be worse, by paired tests of it against each other, Holm-corrected (Mogstad, Romano, Shaikh and
    Wilhelm 2024). Codecs of equal scores share the better rank. Raises ValueError as
    :func:`paired_difference`.
    """
    low, high = [1] * len(scores), [len(scores)] * len(scores)
    p_values: list[dict[int, float]] = [{} for _ in scores]
    ahead: dict[tuple[int, int], bool] = {}
    own = weights or [()] * len(scores)
    for one, other in combinations(range(len(scores)), 2):
        sides, counts = (scores[one], scores[other]), (own[one], own[other])
        mean, p_value = paired_test(*sides, clusters, *counts)
        if not _differences(_finite(scores[one]), _finite(scores[other])).any():
            high[one], high[other] = high[one] - 1, high[other] - 1
            continue
        p_values[one][other] = p_values[other][one] = p_value
        ahead[one, other] = (mean > 0) == higher_is_better
        ahead[other, one] = not ahead[one, other]
    for one, tests in enumerate(p_values):
        for other, p in zip(tests, holm(list(tests.values())), strict=True):
            if p < _ALPHA:
                high[one] -= ahead[one, other]
                low[one] += ahead[other, one]
    return list(zip(low, high, strict=True))


@dataclass(frozen=True, slots=True)
class _Mean:
    """A mean over clips and what is known of its error."""

    mean: float
    by_unit: Vector
    """Mean of each unit, by the weights of its clips."""
    error: float
    """Standard error."""
    skewness: float
    """Of the mean: the units' skewness over the square root of their number."""
    freedom: float
    """Degrees of freedom."""
    unit: Unit
    claim: Claim

    @classmethod
    def of(cls, values: Vector, clusters: Sequence[str], counts: Vector) -> _Mean:
        which, unit, claim = _units(len(values), clusters)
        sizes = np.bincount(which, counts)
        by_unit: Vector = np.bincount(which, values * counts) / sizes
        mean = _pooled(values, counts) if values.size else math.nan
        if len(sizes) < 2:
            return cls(mean, by_unit, math.nan, 0.0, math.nan, unit, claim)
        weights = sizes / sizes.sum()
        pull = weights / (1 - weights) * math.sqrt(1 - 1 / len(sizes))
        # How far each unit moves the mean: with equal sizes their squares sum to s^2 / n.
        moves = pull * (by_unit - by_unit.mean() - weights @ (by_unit - by_unit.mean()))
        error = math.sqrt(float(moves @ moves))
        skewness = _skewness(moves, error)
        return cls(mean, by_unit, error, skewness, _freedom(weights, pull**2), unit, claim)

    def interval(self) -> Interval:
        """The wider end of t's and of the corrected interval, on either side."""
        from scipy.special import stdtrit

        if math.isnan(self.error):
            return Interval(math.nan, math.nan, self.unit, len(self.by_unit), self.claim)
        quantile = float(stdtrit(self.freedom, (1 + CONFIDENCE) / 2))
        up = max(quantile, self._uncorrected(quantile))
        down = min(-quantile, self._uncorrected(-quantile))
        low, high = self.mean - self.error * up, self.mean - self.error * down
        return Interval(low, high, self.unit, len(self.by_unit), self.claim)

    def p_value(self, alternative: Alternative) -> float:
        """That the mean is 0: the larger of t's and of the corrected p-value."""
        from scipy.special import stdtr

        if not self.error:
            there = {"less": self.mean < 0, "greater": self.mean > 0, "two-sided": self.mean != 0}
            return 0.0 if there[alternative] else 1.0
        plain = self.mean / self.error
        both = np.array([plain, self._corrected(plain)])
        if alternative == "two-sided":
            return float(2 * stdtr(self.freedom, -np.abs(both)).max())
        return float(stdtr(self.freedom, both if alternative == "less" else -both).max())

    def _corrected(self, t: float) -> float:
        """Hall's monotone transformation of a t statistic, which takes skewness out of it."""
        k = self.skewness
        return t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6

    def _uncorrected(self, t: float) -> float:
        """The inverse of :meth:`_corrected`."""
        k = self.skewness
        if abs(k) < 1e-9:
            return t
        return float(3 / k * (np.cbrt(1 + k * (t - k / 6)) - 1))


def _units(count: int, clusters: Sequence[str]) -> tuple[NDArray[np.intp], Unit, Claim]:
    """The unit of each clip, counted from 0; what units are; what can be claimed."""
    if len(clusters) not in (0, count):
        raise ValueError(f"{count} scores and {len(clusters)} speakers; give each score its own")
    names = list(clusters) or [""] * count
    known = len({name for name in names if name})
    if not known or (known == 1 and "" not in names):
        enough: Claim = "one speaker" if known else "general"
        return np.arange(count), "clip", enough if count >= MIN_UNITS else "too few"
    keys = [name or index for index, name in enumerate(names)]
    order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    unit: Unit = "speaker or clip" if "" in names else "speaker"
    which = np.array([order[key] for key in keys], dtype=np.intp)
    return which, unit, "general" if len(order) >= MIN_UNITS else "too few"


def _skewness(moves: Vector, error: float) -> float:
    """Unbiased for equal units (Fisher and Pearson's); of two units none can be known."""
    count = len(moves)
    if count < 3 or not error:
        return 0.0
    return float(moves @ moves**2) / error**3 * math.sqrt(count * (count - 1)) / (count - 2)


def _freedom(weights: Vector, squares: Vector) -> float:
    """Satterthwaite's degrees of freedom of the sum of ``squares`` times squared residuals of the
    units' means, for means of equal variance. With equal weights, their number less one."""
    spread = float(weights @ weights)
    total, first = float(squares.sum()), float(squares @ weights)
    second = float(squares @ weights**2)
    # Residuals i and j have the covariance (i == j) + spread - weight i - weight j.
    own = squares**2 * ((1 - 2 * weights + spread) ** 2 - (spread - 2 * weights) ** 2)
    crossed = (spread * total) ** 2 + 2 * total * second + 2 * first**2
    variance = float(own.sum()) + crossed - 4 * spread * total * first
    return (total * (1 + spread) - 2 * first) ** 2 / variance


def _finite(values: Sequence[float] | Vector) -> Vector:
    data = np.asarray(values, dtype=np.float64)
    if not np.isfinite(data).all():
        where = int(np.flatnonzero(~np.isfinite(data))[0])
        raise ValueError(f"score {where + 1} of {data.size} is {data[where]}, not a finite number")
    return data


def _weights(values: Vector, weights: Sequence[float] | Vector) -> Vector:
    """How much each value counts: 1 without ``weights``."""
    if not len(weights):
        return np.ones(len(values))
    if len(weights) != len(values):
        raise ValueError(f"{len(values)} scores and {len(weights)} weights; give each its own")
    data = np.asarray(weights, dtype=np.float64)
    if wrong := data[~((data > 0) & np.isfinite(data))].tolist():
        raise ValueError(f"{wrong[0]:g} is no weight; they are above 0")
    return data


def _pooled(values: Vector, counts: Vector) -> float:
    return float((values * counts).sum() / counts.sum())


def reweighted(values: Vector, own: Vector, wanted: Vector) -> Vector:
    """Values whose mean by the weights ``wanted``, and how far each unit moves it, are those of
    ``values`` by their ``own``; where the two are alike, the values themselves."""
    if np.array_equal(own, wanted):
        return values
    mean = _pooled(values, own)
    moved: Vector = mean + own / own.sum() * (values - mean) * wanted.sum() / wanted
    return moved


def _differences(first: Vector, second: Vector) -> Vector:
    found: Vector = first - second
    rounding = np.abs(found) <= _ROUNDING * np.maximum(np.abs(first), np.abs(second))
    return np.where(rounding, 0.0, found)


def _wilcoxon(means: Vector, alternative: Alternative) -> float:
    if not means.any():
        return 1.0
    from scipy.stats import wilcoxon

    # The normal approximation is what scipy takes anyway where values tie or are zero.
    tied = len(np.unique(np.abs(means))) < means.size or not means.all()
    method = "approx" if tied or means.size > 50 else "exact"
    result = wilcoxon(means, alternative=alternative, method=method)
    return float(result.pvalue)


def _sign(means: Vector) -> float:
    from scipy.special import bdtr

    above, below = int((means > 0).sum()), int((means < 0).sum())
    return min(1.0, 2 * float(bdtr(min(above, below), above + below, 0.5)))
