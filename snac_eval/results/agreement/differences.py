"""Does one metric agree better with people than another: Spearman's coefficients over clips.

Both coefficients of a difference come from the same resamples, so that what clips and listeners do
to both cancels. Standard error and degrees of freedom are those of the coefficients' intervals
(:mod:`~snac_eval.results.agreement.intervals`). All pairs of metrics are tested and corrected
together (Holm): whoever compares the best with the others has chosen it by the same ratings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.agreement.coefficients import correlation
from snac_eval.results.agreement.intervals import MIN_CLIPS, quantile, standard_error
from snac_eval.results.agreement.points import Points
from snac_eval.results.agreement.resampling import SCHEMES, Replicates, replicates
from snac_eval.results.agreement.shapes import MetricAgreement, MetricDifference
from snac_eval.results.stats import holm

Array = NDArray[np.float64]


def differences(
    points: Points,
    metrics: Sequence[MetricAgreement],
    scores: Array,
    found: Replicates,
    seed: int,
) -> tuple[MetricDifference, ...]:
    """Every two of ``metrics``, whose ``scores`` are ``[metrics, points]``, the better first and
    the largest difference first. Two that have scores of other points are compared on those of
    both."""
    tested = [
        one
        for places, table, resampled in _alike(points, scores, found, seed)
        for one in _tested(points, metrics, places, table, resampled)
    ]
    corrected = holm([p for *_, p in tested])
    whole = [MetricDifference(*facts, p_holm=p) for facts, p in zip(tested, corrected, strict=True)]
    return tuple(sorted(whole, key=lambda one: -one.difference))


_Pairs = list[tuple[int, int]]


def _alike(
    points: Points, scores: Array, found: Replicates, seed: int
) -> Iterator[tuple[_Pairs, Array, Replicates]]:
    """Pairs of metrics, by the points that both have; the scores of these points, and resamples."""
    there = np.isfinite(scores)
    by_mask: dict[bytes, _Pairs] = {}
    for first, second in combinations(range(len(scores)), 2):
        by_mask.setdefault((there[first] & there[second]).tobytes(), []).append((first, second))
    num_resamples = next(iter(found.clips.values())).shape[1]
    for mask, pairs in by_mask.items():
        both = np.frombuffer(mask, dtype=bool)
        own = sorted({place for pair in pairs for place in pair})
        if all((there[place] == both).all() for place in own):
            yield pairs, scores, found
        elif both.any():
            table = np.where(both, scores, np.nan)
            yield pairs, table, replicates(points, table, num_resamples, seed, ("spearman",))


def _tested(
    points: Points,
    metrics: Sequence[MetricAgreement],
    pairs: _Pairs,
    scores: Array,
    found: Replicates,
) -> Iterator[tuple[str, str, float, float, float, float]]:
    """Names, difference, its interval and p-value, before correction."""
    there = np.isfinite(scores[pairs[0][0]])
    own = points.only(there)
    for pair in pairs:
        values = {
            place: metrics[place].sign * correlation("spearman", scores[place][there], own.means())
            for place in pair
        }
        if any(map(math.isnan, values.values())) or len(own.clips) < MIN_CLIPS:
            continue
        first, second = sorted(pair, key=lambda place: -values[place])
        difference = values[first] - values[second]
        resampled = {
            scheme: metrics[first].sign * found.clips["spearman", scheme][first]
            - metrics[second].sign * found.clips["spearman", scheme][second]
            for scheme in SCHEMES
        }
        error, freedom = standard_error(resampled, own)
        reach = quantile(freedom) * error
        yield (
            metrics[first].metric,
            metrics[second].metric,
            difference,
            difference - reach,
            difference + reach,
            _p_value(difference, error, freedom),
        )


def _p_value(difference: float, error: float, freedom: float) -> float:
    from scipy.special import stdtr

    if not error:
        return float(not difference)
    return 2 * float(stdtr(freedom, -abs(difference) / error))
