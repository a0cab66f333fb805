"""Scores of all clips together: codebook use from the stored codes, distances from kept parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from snac_eval.errors import CodecError
from snac_eval.metrics.base import guarded
from snac_eval.metrics.codebook import CodesTogether, stream_table
from snac_eval.metrics.opening import AudioCorpusMetric, OpenMetric
from snac_eval.metrics.tokens import by_stream
from snac_eval.types import Codes, MetricInfo, Score, Status

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


class Kept(NamedTuple):
    """Under which keys the store has what a metric of all clips together kept of one clip."""

    reconstruction: str
    metric: str
    score: str


def score_together(plan: Plan, store: Store) -> Together:
    """Score the clips of a plan that the store holds by every metric of kind corpus."""
    return score_stored(
        {name: plan.metrics[name] for name in plan.corpus_metrics()},
        {one: clip.duration_s for clip, one in zip(plan.clips, plan.ids, strict=True)},
        [
            Kept(one, name, key)
            for clip, one in zip(plan.clips, plan.ids, strict=True)
            for name, key in plan.score_keys(plan.partial_metrics(clip), clip).items()
        ],
        store,
    )


def join_counts(store: Store, counts: Sequence[tuple[set[str], bytes]]) -> None:
    """Keep, of tokens that other stores have counted (:meth:`Store.counted`), the sum; nothing
    where some codes are in two of the counts, or codebooks disagree: they are counted anew then."""
    together, ids = CodesTogether(), set[str]()
    try:
        for counted, packed in counts:
            if counted & ids:
                return
            ids |= counted
            together.join(CodesTogether.unpack(packed, 0.0) if counted else CodesTogether())
    except CodecError:
        return
    store.keep_counted(ids, together.pack())


def score_stored(
    metrics: Mapping[str, OpenMetric],
    durations_s: Mapping[str, float],
    wanted: Sequence[Kept],
    store: Store,
) -> Together:
    """Score what the store holds by these metrics of kind corpus.

    ``durations_s`` has the clips' lengths by their reconstructions. Clips of equal audio count
    once. Codes, and what metrics of audio have kept, are in memory one clip at a time, and codes
    only where no earlier run has counted them.
    """
    codes, lost, problem = _count(durations_s, store)
    scores = {}
    for name, metric in metrics.items():
        if metric.audio_corpus is not None:
            parts = _kept_parts(wanted, store, name)
            scores[name] = _from_parts(metric.info, parts, metric.audio_corpus)
        elif codes.num_clips:
            failed = Score.error(problem) if problem else None
            score = failed or _of_codes(metric, codes, durations_s, store)
            scores[name] = CorpusScore.of(score, codes.num_clips, lost)
    return Together(scores, () if problem else _streams(codes, scores, metrics))


def _streams(
    codes: CodesTogether, scores: Mapping[str, CorpusScore], metrics: Mapping[str, OpenMetric]
) -> list[Mapping[str, Any]]:
    """A row for each stream, with a column for each metric that says something of single ones."""
    rows = stream_table(codes)
    for name, found in scores.items():
        if metrics[name].tokens is not None and (values := by_stream(found.score)):
            for row in rows:
                row[name] = values[row["stream"]]
    return [*rows]


def _of_codes(
    metric: OpenMetric, together: CodesTogether, ids: Iterable[str], store: Store
) -> Score:
    """The score of a metric that looks at codes. Raises what the store raises: that it is broken is
    no fault of the metric."""
    if (corpus := metric.corpus) is not None:
        return guarded(metric.info, lambda: corpus.score_corpus(together))
    tokens = metric.tokens
    assert tokens is not None
    broken: list[Exception] = []

    def clips() -> Iterator[Codes]:
        try:
            yield from (stored.codes for _, stored in store.codes(ids))
        except Exception as error:
            broken.append(error)
            raise

    score = guarded(metric.info, lambda: tokens.score_tokens(clips()))
    if broken:
        raise broken[0]
    return score


def _count(
    durations_s: Mapping[str, float], store: Store
) -> tuple[CodesTogether, Sequence[Score], str]:
    """The codes of these clips together, the errors of those that were tried and have none, and why
    the codes are not together: their codebooks disagree."""
    counted, packed = store.counted()
    if not counted or not counted <= durations_s.keys():
        counted, packed = set(), CodesTogether().pack()
    together = CodesTogether.unpack(packed, 0.0)
    num_before = len(counted)
    for one, stored in store.codes([one for one in durations_s if one not in counted]):
        try:
            together.add(stored.codes)
        except CodecError as error:
            return together, (), str(error)
        counted.add(one)
    if len(counted) > num_before:
        store.keep_counted(counted, together.pack())
    together.duration_s = math.fsum(durations_s[one] for one in counted)
    return together, _errors(store, [one for one in durations_s if one not in counted]), ""


def _errors(store: Store, ids: Sequence[str]) -> list[Score]:
    """The first error of each of these reconstructions that has any."""
    errors = (
        next((one for one in scores.values() if one.status == "error"), None)
        for _, scores in store.scores(ids)
    )
    return [error for error in errors if error is not None]


def _kept_parts(wanted: Sequence[Kept], store: Store, name: str) -> Iterator[Score]:
    """What a metric of all clips together has kept of each clip's audio."""
    mine = [one for one in wanted if one.metric == name]
    stored = store.scores([one.reconstruction for one in mine])
    for one, (_, scores) in zip(mine, stored, strict=True):
        if one.score in scores:
            yield scores[one.score]


def _from_parts(info: MetricInfo, parts: Iterator[Score], metric: AudioCorpusMetric) -> CorpusScore:
    """The metric's score of these parts. Raises what ``parts`` raises: a broken store is no fault
    of the metric that reads it."""
    lost: list[Score] = []
    broken: list[Exception] = []
    num_clips = 0

    def details() -> Iterator[bytes]:
        nonlocal num_clips
        try:
            for one in parts:
                if one.status == "ok":
                    num_clips += 1
                    yield one.detail
                else:
                    lost.append(one)
        except Exception as error:
            broken.append(error)
            raise

    left = details()
    score = guarded(info, lambda: metric.finish(left))
    for _ in left:
        pass  # Those that the metric did not get to count as well.
    if broken:
        raise broken[0]
    if not num_clips:
        score = Score.undefined("no clip has a part in it")
    return CorpusScore.of(score, num_clips, lost)
