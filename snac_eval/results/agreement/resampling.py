"""Correlations of many resamples of clips and of listeners."""

from __future__ import annotations

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
from snac_eval.results.agreement.shapes import KINDS, Kind

Array = NDArray[np.float64]
Scheme = Literal["clips", "listeners", "within clips"]
SCHEMES: tuple[Scheme, ...] = ("clips", "listeners", "within clips")
_Key = TypeVar("_Key")
Watch = Callable[[Iterable[int]], Iterable[int]]
_CHUNK = 100
_MANY = 600
"""Kendall's coefficient compares every two points: of more points it is computed one by one..."""
_TAUS = 200
"""... of so many resamples."""


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
    sizes: Array | None = None,
) -> Replicates:
    """Coefficients of resamples, of ``scores`` ``[metrics, points]``, NaN where there is none.

    All metrics meet the same resamples, so that their differences are paired. ``sizes``, of the
    same shape, are how much each score counts in a codec's mean; None: all alike.
    """
    rng = np.random.default_rng(seed)
    groups = _Groups.of(points, scores, np.ones_like(scores) if sizes is None else sizes, kinds)
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
    sizes: Array
    """How much each of these counts."""
    codecs: NDArray[np.intp]
    clips: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    points: Points
    kinds: tuple[Kind, ...]
    num_metrics: int
    groups: tuple[_Group, ...]

    @classmethod
    def of(cls, points: Points, scores: Array, sizes: Array, kinds: Sequence[Kind]) -> _Groups:
        by_mask: dict[bytes, list[int]] = {}
        for place, row in enumerate(scores):
            by_mask.setdefault(np.isfinite(row).tobytes(), []).append(place)
        groups = []
        for places in by_mask.values():
            there = np.isfinite(scores[places[0]])
            own = scores[places][:, there]
            codecs, clips = whole(points, there)
            taus = "kendall" in kinds and own.shape[1] <= _MANY
            grid, counted = (
                np.stack([points.grid(row)[np.ix_(codecs, clips)] for row in table[places]])
                for table in (scores, sizes)
            )
            of_signs = np.stack([signs(row) for row in own]) if taus else None
            groups.append(_Group(tuple(places), there, own, of_signs, grid, counted, codecs, clips))
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
                for kind, values in _of_group(group, means, counted, kinds, scheme == "clips"):
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
            scored = np.einsum("mkc,cb->mkb", group.grid * group.sizes, share)
            scored /= np.einsum("mkc,cb->mkb", group.sizes, share)
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
    group: _Group, means: Array, counted: Array, kinds: Sequence[Kind], of_clips: bool
) -> Iterator[tuple[Kind, Array]]:
    """Where clips are resampled, points keep the ranks that they have among all: a clip that is
    drawn twice would tie with itself, which makes Spearman's interval too wide near 1."""
    y, weights = means[group.there], counted[group.there]
    if "pearson" in kinds:
        yield "pearson", np.stack([pearson(row, y, weights) for row in group.scores])
    if "spearman" in kinds:
        among = np.ones((len(y), 1)) if of_clips else weights
        ranked = ranks(y[:, :1] if of_clips else y, among)
        rows = [pearson(ranks(row, among), ranked, weights) for row in group.scores]
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


def _times(rng: np.random.Generator, count: int, resamples: int) -> Array:
    """How often each of ``count`` is drawn, ``[count, resamples]``."""
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples).T.astype(np.float64)
