"""Scores of all clips together: codebook use from the stored codes, distances from kept parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """The score of all clips together, and how many clips are ok, undefined and failed. Where a
    value is without some of them, its reason says so."""

    score: Score
    counts: tuple[int, int, int]

    @classmethod
    def of(cls, score: Score, num_clips: int, lost: Sequence[Score] = ()) -> CorpusScore:
        """Clips in the score share its state; ``lost`` are the others, each with its own."""
        states = [score.status] * num_clips + [one.status for one in lost]
        ok, undefined, error = (states.count(state) for state in _STATES)
        if score.status == "ok" and lost:
            left_out = f"{len(lost)} of {len(states)} clips are left out"
            which = ((undefined, "undefined"), (error, "failed"))
            left_out += f" ({', '.join(f'{count} {word}' for count, word in which if count)})"
            score = replace(score, reason="; ".join(filter(None, (left_out, score.reason))))
        return cls(score, (ok, undefined, error))


@dataclass(frozen=True, slots=True)
class Together:
    """What is found of all clips together."""

    scores: Mapping[str, CorpusScore] = field(default_factory=dict)
    """By metric."""
    streams: Sequence[Mapping[str, Any]] = ()
    """How each code stream uses its codebook: rows of ``streams.csv``."""


def score_together(plan: Plan, store: Store) -> Together:
    """Score the clips that the store holds by every metric of kind corpus."""
    codes, durations_s, failed = _stored_codes(plan, store)
    scores = {}
    for name in plan.corpus_metrics():
        metric = plan.metrics[name]
        if metric.audio_corpus is not None:
            scores[name] = _from_parts(plan, store, name, metric.audio_corpus)
        elif (corpus := metric.corpus) is not None and codes:
            score = guarded(metric.info, partial(corpus.score_corpus, codes, durations_s))
            scores[name] = CorpusScore.of(score, len(codes), failed)
    return Together(scores, stream_table(codes, durations_s))


def _stored_codes(plan: Plan, store: Store) -> tuple[list[Codes], list[float], list[Score]]:
    """Codes and durations, and an error for each clip that was tried and has no codes."""
    durations_s = {plan.key(clip).id: clip.duration_s for clip in plan.clips}
    stored = list(store.codes(durations_s))
    without = durations_s.keys() - {key for key, _ in stored}
    errors = (
        next((one for one in scores.values() if one.status == "error"), None)
        for scores in store.scores(without).values()
    )
    return (
        [one.codes for _, one in stored],
        [durations_s[key] for key, _ in stored],
        [error for error in errors if error is not None],
    )


def _from_parts(plan: Plan, store: Store, name: str, metric: AudioCorpusMetric) -> CorpusScore:
    keys = [plan.key(clip).id for clip in plan.clips if name in plan.partial_metrics(clip)]
    fingerprint = plan.fingerprint(name)
    parts = [one[fingerprint] for one in store.scores(keys).values() if fingerprint in one]
    details = [one.detail for one in parts if one.status == "ok"]
    undefined = Score.undefined("no clip has a part in it")
    score = guarded(metric.info, lambda: metric.finish(details)) if details else undefined
    return CorpusScore.of(score, len(details), [one for one in parts if one.status != "ok"])
