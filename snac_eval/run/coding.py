"""A clip through the codec: read, encoded, decoded, and scored as far as that needs no audio.

Functions of opened things that give results and keep nothing: whoever calls them decides in which
process. Whatever a reader, a codec or a metric raises is the reason why the clip has no score.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from snac_eval import audio
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.checks import check_codes, check_output
from snac_eval.codecs.repeats import LONGEST_S, Repeat, repeat
from snac_eval.errors import (
    AudioError,
    CodecError,
    CodecLost,
    Interrupted,
    SnacEvalError,
    keep_trace,
    kept_traces,
    one_line,
)
from snac_eval.metrics.base import Encoded
from snac_eval.metrics.opening import OpenMetric
from snac_eval.run.plan import Job, Setting, clip_seed
from snac_eval.run.rows import PackedCodes, StoredCodes
from snac_eval.run.scoring import score_in_place
from snac_eval.types import Codec, Reconstruction, ReconstructionSource, Score, Timing, Waveform

# Of clips in a batch, so that memory is bounded by what was asked for; longer ones come in fewer.
_MEAN_BATCHED_S = 20.0
_MOST_PADDING = 0.1
_REPEAT_TRIES = 10
READING, CODING, PASSING, REPEATING = "reading", "coding", "passing", "repeating"
AHEAD = "ahead"
Watch = Callable[[str, Sequence[int]], None]
"""Is told before each step what it is, reading, coding or a metric's name, and of which tasks. A
thread of its own says what is being read ahead of the steps, and of nothing when that is done."""


@dataclass(frozen=True, slots=True)
class CodingTask:
    """A job to be coded, and what is known of it."""

    number: int
    """Names the task: it comes back with the result."""
    job: Job
    stored: PackedCodes | None = None
    """Codes that need not be made again."""
    failed: Mapping[str, Score] = field(default_factory=dict)
    """Metrics of the job that must not be tried (again)."""
    is_alone: bool = False
    """Whether nothing else may be in hand meanwhile, for it may end the process."""


@dataclass(frozen=True, slots=True)
class Coded:
    """What came of a task."""

    number: int
    scores: Mapping[str, Score]
    """By metric: what was scored in place, or the error that stands for all scores."""
    new_codes: StoredCodes | None = None
    """What the store does not have yet."""
    remaining: tuple[str, ...] = ()
    """Metrics that score the audio, still to be asked."""
    reconstruction: Reconstruction | None = None
    """The audio, where any are."""
    traces: tuple[str, ...] = ()
    """Tracebacks of what the codec or a metric raised."""
    excess: int | None = None
    """Samples, at the codec's rate, that the decoder gave beyond the clip's; negative where they
    were too few; None where nothing was decoded."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A clip that went through the codec."""

    made: Reconstruction
    excess: int
    """As in :class:`Coded`."""
    new_codes: StoredCodes | None = None
    source: Waveform | None = None  # None where the estimate was read from a file


@dataclass(frozen=True, slots=True)
class Coder(Setting):
    """An opened codec with metrics of its run."""

    metrics: Mapping[str, OpenMetric]
    """Those that are scored in place, at least."""


def prepare(codec: OpenCodec) -> tuple[str, ...]:
    """Load what the codec needs; what it says of itself then. Raises SnacEvalError, whatever the
    codec raises."""
    try:
        codec.prepare()
        return codec.notes()
    except (SnacEvalError, Interrupted):
        raise
    except BaseException as error:
        reason = one_line(error)
        raise CodecError(f"codec '{codec.card.name}' cannot be loaded: {reason}") from error


def repeated(coder: Coder, jobs: Sequence[Job]) -> dict[str, Any]:
    """Whether the codec gives the same answer twice, and to which clip; empty where none of the
    first clips can be read, and where nothing is coded."""
    if (codec := coder.codec.coder) is None:
        return {}
    for job in repeatable(jobs):
        loaded = load(coder, CodingTask(0, job))
        if isinstance(loaded, Loaded):
            try:
                found = repeat(codec, loaded.source, clip_seed(job.clip, coder.config.seed))
            except (Interrupted, CodecLost):
                raise
            except BaseException as error:  # noqa: BLE001 - a plugin may raise SystemExit
                found = Repeat(problem=one_line(error))
            return {"clip": job.clip.id, **found.facts()}
    return {}


def repeatable(jobs: Sequence[Job]) -> list[Job]:
    """Those whose clips are worth coding twice, the best first."""
    return sorted(jobs, key=lambda job: -min(job.clip.duration_s, LONGEST_S))[:_REPEAT_TRIES]


def watch_nothing(_: str, __: Sequence[int]) -> None:
    """For whoever does not need to know which step is being taken."""


def code(
    coder: Coder, tasks: Iterable[CodingTask], watch: Watch = watch_nothing
) -> Iterator[Coded]:
    """Every task once, as soon as its clip went through the codec."""
    before: dict[str, StoredCodes] = {}
    for batch in batches(coder, tasks, watch):
        yield from (item for item in batch if isinstance(item, Coded))
        loaded = [_known(item, before) for item in batch if isinstance(item, Loaded)]
        ids = {item.task.number: item.task.job.key.id for item in loaded}
        before = {}
        for coded in _code_batch(coder, loaded, watch) if loaded else ():
            if coded.new_codes is not None:
                before[ids[coded.number]] = coded.new_codes
            yield coded


def _known(item: Loaded, before: Mapping[str, StoredCodes]) -> Loaded:
    """With the codes of the batch before, where that had the same audio: the store got them after
    the task was given."""
    if item.task.stored is None:
        return replace(item, known=before.get(item.task.job.key.id))
    try:
        return replace(item, known=item.task.stored.unpacked())
    except CodecError:  # Then they are made anew.
        return item


@dataclass(frozen=True, slots=True)
class Loaded:
    """A task with its clip in memory."""

    task: CodingTask
    reference: Waveform
    """The clip as it is scored against."""
    source: Waveform
    """The clip as the codec takes it."""
    known: StoredCodes | None = None
    """Codes that need not be made again."""


def batches(
    coder: Coder, tasks: Iterable[CodingTask], watch: Watch = watch_nothing
) -> Iterator[list[Loaded | Coded]]:
    """Clips in groups for the codec, in the order of the tasks.

    A group is as large as it may be, unless it would take too much memory or be too much padding;
    what cannot be read, and what the codec takes one by one, is alone.
    """
    size = coder.batch_size
    batch: list[Loaded | Coded] = []
    padded_s: list[float] = []
    for task, item in read_ahead(coder, tasks, size, watch):
        length_s = None
        if isinstance(item, Loaded) and coder.codec.coder is not None:
            watch(CODING, [task.number])
            item, length_s = _measured(coder.codec.coder, item)
        if batch and (length_s is None or not fit_together([*padded_s, length_s], size)):
            yield batch
            batch, padded_s = [], []
        batch.append(item)
        if length_s is None or len(batch) == size or task.is_alone:
            yield batch
            batch, padded_s = [], []
        else:
            padded_s.append(length_s)
    if batch:
        yield batch


def fit_together(padded_s: Sequence[float], size: int) -> bool:
    """Whether clips, of which the codec makes so many seconds each, are one batch of at most
    ``size``: neither too much for the memory nor too much of it padding. One alone always is."""
    total_s = len(padded_s) * max(padded_s)
    if len(padded_s) == 1:
        return True
    most_s = min(size * _MEAN_BATCHED_S, sum(padded_s) * (1 + _MOST_PADDING))
    return len(padded_s) <= size and total_s <= most_s


def _measured(codec: Codec, item: Loaded) -> tuple[Loaded | Coded, float | None]:
    """The clip and how many seconds the codec makes of it; None where it is to be alone."""
    try:
        length = codec.padded_length(item.source.num_samples)
        return item, None if length is None else length / item.source.sample_rate
    except (Interrupted, CodecLost):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a codec raises is the clip's reason
        keep_trace(error)
        return failure(item.task, one_line(error)), None


def read_ahead(
    coder: Coder, tasks: Iterable[CodingTask], num_ahead: int, watch: Watch = watch_nothing
) -> Iterator[tuple[CodingTask, Loaded | Coded]]:
    """Clips as :func:`load` gives them; a thread reads the next while the codec has this one."""
    waiting: deque[tuple[CodingTask, Future[Loaded | Coded]]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
        try:
            for task in tasks:
                waiting.append((task, _submitted(reader, coder, task, watch)))
                while len(waiting) > (0 if task.is_alone else num_ahead):
                    yield _awaited(*waiting.popleft(), watch)
            while waiting:
                yield _awaited(*waiting.popleft(), watch)
        finally:
            for _, future in waiting:
                future.cancel()


def _submitted(
    reader: ThreadPoolExecutor, coder: Coder, task: CodingTask, watch: Watch
) -> Future[Loaded | Coded]:
    try:
        return reader.submit(_read_ahead, coder, task, watch)
    except RuntimeError:  # The system has no thread left for us.
        done: Future[Loaded | Coded] = Future()
        done.set_result(_read_ahead(coder, task, watch))
        return done


def _read_ahead(coder: Coder, task: CodingTask, watch: Watch) -> Loaded | Coded:
    watch(AHEAD, [task.number])
    try:
        return load(coder, task)
    finally:
        watch(AHEAD, ())


def _awaited(
    task: CodingTask, future: Future[Loaded | Coded], watch: Watch
) -> tuple[CodingTask, Loaded | Coded]:
    watch(READING, [task.number])
    return task, future.result()


def load(coder: Coder, task: CodingTask) -> Loaded | Coded:
    """The task's clip in memory, or why it cannot be read."""
    try:
        return Loaded(task, *coder.read(task.job.clip))
    except (Interrupted, CodecLost):
        raise
    except BaseException as error:  # noqa: BLE001 - what a decoder raises, MemoryError among it
        return failure(task, _unread(error))


def _unread(error: BaseException) -> str:
    reason = one_line(error)
    return reason if isinstance(error, AudioError) else f"this clip cannot be read: {reason}"


def failure(task: CodingTask, reason: str) -> Coded:
    """One error for every score of the task that is not known already; what was noted of it."""
    scores = dict.fromkeys(task.job.metrics, Score.error(reason))
    return Coded(task.number, scores | dict(task.failed), traces=kept_traces())


def _code_batch(coder: Coder, loaded: Sequence[Loaded], watch: Watch) -> Iterator[Coded]:
    """Clips of one batch; one by one where that fails, so that one bad clip costs itself alone."""
    codec, source = coder.codec.coder, coder.codec.source
    watch(CODING, [item.task.number for item in loaded])
    try:
        if codec is not None:
            made = _through(codec, coder.config.seed, loaded)
        else:
            assert source is not None
            made = [_read(source, item) for item in loaded]
    except (Interrupted, CodecLost):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a codec raises is the clip's reason
        if len(loaded) == 1:
            keep_trace(error)
            yield failure(loaded[0].task, one_line(error))
            return
        made = None
    if made is None:
        for item in loaded:
            yield from _code_batch(coder, [item], watch)
        return
    for item, one in zip(loaded, made, strict=True):
        yield _scored_in_place(coder, item.task, one, watch)


def _scored_in_place(coder: Coder, task: CodingTask, outcome: _Outcome, watch: Watch) -> Coded:
    made, source, encoded = outcome.made, outcome.source, None
    if source is not None and made.codes is not None:
        encoded = Encoded(source, made.codes, clip_seed(task.job.clip, coder.config.seed))
    scores, remaining = dict(task.failed), []
    for name in task.job.metrics:
        if name in scores:
            continue
        metric = coder.metrics.get(name)
        if metric is None or not metric.is_in_place:
            remaining.append(name)
            continue
        watch(name, [task.number])
        scores[name] = score_in_place(metric, made, coder.codec, encoded)
    audible = made if remaining else None
    rest = tuple(remaining), audible, kept_traces(), outcome.excess
    return Coded(task.number, scores, outcome.new_codes, *rest)


def _through(codec: Codec, seed: int, loaded: Sequence[Loaded]) -> list[_Outcome]:
    """Clips through the codec; what the store has codes of is decoded, but not encoded again."""
    seeds = [clip_seed(item.task.job.clip, seed) for item in loaded]
    known = [item.known for item in loaded if item.known is not None]
    if len(known) == len(loaded):
        estimates = codec.decode([one.codes for one in known], seeds)
        return [_coded(*each) for each in zip(loaded, estimates, known, strict=True)]
    sources = [item.source for item in loaded]
    start = time.perf_counter()
    codes = codec.encode(sources)
    encode_s = time.perf_counter() - start
    for one, source in zip(codes, sources, strict=True):
        check_codes(codec.card, one, source.num_samples)
    start = time.perf_counter()
    estimates = codec.decode(codes, seeds)
    decode_s = time.perf_counter() - start
    total_s = sum(source.duration_s for source in sources)
    made: list[_Outcome] = []
    for item, estimate, one in zip(loaded, estimates, codes, strict=True):
        share = item.source.duration_s / total_s
        timing = Timing(encode_s * share, decode_s * share)
        coded = StoredCodes(one, timing)
        made.append(replace(_coded(item, estimate, coded), new_codes=coded))
    return made


def _coded(item: Loaded, estimate: Waveform, coded: StoredCodes) -> _Outcome:
    check_output(item.source, estimate)
    made = replace(_beside(item, estimate), codes=coded.codes, timing=coded.timing)
    return _Outcome(made, _excess(item.source, estimate), source=item.source)


def _read(source: ReconstructionSource, item: Loaded) -> _Outcome:
    estimate = source.read(item.task.job.clip)
    check_output(item.reference, estimate, "the codec behind the file")
    return _Outcome(_beside(item, estimate), _excess(item.reference, estimate))


def _excess(clip: Waveform, answer: Waveform) -> int:
    """Samples of the answer's rate that it has too many; what an adapter brought to length says how
    many there were."""
    if isinstance(answer, audio.Fitted):
        return answer.excess
    wanted = clip.num_samples * answer.sample_rate / clip.sample_rate
    excess = answer.num_samples - wanted
    return 0 if abs(excess) < 1 else int(excess)


def _beside(item: Loaded, estimate: Waveform) -> Reconstruction:
    if item.reference.num_channels == 1:
        estimate = audio.to_mono(estimate)
    return Reconstruction(item.task.job.clip, item.reference, estimate)
