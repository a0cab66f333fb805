"""Scores of all clips together: codebook use from the stored codes, distances from kept parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from snac_eval.metrics.base import guarded
from snac_eval.metrics.codebook import stream_table
from snac_eval.metrics.opening import AudioCorpusMetric
from snac_eval.types import Codes, Score, Status

if TYPE_CHECKING:
    from snac_eval.run.plan import Plan
    from snac_eval.run.store import Store

_STATES: tuple[Status, ...] = ("ok", "undefined", "error")


@dataclass(frozen=True, slots=True)
class CorpusScore:
    """The score of all clips together, and how many clips are ok, undefined and failed."""

    score: Score
    counts: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Together:
    """What is found of all clips together."""

    scores: Mapping[str, CorpusScore] = field(default_factory=dict)
    """By metric."""
    streams: Sequence[Mapping[str, Any]] = ()
    """How each code stream uses its codebook: rows of ``streams.csv``."""


def score_together(plan: Plan, store: Store) -> Together:
    """Score the clips that the store holds by every metric of kind corpus."""
    codes, durations_s = _stored_codes(plan, store)
    scores = {}
    for name in plan.corpus_metrics():
        metric = plan.metrics[name]
        if metric.audio_corpus is not None:
            scores[name] = _from_parts(plan, store, name, metric.audio_corpus)
        elif (corpus := metric.corpus) is not None and codes:
            score = guarded(metric.info, partial(corpus.score_corpus, codes, durations_s))
            scores[name] = CorpusScore(score, _counts(score, len(codes), ()))
    return Together(scores, stream_table(codes, durations_s))


def _stored_codes(plan: Plan, store: Store) -> tuple[list[Codes], list[float]]:
    durations_s = {plan.key(clip).id: clip.duration_s for clip in plan.clips}
    stored = list(store.codes(plan.key(clip).id for clip in plan.clips))
    return [one.codes for _, one in stored], [durations_s[key] for key, _ in stored]


def _from_parts(plan: Plan, store: Store, name: str, metric: AudioCorpusMetric) -> CorpusScore:
    keys = [plan.key(clip).id for clip in plan.clips if name in plan.partial_metrics(clip)]
    fingerprint = plan.fingerprint(name)
    parts = [one[fingerprint] for one in store.scores(keys).values() if fingerprint in one]
    details = [one.detail for one in parts if one.status == "ok"]
    undefined = Score.undefined("no clip has a part in it")
    score = guarded(metric.info, lambda: metric.finish(details)) if details else undefined
    return CorpusScore(score, _counts(score, len(details), parts))


def _counts(score: Score, num_clips: int, parts: Sequence[Score]) -> tuple[int, int, int]:
    """The clips share the state of the score that they have together; parts may fail alone."""
    ok, undefined, error = (
        (num_clips if score.status == state else 0)
        + sum(one.status == state for one in parts if one.status != "ok")
        for state in _STATES
    )
    return ok, undefined, error
