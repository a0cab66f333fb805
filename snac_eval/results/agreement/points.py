"""Ratings and scores in arrays: a point is a clip of a codec, in the order of the codecs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from snac_eval.results.listeners.ratings import Ratings
from snac_eval.results.record import Run

Array = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Every rated clip of every codec, and each single rating of it."""

    codecs: tuple[str, ...]
    clips: tuple[str, ...]
    """As the ratings call them."""
    listeners: tuple[str, ...]
    codec: Places
    """Of each point."""
    clip: Places
    row_point: Places
    """Of each single rating."""
    row_listener: Places
    row_value: Array

    @property
    def count(self) -> int:
        """How many points there are."""
        return len(self.codec)

    @property
    def row_clip(self) -> Places:
        """Of each single rating."""
        return self.clip[self.row_point]

    @property
    def row_cell(self) -> Places:
        """Of each single rating, its listener and clip as one number."""
        return self.row_clip * len(self.listeners) + self.row_listener

    def of_rows(self, values: Array) -> Array:
        """Sums ``[points, ...]`` of what single ratings ``[rows, ...]`` have."""
        found = self._sums() @ values
        return np.asarray(found)

    def means(self) -> Array:
        """Mean rating of each point."""
        return self.of_rows(self.row_value) / self.counts()

    def counts(self) -> Array:
        """How many ratings each point has."""
        return self.of_rows(np.ones(len(self.row_value)))

    def errors(self) -> Array:
        """Half the 95 % interval of each point's mean over listeners, by Student's t; NaN for a
        single rating."""
        from scipy.special import stdtrit

        counts = self.counts()
        rest = self.row_value - self.means()[self.row_point]
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = self.of_rows(rest**2) / (counts - 1)
            half = stdtrit(counts - 1, 0.975) * np.sqrt(variance / counts)
        return np.where(counts > 1, half, np.nan)

    def grid(self, values: Array) -> Array:
        """What points have as ``[codecs, clips, ...]``; NaN where there is no point."""
        shape = (len(self.codecs), len(self.clips), *values.shape[1:])
        found = np.full(shape, np.nan)
        found[self.codec, self.clip] = values
        return found

    def only(self, there: NDArray[np.bool_]) -> Points:
        """These points alone, and what rows, clips and listeners they have."""
        rows = there[self.row_point]
        clips, clip = np.unique(self.clip[there], return_inverse=True)
        listeners, listener = np.unique(self.row_listener[rows], return_inverse=True)
        place = np.cumsum(there) - 1
        return Points(
            codecs=self.codecs,
            clips=tuple(self.clips[at] for at in clips),
            listeners=tuple(self.listeners[at] for at in listeners),
            codec=self.codec[there],
            clip=clip,
            row_point=place[self.row_point[rows]],
            row_listener=listener,
            row_value=self.row_value[rows],
        )

    def _sums(self) -> sparse.csr_array:
        rows = np.arange(len(self.row_value))
        shape = (self.count, len(rows))
        return sparse.csr_array((np.ones(len(rows)), (self.row_point, rows)), shape=shape)


def points_of(ratings: Ratings, names: Mapping[str, str]) -> Points:
    """The points of the ratings; ``names`` says what each codec is called."""
    rows, codecs, clips, listeners = ratings.rows, ratings.codecs, ratings.clips, ratings.listeners
    at_codec, at_clip, at_listener = map(_place, (codecs, clips, listeners))
    keys = sorted({(at_codec[row.codec], at_clip[row.clip]) for row in rows})
    at_point = _place(keys)
    return Points(
        codecs=tuple(names[name] for name in codecs),
        clips=clips,
        listeners=listeners,
        codec=np.array([codec for codec, _ in keys], dtype=np.intp),
        clip=np.array([clip for _, clip in keys], dtype=np.intp),
        row_point=_places(at_point[at_codec[row.codec], at_clip[row.clip]] for row in rows),
        row_listener=_places(at_listener[row.listener] for row in rows),
        row_value=np.array([row.value for row in rows], dtype=np.float64),
    )


def scores_of(
    points: Points, metric: str, runs: Sequence[Run], clips: Sequence[Mapping[str, str]]
) -> tuple[Array, Array, dict[str, int]]:
    """The metric's score of each point, NaN where it has none; how much each counts in a mean; and
    why these have none.

    ``runs`` and ``clips`` are of each codec of the points, in their order.
    """
    found, weights = np.full(points.count, np.nan), np.ones(points.count)
    reasons = Counter[str]()
    for point, (codec, clip) in enumerate(zip(points.codec, points.clip, strict=True)):
        result = runs[codec].metrics.get(metric)
        own = clips[codec][points.clips[clip]]
        if result is None:
            reasons[f"not measured in {runs[codec].name}"] += 1
        elif own in result.values:
            found[point] = result.values[own]
            weights[point] = result.weights.get(own, 1.0)
        else:
            missing = result.missing.get(own)
            why = f"{missing.status}: {missing.reason}" if missing else "not scored"
            reasons[f"{runs[codec].name}: {why}"] += 1
    return found, weights, dict(reasons)


def _place(keys: Iterable[Hashable]) -> dict[Hashable, int]:
    return {key: place for place, key in enumerate(keys)}


def _places(found: Iterable[int]) -> Places:
    return np.fromiter(found, dtype=np.intp)
