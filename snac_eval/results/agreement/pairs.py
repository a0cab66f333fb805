"""Pairs of codecs: which do listeners tell apart, and does a metric order these as they do.

**Listeners** tell two codecs apart where the test of
:func:`~snac_eval.results.listeners.means.paired_ratings`, for other listeners and other clips,
shows it, corrected over all pairs (Holm). **A metric** orders such a pair where its own difference
over the clips that both codecs have is shown by the paired t-test over clips of
:mod:`snac_eval.results.stats`, corrected over these pairs (Holm); else it ties the two. All tests
are at 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.agreement.points import Points
from snac_eval.results.agreement.shapes import PairCounts
from snac_eval.results.listeners.means import ALPHA, paired_ratings
from snac_eval.results.listeners.ratings import Ratings
from snac_eval.results.stats import MIN_UNITS, holm, paired_difference

Array = NDArray[np.float64]


def separated(ratings: Ratings) -> list[tuple[int, int]]:
    """The pairs of codecs that listeners tell apart, the better one first, each by its place in
    ``ratings.codecs``."""
    at = {name: place for place, name in enumerate(ratings.codecs)}
    return [
        (at[one.first], at[one.second])
        if one.difference.mean > 0
        else (at[one.second], at[one.first])
        for one in paired_ratings(ratings)
        if one.p_holm < ALPHA
    ]


def counts(
    points: Points, scores: Array, sign: int, pairs: Sequence[tuple[int, int]], weights: Array
) -> PairCounts:
    """How a metric's ``scores`` ``[points]``, times its ``sign``, order ``pairs``; ``weights`` are
    how much each counts in a codec's mean."""
    grid, sizes = points.grid(sign * scores), points.grid(weights)
    means, p_values = [], []
    for better, worse in pairs:
        both = np.isfinite(grid[better]) & np.isfinite(grid[worse])
        found = (
            paired_difference(
                grid[better][both].tolist(),
                grid[worse][both].tolist(),
                weights=sizes[better][both].tolist(),
                weights_second=sizes[worse][both].tolist(),
            )
            if (both.sum() >= MIN_UNITS)
            else None
        )
        means.append(found.mean if found else 0.0)
        p_values.append(found.p_value if found else math.nan)
    shown = [p < ALPHA for p in holm(p_values)]
    right = sum(mean > 0 for mean, one in zip(means, shown, strict=True) if one)
    wrong = [
        (points.codecs[pair[0]], points.codecs[pair[1]])
        for pair, mean, one in zip(pairs, means, shown, strict=True)
        if one and mean < 0
    ]
    return PairCounts(right, len(wrong), len(pairs) - right - len(wrong), tuple(wrong))
