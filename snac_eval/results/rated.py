"""Runs with what listeners said of them, so that whatever reads runs can read ratings.

The mean over listeners of each clip becomes the score of that clip by a metric named ``rating``.
Who reads it treats it as any other metric: intervals and tests are then for other clips and these
listeners, which the notes say.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from snac_eval.errors import UsageError, readable
from snac_eval.results.agreement.matching import Matches, match
from snac_eval.results.listeners.ratings import Ratings
from snac_eval.results.listeners.roles import RANGES, UNITS
from snac_eval.results.record import MetricResult, Run
from snac_eval.types import DOMAINS, Fingerprint, MetricInfo

RATING = "rating"
"""The name of the metric."""


@dataclass(frozen=True, slots=True)
class RatedRuns:
    """Runs, those that listeners rated with the metric :data:`RATING`."""

    runs: list[Run]
    notes: tuple[str, ...]
    """Whose ratings they are, for whom intervals hold, and what was left out: sentences."""


def with_ratings(
    runs: Sequence[Run], ratings: Ratings, mapping: Mapping[str, str] | None = None
) -> RatedRuns:
    """These runs in their order, with ratings as scores.

    ``mapping`` is as in :func:`~snac_eval.results.agreement.matching.match`; errors too. Raises
    UsageError where no run was rated, and for a run that has a metric of this name already.
    """
    if taken := next((run for run in runs if RATING in run.metrics), None):
        raise UsageError(f"{taken.name}: has a metric '{RATING}' of its own; leave out the ratings")
    found = match(runs, ratings, mapping)
    if not found.runs:
        rated = ", ".join(readable(name) for name in ratings.codecs)[:300]
        raise UsageError(
            f"{ratings.source}: rates none of these runs, but {rated}; say which is which:"
            " --map RATED=RUN"
        )
    info = _info(ratings)
    values = _values(ratings, found)
    changed = {
        id(run): replace(run, metrics={**run.metrics, RATING: _result(info, values[name])})
        for name, run in found.runs.items()
    }
    return RatedRuns([changed.get(id(run), run) for run in runs], tuple(_notes(ratings, found)))


def _info(ratings: Ratings) -> MetricInfo:
    name, unit = UNITS[ratings.scale]
    return MetricInfo(
        name=RATING,
        description="Mean rating by listeners",
        unit=f"{name} {unit}" if unit else "",
        higher_is_better=True,
        value_range=RANGES[ratings.scale],
        domains=frozenset(DOMAINS),
        sample_rate=None,
        fingerprint=Fingerprint(
            (
                RATING,
                f"scale={ratings.scale}",
                f"listeners={len(ratings.listeners)}",
                f"ratings={_digest(ratings)}",
            )
        ),
    )


def _digest(ratings: Ratings) -> str:
    rows = sorted((row.clip, row.codec, row.listener, row.value) for row in ratings.rows)
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def _values(ratings: Ratings, found: Matches) -> dict[str, dict[str, float]]:
    """By rated name, the mean over listeners of each of the run's clips."""
    several: dict[str, dict[str, list[float]]] = {name: {} for name in found.runs}
    for row in ratings.rows:
        if row.codec in several and (clip := found.clips[row.codec].get(row.clip)):
            several[row.codec].setdefault(clip, []).append(row.value)
    return {
        name: {clip: math.fsum(each) / len(each) for clip, each in by_clip.items()}
        for name, by_clip in several.items()
    }


def _result(info: MetricInfo, values: Mapping[str, float]) -> MetricResult:
    return MetricResult(info, values, counts=(len(values), 0, 0))


def _notes(ratings: Ratings, found: Matches) -> Iterator[str]:
    yield (
        f"{RATING}: each clip's mean over {len(ratings.listeners)} listeners. Its intervals and"
        " tests are for other clips and these listeners; snac-eval listen read has those for other"
        " listeners too."
    )
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in found.left_out:
        grouped.setdefault((one.what, one.reason), []).append(readable(one.name))
    for (what, reason), names in grouped.items():
        few = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        yield (
            f"Without ratings: {what} {few}: {reason}."
            if what == "run"
            else (f"Ratings left out: {what} {few}: {reason}.")
        )
