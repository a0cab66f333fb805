"""What is found where metrics meet ratings; ``agreement.json`` holds the same facts.

Conventions: a coefficient is of the metric's own values against mean ratings, so a distance that
agrees with people has a negative one. :attr:`MetricAgreement.sign` turns it: coefficient times sign
is positive where metric and people agree. Intervals are at 95 %, from a bootstrap that resamples
clips and listeners, both with replacement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["pearson", "spearman", "kendall"]
KINDS: tuple[Kind, ...] = ("pearson", "spearman", "kendall")
Level = Literal["clips", "codecs"]
"""What a point is: a clip of a codec, or a codec's mean over clips."""
LEVELS: tuple[Level, ...] = ("clips", "codecs")
Verdict = Literal["agrees", "contradicts", "not shown"]
"""Whether metric and people rank alike, the other way round, or neither is shown."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A correlation and its 95 % interval; NaN where it is undefined."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, slots=True)
class Point:
    """One clip of one codec, or one codec (``clip`` empty): what the metric and people say."""

    codec: str
    clip: str
    score: float
    rating: float
    """Mean over listeners (and clips)."""
    rating_low: float
    rating_high: float
    """95 % interval of that mean."""
    num_ratings: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """Errors after the third-order monotonic mapping of ITU-T P.1401, in units of the rating.

    ``rmse_star`` counts only what lies outside of each rating's interval. ``coefficients`` are of
    the polynomial, constant first. NaN and empty where there are too few points.
    """

    rmse: float = math.nan
    rmse_star: float = math.nan
    coefficients: tuple[float, ...] = ()
    reason: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Of the pairs of codecs that listeners tell apart, how many a metric orders so, against it, or
    not at all."""

    right: int = 0
    wrong: int = 0
    tied: int = 0
    wrong_pairs: tuple[tuple[str, str], ...] = ()
    """The wrongly ordered, the one that people prefer first."""

    @property
    def total(self) -> int:
        """How many pairs listeners tell apart."""
        return self.right + self.wrong + self.tied


@dataclass(frozen=True, slots=True)
class MetricAgreement:
    """One metric against the ratings."""

    metric: str
    unit: str
    higher_is_better: bool | None
    fingerprint: str
    points: Mapping[Level, tuple[Point, ...]]
    coefficients: Mapping[Level, Mapping[Kind, Coefficient]]
    mapped: Mapping[Level, Mapped]
    pairs: PairCounts
    sentence: str = ""
    """In words, whether a ranking by this metric is people's."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Rated clips of codecs without a score of this metric, by reason."""
    problem: str = ""
    """Why the metric could not be held against the ratings; there are no points then."""
    counts: Mapping[Level, int] = field(default_factory=dict)
    """How many points there were, where a record does not keep them."""

    def num_points(self, level: Level) -> int:
        """How many points the coefficients of this level are of."""
        return len(self.points.get(level, ())) or self.counts.get(level, 0)

    @property
    def sign(self) -> int:
        """-1 for a distance, else 1."""
        return -1 if self.higher_is_better is False else 1

    def spearman(self, level: Level) -> Coefficient:
        """Spearman's coefficient times the sign: positive where metric and people agree; NaN where
        there is none."""
        found = self.coefficients.get(level, {}).get("spearman", Coefficient(math.nan))
        ends = sorted((self.sign * found.low, self.sign * found.high))
        return Coefficient(self.sign * found.value, *ends)

    @property
    def verdict(self) -> Verdict:
        """What the interval of Spearman's coefficient over clips shows."""
        found = self.spearman("clips")
        return "agrees" if found.low > 0 else "contradicts" if found.high < 0 else "not shown"


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """Whether one metric agrees better with people than another: ``difference`` is the first's
    coefficient less the second's, each times its sign, by Spearman's coefficient over clips."""

    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float
    p_holm: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was in the ratings or the runs and is not in the result."""

    what: Literal["codec", "clip", "listener", "run"]
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Every metric of some runs against the ratings of one listening test."""

    data: str
    """What the listening test is called; its file's name unless it was given."""
    source: str
    """What to cite; may be empty."""
    scale: str
    num_ratings: int
    num_listeners: int
    num_clips: int
    codecs: tuple[str, ...]
    """Names of the runs' codecs that are in the result."""
    with_reference: bool
    with_anchors: bool
    metrics: tuple[MetricAgreement, ...]
    """Best first: by Spearman's coefficient over clips times the sign."""
    differences: tuple[MetricDifference, ...]
    left_out: tuple[LeftOut, ...]
    num_resamples: int
    seed: int
    icc: Coefficient = field(default_factory=lambda: Coefficient(math.nan))
    """ICC(2,k): how well the mean of these listeners would repeat with others."""
    notes: tuple[str, ...] = ()

    def metric(self, name: str) -> MetricAgreement | None:
        """What was found of this metric."""
        return next((one for one in self.metrics if one.metric == name), None)
