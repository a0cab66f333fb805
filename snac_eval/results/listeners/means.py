"""Mean ratings, with intervals and tests for other listeners and other clips.

Listeners and clips are both samples. The mean of a codec is that of its clips, of which each is the
mean of its listeners: so a clip that more people heard weighs no more. Its variance is that over
clips plus that over listeners (jackknife, so that clips of different difficulty do not disturb),
less that of single ratings, which both contain; Student's t has the degrees of freedom of
Satterthwaite. Of full tables this is the analysis of Clark (1973), and the two-way clustering of
Cameron, Gelbach and Miller (2011). It is never less than either variance alone.

Tests of two codecs are of the differences by listener and clip, of whoever rated both. Fewer than
four listeners or clips get an interval and no p-value. ``benchmarks/listeners_simulation.py``
measures how often all this is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from snac_eval.results.listeners.crossed import Crossed, squares
from snac_eval.results.listeners.ratings import Rating, Ratings, Role
from snac_eval.results.listeners.roles import RANGES
from snac_eval.results.stats import CONFIDENCE, MIN_UNITS, holm, mean_interval

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class MeanRating:
    """A mean over clips and listeners and its 95 % interval, which is NaN for a single clip or
    listener."""

    mean: float
    low: float
    high: float
    num_ratings: int
    num_clips: int
    num_listeners: int
    p_value: float = math.nan
    """That the mean is 0; NaN where there are too few."""

    @property
    def too_few(self) -> bool:
        """Whether clips or listeners are too few for a verdict."""
        return min(self.num_clips, self.num_listeners) < MIN_UNITS


@dataclass(frozen=True, slots=True)
class PairedRating:
    """Two codecs: ``difference`` is the first's rating less the second's."""

    first: str
    second: str
    difference: MeanRating
    """Over listeners and clips that rated both."""
    p_holm: float = math.nan
    """Corrected over all pairs; NaN where there are too few."""

    @property
    def verdict(self) -> str:
        """Of the first: better, worse, no difference shown, or not tested."""
        if math.isnan(self.p_holm):
            return "not tested"
        if self.p_holm >= ALPHA:
            return "no difference shown"
        return "better" if self.difference.mean > 0 else "worse"


def codec_means(ratings: Ratings) -> dict[str, MeanRating]:
    """The mean rating of each name, reference and anchors included, in the order of the rows; ends
    of intervals stay within the scale."""
    low, high = RANGES[ratings.scale]

    def within(found: MeanRating) -> MeanRating:
        return replace(found, low=_at_least(found.low, low), high=-_at_least(-found.high, -high))

    return {name: within(mean_rating(rows)) for name, rows in _by_codec(ratings.rows).items()}


def clip_means(ratings: Ratings) -> dict[tuple[str, str], MeanRating]:
    """By clip and codec, the mean over listeners; its interval is for other listeners and this
    clip."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in ratings.rows:
        values.setdefault((row.clip, row.codec), []).append(row.value)
    found = {}
    for place, each in values.items():
        ends = mean_interval(each, value_range=RANGES[ratings.scale])
        mean = float(np.mean(each))
        found[place] = MeanRating(mean, ends.low, ends.high, len(each), 1, len(each))
    return found


def paired_ratings(ratings: Ratings, roles: Sequence[Role] = ("codec",)) -> list[PairedRating]:
    """Every two of these in the order of ``ratings.roles``, tested against each other, with Holm's
    correction over all pairs that could be tested."""
    found = _by_codec(ratings.of_role(*roles))
    by_codec = {
        name: {(row.clip, row.listener): row.value for row in found[name]}
        for name in ratings.roles
        if name in found
    }
    pairs = [
        PairedRating(first, second, _difference(by_codec[first], by_codec[second]))
        for first, second in combinations(by_codec, 2)
    ]
    corrected = holm([one.difference.p_value for one in pairs])
    return [replace(one, p_holm=p) for one, p in zip(pairs, corrected, strict=True)]


def mean_rating(rows: Sequence[Rating]) -> MeanRating:
    """The mean of these ratings, of one codec or of differences of two."""
    clips, listeners = {row.clip for row in rows}, {row.listener for row in rows}
    if not rows:
        return MeanRating(math.nan, math.nan, math.nan, 0, 0, 0)
    data = Crossed.of(
        [row.clip for row in rows], [row.listener for row in rows], [row.value for row in rows]
    )
    mean = float(_of_clips(data).mean())
    blank = MeanRating(mean, math.nan, math.nan, len(rows), len(clips), len(listeners))
    if min(len(clips), len(listeners)) < 2:
        return blank
    return _with_reach(blank, *_variance(data))


def _with_reach(found: MeanRating, variance: float, freedom: float) -> MeanRating:
    from scipy.special import stdtr, stdtrit

    error = math.sqrt(variance)
    reach = error * float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) if error else 0.0
    p_value = float(found.mean == 0)
    if error:
        p_value = float(2 * stdtr(freedom, -abs(found.mean) / error))
    return replace(
        found,
        low=found.mean - reach,
        high=found.mean + reach,
        p_value=math.nan if found.too_few else p_value,
    )


def _variance(data: Crossed) -> tuple[float, float]:
    """Of the mean over clips, for other clips and listeners; and its degrees of freedom."""
    by_clip = _of_clips(data)
    of_clips = float(by_clip.var(ddof=1)) / len(by_clip)
    of_listeners, free_listeners = _of_listeners(data)
    found = squares(data)
    weights = 1 / (len(by_clip) * np.bincount(data.rows)[data.rows])
    of_both = found.error * float(weights @ weights) if found.freedom else 0.0
    free_clips = len(by_clip) - 1
    whole = of_clips + of_listeners - of_both
    if whole <= max(of_clips, of_listeners):
        larger = of_clips >= of_listeners
        return (of_clips, free_clips) if larger else (of_listeners, free_listeners)
    spread = of_clips**2 / free_clips + of_listeners**2 / free_listeners
    spread += of_both**2 / found.freedom if found.freedom else 0.0
    return whole, max(whole**2 / spread, min(free_clips, free_listeners)) if spread else math.inf


def _of_listeners(data: Crossed) -> tuple[float, float]:
    """Variance by the jackknife over listeners, and its degrees of freedom: one less than how many
    listeners of equal weight would do the same."""
    counts, sums = np.bincount(data.rows), np.bincount(data.rows, data.values)
    without = []
    for one in range(data.num_columns):
        theirs = data.columns == one
        left = counts - np.bincount(data.rows[theirs], minlength=len(counts))
        rest = sums - np.bincount(data.rows[theirs], data.values[theirs], minlength=len(sums))
        without.append(float((rest[left > 0] / left[left > 0]).mean()))
    number = data.num_columns
    variance = (number - 1) / number * float(((np.array(without) - np.mean(without)) ** 2).sum())
    weights = np.bincount(data.columns, 1 / counts[data.rows]) / len(counts)
    return variance, max(1.0, 1 / float(weights @ weights) - 1)


def _of_clips(data: Crossed) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.bincount(data.rows, data.values) / np.bincount(data.rows)


def _difference(
    first: Mapping[tuple[str, str], float], second: Mapping[tuple[str, str], float]
) -> MeanRating:
    both = [place for place in first if place in second]
    return mean_rating(
        [Rating(*place[:1], "", place[1], first[place] - second[place]) for place in both]
    )


def _by_codec(rows: Iterable[Rating]) -> dict[str, list[Rating]]:
    found: dict[str, list[Rating]] = {}
    for row in rows:
        found.setdefault(row.codec, []).append(row)
    return found


def _at_least(end: float, least: float) -> float:
    return end if math.isnan(end) else max(end, least)
