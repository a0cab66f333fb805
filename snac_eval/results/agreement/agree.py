"""How far each metric of some runs agrees with the ratings of one listening test.

What is estimated, and by which intervals, stands in :mod:`~snac_eval.results.agreement.intervals`;
the mapping of ITU-T P.1401 in ``p1401``, pairs of codecs in ``pairs``; ``listening`` adds who
counts as a listener, and how far they agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snac_eval.errors import UsageError, readable
from snac_eval.results.agreement.coefficients import correlation
from snac_eval.results.agreement.differences import differences
from snac_eval.results.agreement.intervals import MIN_CLIPS, over_clips, over_codecs
from snac_eval.results.agreement.matching import Matches, match
from snac_eval.results.agreement.p1401 import mapped
from snac_eval.results.agreement.pairs import counts, separated
from snac_eval.results.agreement.points import Points, points_of, scores_of
from snac_eval.results.agreement.resampling import Replicates, Watch, replicates, whole
from snac_eval.results.agreement.sentences import sentence
from snac_eval.results.agreement.shapes import (
    KINDS,
    LEVELS,
    Agreement,
    Coefficient,
    Kind,
    LeftOut,
    Level,
    Mapped,
    MetricAgreement,
    MetricDifference,
    PairCounts,
    Point,
)
from snac_eval.results.families import named_by_title
from snac_eval.results.listeners.means import mean_rating
from snac_eval.results.listeners.ratings import Ratings, Role
from snac_eval.results.pairing import metric_problem
from snac_eval.results.record import Run, check_names, first_info, metric_names
from snac_eval.results.stats import units
from snac_eval.types import MetricInfo

Array = NDArray[np.float64]
NUM_RESAMPLES = 2000
_FEWEST_RESAMPLES = 100


@dataclass(frozen=True, slots=True, eq=False)
class _Metric:
    """A metric's scores of the points."""

    info: MetricInfo
    scores: Array
    weights: Array
    """How much each counts in a codec's mean: of error rates, its words."""
    left_out: Mapping[str, int]
    problem: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Test:
    """The ratings that are in, and the runs that they are of."""

    ratings: Ratings
    points: Points
    runs: tuple[Run, ...]
    """Of each codec of the points."""
    clips: tuple[Mapping[str, str], ...]
    left_out: tuple[LeftOut, ...]


def agree(
    runs: Sequence[Run],
    ratings: Ratings,
    *,
    mapping: Mapping[str, str] | None = None,
    metrics: Sequence[str] = (),
    with_reference: bool = False,
    with_anchors: bool = False,
    data: str = "",
    source: str = "",
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
    watch: Watch = iter,
) -> Agreement:
    """Hold every metric that has a better direction, or ``metrics``, against the ratings.

    ``mapping`` says which run a rated codec is, rated name first, where
    :func:`~snac_eval.results.agreement.matching.match` does not find it. The reference and the
    anchors are in only if asked for, and if they have runs. A point is a clip of a codec: the
    metric's score and the mean of all its ratings. Over codecs a point is the mean over the clips
    that every codec has a score and ratings of; a codec without any is no point of that metric.
    ``watch`` is given the chunks of resamples and yields them. Raises UsageError for a name that
    is unknown or ambiguous, where no rated codec is a run, and for too few resamples.
    """
    if num_resamples < _FEWEST_RESAMPLES:
        raise UsageError(f"{num_resamples} resamples: an interval needs {_FEWEST_RESAMPLES}")
    runs = named_by_title(runs)
    check_names(metrics, *runs)
    test = _test(runs, ratings, mapping, with_reference, with_anchors)
    found = [_metric(test, name) for name in metrics or _directed(test.runs)]
    results, against = _results(test, found, num_resamples, seed, watch)
    return Agreement(
        data=data or Path(ratings.source).name,
        source=source,
        scale=ratings.scale,
        num_ratings=len(test.points.row_value),
        num_listeners=len(test.points.listeners),
        num_clips=len(test.points.clips),
        codecs=test.points.codecs,
        with_reference=with_reference,
        with_anchors=with_anchors,
        metrics=tuple(sorted(results, key=_worth, reverse=True)),
        differences=against,
        left_out=test.left_out,
        num_resamples=num_resamples,
        seed=seed,
        notes=tuple(_notes(test.points)),
    )


def _results(
    test: _Test, metrics: Sequence[_Metric], num_resamples: int, seed: int, watch: Watch
) -> tuple[list[MetricAgreement], tuple[MetricDifference, ...]]:
    points = test.points
    usable = [one for one in metrics if not one.problem]
    scores = np.array([one.scores for one in usable]).reshape(len(usable), points.count)
    weights = np.array([one.weights for one in usable]).reshape(scores.shape)
    resampled = replicates(points, scores, num_resamples, seed, watch=watch, sizes=weights)
    pairs = separated(test.ratings)
    found = [_result(one, test, resampled, place, pairs) for place, one in enumerate(usable)]
    against = differences(points, found, scores, resampled, seed)
    return [*found, *(_without(one) for one in metrics if one.problem)], against


def _test(
    runs: Sequence[Run],
    ratings: Ratings,
    mapping: Mapping[str, str] | None,
    with_reference: bool,
    with_anchors: bool,
) -> _Test:
    matches = match(runs, ratings, mapping)
    wanted: set[Role] = {"codec"}
    wanted |= {"reference"} if with_reference else set()
    wanted |= {"anchor"} if with_anchors else set()
    roles = {name: ratings.roles[name] for name in ratings.codecs}
    names = {name: run.name for name, run in matches.runs.items() if roles[name] in wanted}
    if not names:
        raise UsageError(_nothing(runs, [name for name in roles if roles[name] in wanted]))
    rows = (row for row in ratings.of_role(*wanted) if row.codec in names)
    kept = tuple(row for row in rows if row.clip in matches.clips[row.codec])
    inside = replace(ratings, rows=kept, roles=dict.fromkeys(names, "codec"))
    points = points_of(inside, names)
    return _Test(
        inside,
        points,
        tuple(matches.runs[name] for name in inside.codecs),
        tuple(matches.clips[name] for name in inside.codecs),
        tuple(_left_out(ratings, matches, roles, wanted, points)),
    )


def _left_out(
    ratings: Ratings,
    matches: Matches,
    roles: Mapping[str, Role],
    wanted: set[Role],
    points: Points,
) -> Iterator[LeftOut]:
    for name, role in roles.items():
        if role not in wanted:
            yield LeftOut("codec", name, f"the {role}, which was not asked for")
    outside = {name for name, role in roles.items() if role not in wanted}
    yield from (one for one in matches.left_out if one.what != "codec" or one.name not in outside)
    listed = {one.name for one in matches.left_out if one.what == "clip"}
    for clip in ratings.clips:
        if clip not in points.clips and clip not in listed:
            yield LeftOut("clip", clip, "no codec that is in was rated on it")
    for listener in ratings.listeners:
        if listener not in points.listeners:
            yield LeftOut("listener", listener, "rated nothing that is in")


def _nothing(runs: Sequence[Run], rated: Sequence[str]) -> str:
    theirs, ours = (
        ", ".join(map(readable, names)) for names in (rated, [run.name for run in runs])
    )
    return (
        f"no rated codec ({theirs}) is one of the runs ({ours}); say which is which:"
        " --map RATED=RUN"
    )


def _directed(runs: Sequence[Run]) -> list[str]:
    """Metrics with a score per clip and a better direction, less the speeds of a machine."""
    infos = [first_info(runs, name) for name in metric_names(*runs)]
    return [
        info.name
        for info in infos
        if info.higher_is_better is not None and not info.speed and info.kind != "corpus"
    ]


def _metric(test: _Test, name: str) -> _Metric:
    having = [run for run in test.runs if name in run.metrics]
    info = first_info(having, name)
    problems = (metric_problem(having[0], run, name) for run in having)
    if problem := next(filter(None, problems), ""):
        return _Metric(info, np.empty(0), np.empty(0), {}, problem)
    scores, weights, reasons = scores_of(test.points, name, test.runs, test.clips)
    if np.isfinite(scores).any():
        return _Metric(info, scores, weights, reasons)
    most = max(reasons, key=lambda reason: reasons[reason])
    return _Metric(info, scores, weights, reasons, f"no score of a rated clip ({most})")


def _result(
    one: _Metric, test: _Test, found: Replicates, place: int, pairs: Sequence[tuple[int, int]]
) -> MetricAgreement:
    points, there = test.points, np.isfinite(one.scores)
    at: Mapping[Level, tuple[Point, ...]] = {
        "clips": _clip_points(points, one.scores, there),
        "codecs": _codec_points(test, one, there),
    }
    result = MetricAgreement(
        metric=one.info.name,
        unit=one.info.unit,
        higher_is_better=one.info.higher_is_better,
        fingerprint=str(one.info.fingerprint),
        points=at,
        coefficients=_coefficients(at, points, there, found, place),
        mapped={level: _mapped(of, one.info) for level, of in at.items()},
        pairs=counts(
            points, one.scores, -1 if one.info.higher_is_better is False else 1, pairs, one.weights
        ),
        left_out=one.left_out,
    )
    return replace(result, sentence=sentence(result))


def _coefficients(
    at: Mapping[Level, Sequence[Point]],
    points: Points,
    there: NDArray[np.bool_],
    found: Replicates,
    place: int,
) -> Mapping[Level, Mapping[Kind, Coefficient]]:
    clips, codecs = _sides(at["clips"]), _sides(at["codecs"])
    own, num_clips = points.only(there), len(whole(points, there)[1])
    values = {kind: (correlation(kind, *clips), correlation(kind, *codecs)) for kind in KINDS}
    return {
        "clips": {
            kind: over_clips(value, found, kind, place, own) for kind, (value, _) in values.items()
        },
        "codecs": {
            kind: over_codecs(value, found, kind, place, num_clips)
            for kind, (_, value) in values.items()
        },
    }


def _without(one: _Metric) -> MetricAgreement:
    nothing = {kind: Coefficient(math.nan) for kind in KINDS}
    result = MetricAgreement(
        metric=one.info.name,
        unit=one.info.unit,
        higher_is_better=one.info.higher_is_better,
        fingerprint=str(one.info.fingerprint),
        points={"clips": (), "codecs": ()},
        coefficients={"clips": nothing, "codecs": nothing},
        mapped=dict.fromkeys(LEVELS, Mapped(reason=one.problem)),
        pairs=PairCounts(),
        left_out=one.left_out,
        problem=one.problem,
    )
    return replace(result, sentence=sentence(result))


def _clip_points(points: Points, scores: Array, there: NDArray[np.bool_]) -> tuple[Point, ...]:
    means, errors, num = points.means(), points.errors(), points.counts()
    return tuple(
        Point(
            codec=points.codecs[points.codec[at]],
            clip=points.clips[points.clip[at]],
            score=float(scores[at]),
            rating=float(means[at]),
            rating_low=float(means[at] - errors[at]),
            rating_high=float(means[at] + errors[at]),
            num_ratings=int(num[at]),
        )
        for at in np.flatnonzero(there)
    )


def _codec_points(test: _Test, one: _Metric, there: NDArray[np.bool_]) -> tuple[Point, ...]:
    """Means over the clips that all codecs have, pooled where these have weights."""
    codecs, clips = whole(test.points, there)
    if not len(clips):
        return ()
    grid, sizes = test.points.grid(one.scores), test.points.grid(one.weights)
    inside = {test.points.clips[clip] for clip in clips}
    found = []
    for codec in codecs:
        name = test.ratings.codecs[codec]
        rows = [row for row in test.ratings.rows if row.codec == name and row.clip in inside]
        mean = mean_rating(rows)
        score = float(np.average(grid[codec, clips], weights=sizes[codec, clips]))
        shown = test.points.codecs[codec]
        found.append(Point(shown, "", score, mean.mean, mean.low, mean.high, len(rows)))
    return tuple(found)


def _sides(points: Sequence[Point]) -> tuple[Array, Array]:
    return (
        np.array([point.score for point in points], dtype=np.float64),
        np.array([point.rating for point in points], dtype=np.float64),
    )


def _mapped(points: Sequence[Point], info: MetricInfo) -> Mapped:
    scores, ratings = _sides(points)
    errors = np.array([point.rating_high - point.rating for point in points], dtype=np.float64)
    return mapped(scores, ratings, errors, info.higher_is_better)


def _worth(one: MetricAgreement) -> float:
    value = one.sign * one.coefficients["clips"]["spearman"].value
    return -math.inf if math.isnan(value) else value


def _notes(points: Points) -> Iterator[str]:
    if len(points.clips) < MIN_CLIPS:
        clips = units(len(points.clips), "clip")
        yield f"Too few clips for intervals over clips and codecs: {clips}; they need {MIN_CLIPS}."
    if points.counts().max() == 1:
        yield (
            "Every clip of a codec has one rating: intervals are over clips alone, and RMSE* is"
            " undefined."
        )
