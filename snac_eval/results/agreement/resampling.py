"""Correlations of many resamples, and the intervals that they give.

**What is estimated.** A coefficient over clips is that of the metric with mean ratings, over
further clips of these codecs. The noise of few listeners lowers it: the printed value is what a
panel of as many listeners sees, and all listeners there are would see a little more. The interval
is made so that it holds either, and every panel between, in 95 of 100 tests: it begins where a
panel like this one may be and ends where all listeners may be (an interval for a parameter between
two bounds: Imbens and Manski 2004). A coefficient over codecs is that of these codecs' means, which
are fixed: its interval says what other clips and other listeners would have given of the same
codecs, and nothing of further codecs.

**Intervals over clips.** Resampling clips and listeners both counts what a listener says of one
clip thrice (Owen 2007), and the mean of a resampled panel is noisier than the panel's: a percentile
interval is too wide and lies too low. So the variance is put together, on Fisher's z scale, as that
of two-way clustered means is (Cameron, Gelbach and Miller 2011): of resampled clips, plus of
resampled listeners, less of listeners that are resampled in each clip anew, which is what the first
two have in common. The last two together are never below 0: listeners can only add. The interval is
Student's, with Satterthwaite's degrees of freedom of the clips (less one) and the listeners (less
one). How much all listeners would see more follows from how well the mean ratings of resampled
panels correlate with the panel's. ``benchmarks/agreement_simulation.py`` measures how often the
interval holds the truth.

**Intervals over codecs** are percentiles of resamples of clips and listeners together, for Fisher's
scale has no place for the coefficient 1 that few codecs often have; they are widened for few clips.
Few codecs have few orders: where two codecs are close, ranks jump, and these intervals hold the
truth less regularly than those over clips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.agreement.coefficients import (
    kendall,
    paired_kendall,
    pearson,
    ranks,
    repeated_kendall,
    signs,
)
from snac_eval.results.agreement.points import Points
from snac_eval.results.agreement.shapes import KINDS, Coefficient, Kind

Array = NDArray[np.float64]
Scheme = Literal["clips", "listeners", "within clips"]
SCHEMES: tuple[Scheme, ...] = ("clips", "listeners", "within clips")
_Key = TypeVar("_Key")
Watch = Callable[[Iterable[int]], Iterable[int]]
MIN_CLIPS = 4
"""The fewest clips of which an interval is given."""
_CHUNK = 100
_MANY = 600
"""Kendall's coefficient compares every two points: of more points it is computed one by one..."""
_TAUS = 200
"""... of so many resamples."""
_SPREAD = 0.95
_ALMOST = 1 - 1e-12
_NORMAL = 1.959963984540054
_MOST_UNDEFINED = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """How often each resample holds a clip, and each single rating, ``[..., resamples]``."""

    clips: Array
    listeners: Array
    """Of single ratings, by their listener."""
    within: Array
    """Of single ratings, where each clip has listeners of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """Coefficients of all resamples."""

    clips: Mapping[tuple[Kind, Scheme], Array]
    """Over clips, ``[metrics, resamples]``."""
    codecs: Mapping[Kind, Array]
    """Over codecs, clips and listeners resampled together."""
    panels: Array
    """Pearson's coefficient of the points' mean ratings with those of resampled listeners,
    ``[metrics, resamples]``."""


def draw(points: Points, count: int, rng: np.random.Generator) -> Weights:
    """The weights of ``count`` resamples."""
    num_clips, num_listeners = len(points.clips), len(points.listeners)
    clips = _times(rng, num_clips, count)
    listeners = _times(rng, num_listeners, count)
    cells, of_row = np.unique(points.row_cell, return_inverse=True)
    within = np.empty((len(cells), count))
    clip_of_cell = cells // num_listeners
    for clip in range(num_clips):
        own = np.flatnonzero(clip_of_cell == clip)
        within[own] = _times(rng, len(own), count)
    return Weights(clips, listeners[points.row_listener], within[of_row])


def replicates(
    points: Points,
    scores: Array,
    num_resamples: int,
    seed: int,
    kinds: Sequence[Kind] = KINDS,
    watch: Watch = iter,
) -> Replicates:
    """Coefficients of resamples, of ``scores`` ``[metrics, points]``, NaN where there is none.

    All metrics meet the same resamples, so that their differences are paired.
    """
    rng = np.random.default_rng(seed)
    groups = _Groups.of(points, scores, kinds)
    found = []
    for begin in watch(range(0, num_resamples, _CHUNK)):
        weights = draw(points, min(_CHUNK, num_resamples - begin), rng)
        few = points.count <= _MANY or begin < _TAUS
        over = groups.over_clips(weights, kinds if few else [k for k in kinds if k != "kendall"])
        found.append((over, groups.over_codecs(weights), groups.panels(weights)))
    clips, codecs, panels = zip(*found, strict=True)
    return Replicates(_joined(clips), _joined(codecs), np.concatenate(panels, axis=1))


def _joined(chunks: Sequence[Mapping[_Key, Array]]) -> dict[_Key, Array]:
    return {
        key: np.concatenate([one[key] for one in chunks if key in one], axis=1) for key in chunks[0]
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Metrics that have scores of the same points."""

    places: tuple[int, ...]
    """Of the metrics."""
    there: NDArray[np.bool_]
    scores: Array
    x_signs: NDArray[np.float32] | None
    grid: Array
    """``[metrics, codecs, clips]`` of the codecs and clips that are whole."""
    codecs: NDArray[np.intp]
    clips: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    points: Points
    kinds: tuple[Kind, ...]
    num_metrics: int
    groups: tuple[_Group, ...]

    @classmethod
    def of(cls, points: Points, scores: Array, kinds: Sequence[Kind]) -> _Groups:
        by_mask: dict[bytes, list[int]] = {}
        for place, row in enumerate(scores):
            by_mask.setdefault(np.isfinite(row).tobytes(), []).append(place)
        groups = []
        for places in by_mask.values():
            there = np.isfinite(scores[places[0]])
            own = scores[places][:, there]
            codecs, clips = whole(points, there)
            taus = "kendall" in kinds and own.shape[1] <= _MANY
            grid = np.stack([points.grid(row)[np.ix_(codecs, clips)] for row in scores[places]])
            of_signs = np.stack([signs(row) for row in own]) if taus else None
            groups.append(_Group(tuple(places), there, own, of_signs, grid, codecs, clips))
        return cls(points, tuple(kinds), len(scores), tuple(groups))

    def over_clips(
        self, weights: Weights, kinds: Sequence[Kind]
    ) -> dict[tuple[Kind, Scheme], Array]:
        found: dict[tuple[Kind, Scheme], Array] = {}
        for scheme in SCHEMES:
            means, counted = self._means(scheme, weights)
            shape = (self.num_metrics, means.shape[1])
            found |= {(kind, scheme): np.full(shape, np.nan) for kind in kinds}
            for group in self.groups:
                for kind, values in _of_group(group, means, counted, kinds):
                    found[kind, scheme][list(group.places)] = values
        return found

    def over_codecs(self, weights: Weights) -> dict[Kind, Array]:
        """A codec's mean is over the clips that all codecs of the metric have in the resample."""
        means = self.points.grid(self._rated(weights.listeners))
        shape = (self.num_metrics, means.shape[2])
        found = {kind: np.full(shape, np.nan) for kind in self.kinds}
        for group in self.groups:
            own = means[np.ix_(group.codecs, group.clips)]
            if not own.size:
                continue
            times = weights.clips[group.clips] * np.isfinite(own).all(axis=0)
            with np.errstate(invalid="ignore"):
                share = times / times.sum(axis=0)
            rated = np.einsum("kcb,cb->kb", np.nan_to_num(own), share)
            scored = np.einsum("mkc,cb->mkb", group.grid, share)
            for kind in self.kinds:
                values = [plain(kind, one, rated) for one in scored]
                found[kind][list(group.places)] = values
        return found

    def panels(self, weights: Weights) -> Array:
        rated, counted = self._means("listeners", weights)
        found, means = np.empty((self.num_metrics, rated.shape[1])), self.points.means()
        for group in self.groups:
            at = group.there
            found[list(group.places)] = pearson(means[at], rated[at], counted[at])
        return found

    def _rated(self, rows: Array) -> Array:
        """Mean ratings of points ``[points, resamples]``; NaN where nobody is left."""
        heard = self.points.of_rows(rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = self.points.of_rows(rows * self.points.row_value[:, None])
            return np.asarray(np.where(heard > 0, sums / heard, np.nan))

    def _means(self, scheme: Scheme, weights: Weights) -> tuple[Array, Array]:
        if scheme == "clips":
            shape = (self.points.count, weights.clips.shape[1])
            means = np.broadcast_to(self.points.means()[:, None], shape)
            return means, weights.clips[self.points.clip]
        rated = self._rated(weights.listeners if scheme == "listeners" else weights.within)
        return np.nan_to_num(rated), np.isfinite(rated).astype(float)


def _of_group(
    group: _Group, means: Array, counted: Array, kinds: Sequence[Kind]
) -> Iterator[tuple[Kind, Array]]:
    y, weights = means[group.there], counted[group.there]
    if "pearson" in kinds:
        yield "pearson", np.stack([pearson(row, y, weights) for row in group.scores])
    if "spearman" in kinds:
        ranked = ranks(y, weights)
        rows = [pearson(ranks(row, weights), ranked, weights) for row in group.scores]
        yield "spearman", np.stack(rows)
    if "kendall" in kinds and group.x_signs is not None:
        yield "kendall", kendall(group.x_signs, y, weights)
    elif "kendall" in kinds:
        yield "kendall", repeated_kendall(group.scores, y, weights)


def whole(points: Points, there: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The codecs that have any of these points, and the clips that all those codecs have."""
    grid = points.grid(np.where(there, 1.0, np.nan))
    codecs = np.flatnonzero(np.isfinite(grid).any(axis=1))
    clips = np.flatnonzero(np.isfinite(grid[codecs]).all(axis=0)) if len(codecs) else codecs
    return codecs, clips


def plain(kind: Kind, x: Array, y: Array) -> Array:
    """The coefficient of each column of ``x`` and ``y`` ``[points, resamples]``."""
    ones = np.ones_like(x)
    if kind == "pearson":
        return pearson(x, y, ones)
    if kind == "spearman":
        return pearson(ranks(x, ones), ranks(y, ones), ones)
    return paired_kendall(x, y)


def over_clips(
    value: float, found: Replicates, kind: Kind, metric: int, points: Points
) -> Coefficient:
    """The coefficient with its interval, Student's on Fisher's z scale."""
    if math.isnan(value) or len(points.clips) < MIN_CLIPS:
        return Coefficient(value)
    error, freedom = standard_error(
        {scheme: fisher(found.clips[kind, scheme][metric]) for scheme in SCHEMES}, points
    )
    num = len(points.row_value) / points.count
    low, high = _either(abs(value), noise_factor(found.panels[metric], num), kind, error, freedom)
    return Coefficient(value, low, high) if value >= 0 else Coefficient(value, -high, -low)


def noise_factor(panels: Array, num_ratings: float) -> float:
    """By how much the noise of ``num_ratings`` listeners multiplies a correlation, 0 to 1: the root
    of the mean ratings' reliability, from what resampling the listeners adds of the same noise."""
    known = _known(panels)
    if num_ratings <= 1 or not known.size:
        return 1.0
    kept = float(np.median(known))
    noise = (1 / kept**2 - 1) * num_ratings / (num_ratings - 1) if kept > 0 else 1.0
    return math.sqrt(max(0.0, 1 - noise))


def _either(
    value: float, factor: float, kind: Kind, error: float, freedom: float
) -> tuple[float, float]:
    """The interval that holds the coefficient of a panel like this, and that of all listeners."""
    most = _noiseless(value, factor, kind)
    near, far = float(fisher(np.array(value))), float(fisher(np.array(most)))
    step = 1e-4
    slope = (_noiseless(min(value + step, 1.0), factor, kind) - most) / step
    # How a step of the one moves the other, on the z scale.
    wider = slope * (1 - value**2) / max(1 - most**2, 1 / _ALMOST - 1)
    errors = error, error * max(1.0, wider)
    reach = _imbens_manski((far - near) / max(errors) if error else 0.0, freedom)
    return math.tanh(near - reach * errors[0]), math.tanh(far + reach * errors[1])


def _noiseless(value: float, factor: float, kind: Kind) -> float:
    """A coefficient, not below 0, without the noise of the ratings; Kendall's by way of
    Pearson's."""
    if kind == "kendall":
        plain_value = math.sin(math.pi * value / 2)
        return 2 / math.pi * math.asin(min(1.0, plain_value / factor)) if factor else 1.0
    return min(1.0, value / factor) if factor else 1.0


def _imbens_manski(distance: float, freedom: float) -> float:
    """How many standard errors to reach beyond bounds that are ``distance`` standard errors
    apart."""
    from scipy.optimize import brentq
    from scipy.special import stdtr

    if not math.isfinite(freedom) or not math.isfinite(distance):
        return math.nan if math.isnan(freedom) else quantile(freedom)
    return float(
        brentq(
            lambda c: stdtr(freedom, c + distance) - stdtr(freedom, -c) - _SPREAD,
            0.0,
            2 * quantile(freedom),
        )
    )


def over_codecs(
    value: float, found: Replicates, kind: Kind, metric: int, points: Points
) -> Coefficient:
    """The coefficient with the percentiles of its resamples, each as much farther from the value as
    Student's t of so few clips reaches farther than the normal distribution."""
    known, num_clips = _known(found.codecs[kind][metric]), len(points.clips)
    if math.isnan(value) or not known.size or num_clips < MIN_CLIPS:
        return Coefficient(value)
    ends = np.quantile(known, [(1 - _SPREAD) / 2, (1 + _SPREAD) / 2])
    wider = quantile(num_clips - 1) / _NORMAL * math.sqrt(_unbiased(num_clips))
    low, high = np.clip(value + wider * (ends - value), -1, 1)
    return Coefficient(value, min(value, float(low)), max(value, float(high)))


def standard_error(found: Mapping[Scheme, Array], points: Points) -> tuple[float, float]:
    """Of a statistic whose resamples these are: its two-way clustered standard error, and its
    degrees of freedom. NaN where resamples do not have it."""
    num_clips, num_listeners = len(points.clips), len(points.listeners)
    cells = len(np.unique(points.row_cell))
    of_clips = _variance(found["clips"]) * num_clips / (num_clips - 1)
    together = _variance(found["within clips"]) * _unbiased(cells / num_clips)
    listeners = _variance(found["listeners"]) * _unbiased(num_listeners)
    common = max(0.0, listeners - together)
    total = of_clips + common
    if not total:
        return total, num_clips - 1
    below = of_clips**2 / (num_clips - 1) + common**2 / max(1, num_listeners - 1)
    return math.sqrt(total), total**2 / below


def fisher(values: Array) -> Array:
    """Coefficients on Fisher's z scale, on which also 1 has a place."""
    return np.asarray(np.arctanh(np.clip(values, -_ALMOST, _ALMOST)))


def quantile(freedom: float) -> float:
    """How many standard errors a 95 % interval reaches to either side."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + _SPREAD) / 2))


def _unbiased(count: float) -> float:
    return count / (count - 1) if count > 1 else 1.0


def _variance(values: Array) -> float:
    """From the width of the middle 95 %, which no single resample far astray moves."""
    known = _known(values)
    if not known.size:
        return math.nan
    low, high = np.quantile(known, [(1 - _SPREAD) / 2, (1 + _SPREAD) / 2])
    return float((high - low) / (2 * _NORMAL)) ** 2


def _known(values: Array) -> Array:
    known = values[~np.isnan(values)]
    return known if len(known) >= (1 - _MOST_UNDEFINED) * len(values) else known[:0]


def _times(rng: np.random.Generator, count: int, resamples: int) -> Array:
    """How often each of ``count`` is drawn, ``[count, resamples]``."""
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples).T.astype(np.float64)
