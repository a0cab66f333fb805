"""Intervals and tests over clips, honest about speakers.

Conventions: ``values`` are one number per clip, ``clusters`` one speaker (or recording) per clip,
"" where unknown. Clips of one speaker are not independent, so with ``MIN_CLUSTERS`` speakers or
more the speaker is the unit that is resampled. With fewer, speakers are too few to resample (four
give 16 sign patterns, and no p-value under 0.06): clips are the unit then, and what is stated holds
for these speakers alone. Every result says its unit. Seeded: the same numbers give the same result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
MIN_CLUSTERS = 10
_RESAMPLES = 2000
PERMUTATIONS = 9999
_EXACT_UNITS = 13
_CHUNK = 1000

Unit = Literal["clip", "speaker"]
Alternative = Literal["two-sided", "less", "greater"]
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """95 % interval of a mean: by bootstrap, and by Student's t. NaN for fewer than two units."""

    low: float
    high: float
    t_low: float
    t_high: float
    unit: Unit
    num_units: int


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of the per-clip differences first minus second, over ``n`` clips scored in both.

    ``p_value`` is of the sign-flip permutation test, ``p_wilcoxon`` of Wilcoxon's signed-rank test
    on the same units, as a check. NaN for fewer than two units.
    """

    n: int
    mean: float
    interval: Interval
    p_value: float
    p_wilcoxon: float


def mean_interval(values: Sequence[float], clusters: Sequence[str] = (), seed: int = 0) -> Interval:
    """95 % interval of the mean over clips.

    Percentile bootstrap (Efron and Tibshirani 1993, chapter 13) of the units, and the t interval
    from the spread of the units' sums (CR1; Cameron and Miller 2015).
    """
    sums, sizes, unit = _units(values, clusters)
    if len(sums) < 2:
        return Interval(math.nan, math.nan, math.nan, math.nan, unit, len(sums))
    rng = np.random.default_rng(seed)
    means = np.concatenate([_resampled(sums, sizes, rng, k) for k in _chunks(_RESAMPLES)])
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    mean, half = sums.sum() / sizes.sum(), _t_half_width(sums, sizes)
    return Interval(float(low), float(high), mean - half, mean + half, unit, len(sums))


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[str] = (),
    seed: int = 0,
    alternative: Alternative = "two-sided",
    permutations: int = PERMUTATIONS,
) -> PairedDifference:
    """Difference of two scores of the same clips, ``[n]`` each, in the same order.

    ``alternative`` "less" asks whether the first is smaller; ``permutations`` bounds how small
    ``p_value`` can be. Raises ValueError where the lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} scores against {len(second)}")
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    sums, sizes, _ = _units(differences, clusters)
    mean = float(differences.mean()) if differences.size else math.nan
    return PairedDifference(
        n=len(differences),
        mean=mean,
        interval=mean_interval(differences.tolist(), clusters, seed),
        p_value=sign_flip_test(sums, seed, alternative, permutations),
        p_wilcoxon=_wilcoxon(sums / sizes, alternative),
    )


def sign_flip_test(
    sums: Sequence[float] | Vector,
    seed: int = 0,
    alternative: Alternative = "two-sided",
    permutations: int = PERMUTATIONS,
) -> float:
    """p-value that the units' sums ``[n]`` are as likely above as below zero (Fisher 1935).

    Exact up to 13 units, else from that many random flips and never 0 (Phipson and Smyth 2010).
    1.0 where all are zero, NaN for fewer than two.
    """
    sums = np.asarray(sums, dtype=np.float64)
    if sums.size < 2:
        return math.nan
    exact = sums.size <= _EXACT_UNITS
    flipped = _all_flips(sums) if exact else _random_flips(sums, seed, permutations)
    observed = sums.sum()
    # Sums in another order differ in their last bits.
    slack = 1e-12 * np.abs(sums).sum()
    if alternative == "two-sided":
        extreme = np.abs(flipped) >= abs(observed) - slack
    elif alternative == "less":
        extreme = flipped <= observed + slack
    else:
        extreme = flipped >= observed - slack
    extra = 0 if exact else 1
    return float((extreme.sum() + extra) / (flipped.size + extra))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the same order (Holm 1979). NaN does not count."""
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
    seed: int = 0,
) -> list[tuple[int, int]]:
    """95 % interval of each codec's rank, 1 best, from ``scores`` ``[codecs, clips]``.

    Ranks of the means in each bootstrap resample of the units; equal means share the better rank.
    """
    table = np.asarray(scores, dtype=np.float64) * (-1.0 if higher_is_better else 1.0)
    by_unit = [_units(row, clusters)[:2] for row in table]
    sums, sizes = np.stack([one for one, _ in by_unit]), by_unit[0][1]
    rng = np.random.default_rng(seed)
    picks = rng.integers(sums.shape[1], size=(_RESAMPLES, sums.shape[1]))
    means = sums[:, picks].sum(-1) / sizes[picks].sum(-1)
    ranks = 1 + (means[:, None] > means[None]).sum(1)
    tail = (1 - CONFIDENCE) / 2
    low = np.quantile(ranks, tail, axis=1, method="lower")
    high = np.quantile(ranks, 1 - tail, axis=1, method="higher")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def _units(
    values: Sequence[float] | Vector, clusters: Sequence[str]
) -> tuple[Vector, Vector, Unit]:
    """Sum and size of each unit that may be resampled."""
    data = np.asarray(values, dtype=np.float64)
    names, which = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    if len(clusters) != len(data) or len(names) < MIN_CLUSTERS or "" in names:
        return data, np.ones_like(data), "clip"
    sums: Vector = np.bincount(which, data).astype(np.float64)
    sizes: Vector = np.bincount(which).astype(np.float64)
    return sums, sizes, "speaker"


def _chunks(total: int) -> list[int]:
    return [min(_CHUNK, total - start) for start in range(0, total, _CHUNK)]


def _resampled(sums: Vector, sizes: Vector, rng: np.random.Generator, count: int) -> Vector:
    picks = rng.integers(len(sums), size=(count, len(sums)))
    means: Vector = sums[picks].sum(1) / sizes[picks].sum(1)
    return means


def _t_half_width(sums: Vector, sizes: Vector) -> float:
    from scipy.special import stdtrit

    count, total = len(sums), sizes.sum()
    residuals = sums - sizes * sums.sum() / total
    error = math.sqrt(count / (count - 1) * float(residuals @ residuals)) / total
    return float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * float(error)


def _all_flips(sums: Vector) -> Vector:
    totals = np.zeros(1)
    for value in sums:
        totals = np.concatenate([totals + value, totals - value])
    return totals


def _random_flips(sums: Vector, seed: int, permutations: int) -> Vector:
    rng, width = np.random.default_rng(seed), -(-sums.size // 8)
    drawn = (rng.integers(256, size=(k, width), dtype=np.uint8) for k in _chunks(permutations))
    bits = (np.unpackbits(one, axis=1, count=sums.size) for one in drawn)
    return np.concatenate([sums.sum() - 2.0 * (chunk @ sums) for chunk in bits])


def _wilcoxon(means: Vector, alternative: Alternative) -> float:
    if means.size < 2:
        return math.nan
    if not means.any():
        return 1.0
    from scipy.stats import wilcoxon

    # The normal approximation is what scipy takes anyway where values tie or are zero.
    tied = len(np.unique(np.abs(means))) < means.size or not means.all()
    method = "approx" if tied or means.size > 50 else "exact"
    result = wilcoxon(means, alternative=alternative, method=method)
    return float(result.pvalue)
