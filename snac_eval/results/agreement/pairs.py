"""Pairs of codecs: which do listeners tell apart, and does a metric order these as they do.

**Listeners** tell two codecs apart where the mean over clips of what one listener gives the two on
one clip differs from 0, by a t-test whose variance is clustered over listeners and clips, corrected
over all pairs (Holm). **A metric** orders such a pair where its own difference over the clips that
both codecs have is shown by the paired t-test over clips of :mod:`snac_eval.results.stats`,
corrected over these pairs (Holm); else the two are tied by it. All tests are at 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.agreement.points import Points
from snac_eval.results.agreement.resampling import quantile
from snac_eval.results.agreement.shapes import PairCounts
from snac_eval.results.stats import MIN_UNITS, holm, paired_difference

Array = NDArray[np.float64]
Places = NDArray[np.intp]
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class ClusteredMean:
    """A mean over clips of means over listeners, its standard error, and degrees of freedom."""

    value: float
    error: float
    freedom: float

    @property
    def interval(self) -> tuple[float, float]:
        """At 95 %; NaN where there is none."""
        reach = quantile(self.freedom) * self.error if self.freedom > 0 else math.nan
        return self.value - reach, self.value + reach

    @property
    def p_value(self) -> float:
        """That it is 0, two-sided; NaN where nothing can be tested."""
        from scipy.special import stdtr

        if not (self.freedom > 0 and self.error >= 0):
            return math.nan
        if not self.error:
            return float(self.value == 0)
        return 2 * float(stdtr(self.freedom, -abs(self.value) / self.error))


def clustered_mean(values: Array, clips: Places, listeners: Places) -> ClusteredMean:
    """Of single values ``[rows]``, each of a clip and a listener."""
    _, clip = np.unique(clips, return_inverse=True)
    _, listener = np.unique(listeners, return_inverse=True)
    num_clips, num_listeners = int(clip.max(initial=-1)) + 1, int(listener.max(initial=-1)) + 1
    if not num_clips:
        return ClusteredMean(math.nan, math.nan, 0)
    per_clip = np.bincount(clip)
    share = 1 / (num_clips * per_clip[clip])
    means = np.bincount(clip, values) / per_clip
    mean = float(means.mean())
    if num_clips < 2:
        return ClusteredMean(mean, math.nan, 0)
    moves = share * (values - mean)
    # A listener's noise within a clip, without what all listeners say of the clip.
    noise = share * (values - means[clip])
    of_clips = float(np.square(np.bincount(clip, moves)).sum()) * num_clips / (num_clips - 1)
    of_listeners = float(np.square(np.bincount(listener, noise)).sum())
    common = max(0.0, of_listeners - float(noise @ noise)) if num_listeners > 1 else 0.0
    common *= num_listeners / max(1, num_listeners - 1)
    total = of_clips + common
    if not total:
        return ClusteredMean(mean, 0.0, num_clips - 1)
    below = of_clips**2 / (num_clips - 1) + common**2 / max(1, num_listeners - 1)
    return ClusteredMean(mean, math.sqrt(total), total**2 / below)


def separated(points: Points) -> list[tuple[int, int]]:
    """The pairs of codecs, by place, that listeners tell apart, the better one first."""
    pairs = list(combinations(range(len(points.codecs)), 2))
    tested = [_listeners_difference(points, *pair) for pair in pairs]
    shown = holm([one.p_value for one in tested])
    return [
        pair if one.value > 0 else (pair[1], pair[0])
        for pair, one, p in zip(pairs, tested, shown, strict=True)
        if p < _ALPHA
    ]


def counts(
    points: Points, scores: Array, sign: int, pairs: Sequence[tuple[int, int]]
) -> PairCounts:
    """How a metric's ``scores`` ``[points]``, times its ``sign``, order ``pairs``."""
    grid = points.grid(sign * scores)
    means, p_values = [], []
    for better, worse in pairs:
        both = np.isfinite(grid[better]) & np.isfinite(grid[worse])
        found = (
            paired_difference(grid[better][both].tolist(), grid[worse][both].tolist())
            if (both.sum() >= MIN_UNITS)
            else None
        )
        means.append(found.mean if found else 0.0)
        p_values.append(found.p_value if found else math.nan)
    shown = [p < _ALPHA for p in holm(p_values)]
    right = sum(mean > 0 for mean, one in zip(means, shown, strict=True) if one)
    wrong = [
        (points.codecs[pair[0]], points.codecs[pair[1]])
        for pair, mean, one in zip(pairs, means, shown, strict=True)
        if one and mean < 0
    ]
    return PairCounts(right, len(wrong), len(pairs) - right - len(wrong), tuple(wrong))


def _listeners_difference(points: Points, first: int, second: int) -> ClusteredMean:
    """Over what listeners said of both codecs on one clip."""
    size = len(points.clips) * len(points.listeners)
    codec = points.codec[points.row_point]
    said = np.full((2, size), np.nan)
    for place, one in enumerate((first, second)):
        own = codec == one
        said[place, points.row_cell[own]] = points.row_value[own]
    cells = np.flatnonzero(np.isfinite(said).all(axis=0))
    values = said[0, cells] - said[1, cells]
    clips, listeners = np.divmod(cells, len(points.listeners))
    found = clustered_mean(values, clips, listeners)
    few = len(np.unique(clips)) < MIN_UNITS
    return ClusteredMean(found.value, math.nan, 0) if few else found
