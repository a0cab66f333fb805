"""The one loop: dataset -> codec -> metrics -> store -> reports.

Read from top to bottom this is the life of a clip. A thread reads it ahead, with clips of its
length if the codec takes several at once; the codec encodes and decodes it in this process; what
needs no audio is scored here, and the rest goes to the engine's workers while the codec takes the
next clips. Whatever comes back is stored at once.
"""

from __future__ import annotations

import importlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snac_eval import audio
from snac_eval.errors import AudioError, CodecError, TooManyFailures, UsageError, one_line
from snac_eval.progress import Progress
from snac_eval.reports.html.playback import write_report
from snac_eval.run.engines.local import Engine, ScoringTask
from snac_eval.run.manifest import write_manifest
from snac_eval.run.plan import Job, Plan, RunConfig, clip_seed, make_plan
from snac_eval.run.scoring import score_in_place
from snac_eval.run.store import Store, StoredCodes
from snac_eval.types import Codec, Reconstruction, ReconstructionSource, Score, Timing, Waveform

if TYPE_CHECKING:
    from snac_eval.results.frames import RunFrames

_GPU_BATCH = 8


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run: its folder, its frames, and how much of it was computed just now.

    ``notes`` are lines that belong beside the numbers.
    """

    run_dir: Path
    frames: RunFrames
    num_computed: int
    notes: tuple[str, ...] = ()


def run(config: RunConfig, argv: Sequence[str] = ()) -> RunResult:
    """Do what is left of the run and write its reports.

    Raises SnacEvalError for what the user must mend, TooManyFailures when more than
    ``max_error_rate`` of the clips failed (reports are written all the same), KeyboardInterrupt
    after writing a valid, resumable run.
    """
    plan = make_plan(config)
    snapshot = plan.snapshot()
    with Store.create(config.output, config.overwrite) as store:
        _refuse_other_run(store, snapshot, config)
        store.put_snapshot(snapshot)
        jobs = plan.pending(store.scores(plan.key(clip).id for clip in plan.clips))
        with _engine(plan, jobs) as engine:
            if jobs:
                plan.codec.prepare()
            started = time.time()
            state = "interrupted"
            try:
                if jobs:
                    _compute(plan, jobs, store, engine)
                state = "finished"
            finally:
                write_manifest(plan, argv, state=state, started=started, num_computed=len(jobs))
                frames = _write_reports(store, config)
    if config.html:
        write_report([config.output], num_clips=config.report_clips)
    _refuse_failures(frames, config)
    return RunResult(config.output, frames, len(jobs), plan.notes)


def _engine(plan: Plan, jobs: Sequence[Job]) -> Engine:
    """The engine, its workers starting already: they load while the codec does."""
    names = {name for job in jobs for name in job.metrics}
    scored = [name for name, one in plan.metrics.items() if name in names and not one.is_in_place]
    engine = Engine(min(plan.config.num_workers, len(jobs)), scored)
    if scored:
        engine.start()
    return engine


def _compute(plan: Plan, jobs: Sequence[Job], store: Store, engine: Engine) -> None:
    waiting = {job.key.id: job for job in jobs}
    with Progress(len(jobs), enabled=plan.config.show_progress) as progress:

        def finish(job: Job, scores: Mapping[str, Score], codes: StoredCodes | None = None) -> None:
            _put(plan, store, job, scores, codes)
            progress.clip_done(job.clip, scores)

        for made in _reconstructions(plan, jobs, store):
            job, outcome = made.job, made.outcome
            if isinstance(outcome, Score):
                finish(job, dict.fromkeys(job.metrics, outcome))
                continue
            scores = _score_in_place(plan, job, outcome)
            rest = tuple(name for name in job.metrics if name not in scores)
            if rest:
                _put(plan, store, job, scores, made.new_codes)
                engine.submit(ScoringTask(job.key.id, rest, outcome))
            else:
                finish(job, scores, made.new_codes)
            for scored in engine.finished():
                finish(waiting[scored.key], scored.scores)
        _load_report_libraries()
        for scored in engine.drain():
            finish(waiting[scored.key], scored.scores)


def _score_in_place(plan: Plan, job: Job, made: Reconstruction) -> dict[str, Score]:
    metrics = {name: plan.metrics[name] for name in job.metrics}
    return score_in_place(metrics, made, plan.codec, clip_seed(job.clip, plan.config.seed))


def _put(
    plan: Plan, store: Store, job: Job, scores: Mapping[str, Score], codes: StoredCodes | None
) -> None:
    by_fingerprint = {plan.fingerprint(name): score for name, score in scores.items()}
    store.put(job.key, by_fingerprint, codes)


def _load_report_libraries() -> None:
    """Seconds of importing, done while the last clips are scored rather than after them."""
    for module in ("scipy.stats", "snac_eval.reports.summary"):
        importlib.import_module(module)


def _write_reports(store: Store, config: RunConfig) -> RunFrames:
    from snac_eval.reports.summary import write_tables

    return write_tables(store, config.output)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A job with its clip in memory."""

    job: Job
    reference: Waveform
    """The clip as it is scored against."""
    source: Waveform
    """The clip as the codec takes it."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A job with its reconstruction, or the error that stands for all of its scores."""

    job: Job
    outcome: Reconstruction | Score
    new_codes: StoredCodes | None = None
    """What the store does not have yet."""


_Batch = list[_Loaded | _Made]


def _reconstructions(plan: Plan, jobs: Sequence[Job], store: Store) -> Iterator[_Made]:
    """Every job once, as soon as its clip went through the codec."""
    for batch in _batches(plan, jobs):
        yield from (item for item in batch if isinstance(item, _Made))
        loaded = [item for item in batch if isinstance(item, _Loaded)]
        if loaded:
            yield from _reconstruct(plan, loaded, store)


def _batches(plan: Plan, jobs: Sequence[Job]) -> Iterator[_Batch]:
    """Clips in groups that pad to one length inside the codec, so that padding changes no code.

    The longest come first: what is left at the end, when workers run dry one by one, is short; and
    a clip that does not fit the memory fails early.
    """
    size = plan.config.batch_size or (1 if plan.device == "cpu" else _GPU_BATCH)
    codec = plan.codec.coder
    if codec is None:
        size = 1
    batch: _Batch = []
    batch_length: int | None = None
    longest_first = sorted(jobs, key=lambda job: -job.clip.duration_s)
    for item in _read_ahead(plan, longest_first, size):
        length = None
        if isinstance(item, _Loaded) and codec is not None:
            length = codec.padded_length(item.source.num_samples)
        if batch and (length is None or length != batch_length):
            yield batch
            batch = []
        batch.append(item)
        batch_length = length
        if length is None or len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _read_ahead(plan: Plan, jobs: Sequence[Job], num_ahead: int) -> Iterator[_Loaded | _Made]:
    """Clips as :func:`_load` gives them; a thread reads the next while the codec has this one."""
    waiting: deque[Future[_Loaded | _Made]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
        try:
            for job in jobs:
                waiting.append(reader.submit(_load, plan, job))
                if len(waiting) > num_ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _load(plan: Plan, job: Job) -> _Loaded | _Made:
    try:
        return _Loaded(job, *plan.read(job.clip))
    except AudioError as error:
        return _Made(job, Score.error(one_line(error)))


def _reconstruct(plan: Plan, loaded: Sequence[_Loaded], store: Store) -> Iterator[_Made]:
    """Clips of one batch; one by one where that fails, so that one bad clip costs itself alone."""
    codec, source = plan.codec.coder, plan.codec.source
    try:
        if codec is not None:
            made = _code(plan, codec, loaded, store)
        else:
            made = [_read(source, item) for item in loaded] if source is not None else []
    except Exception as error:  # noqa: BLE001 - whatever a codec raises becomes the clip's reason
        if len(loaded) == 1:
            yield _Made(loaded[0].job, Score.error(one_line(error)))
            return
        for item in loaded:
            yield from _reconstruct(plan, [item], store)
        return
    yield from made


def _read(source: ReconstructionSource, item: _Loaded) -> _Made:
    return _Made(item.job, _beside(item, source.read(item.job.clip)))


def _code(plan: Plan, codec: Codec, loaded: Sequence[_Loaded], store: Store) -> list[_Made]:
    """Clips through the codec; what the store has codes of is decoded, but not encoded again."""
    seeds = [clip_seed(item.job.clip, plan.config.seed) for item in loaded]
    ids = [item.job.key.id for item in loaded]
    stored = dict(store.codes(ids))
    if len(stored) == len(set(ids)):
        known = [stored[one] for one in ids]
        estimates = codec.decode([one.codes for one in known], seeds)
        return [_coded(*each) for each in zip(loaded, estimates, known, strict=True)]
    sources = [item.source for item in loaded]
    start = time.perf_counter()
    codes = codec.encode(sources)
    encoded = time.perf_counter()
    estimates = codec.decode(codes, seeds)
    decoded = time.perf_counter()
    total_s = sum(source.duration_s for source in sources)
    made = []
    for item, estimate, one in zip(loaded, estimates, codes, strict=True):
        share = item.source.duration_s / total_s
        timing = Timing((encoded - start) * share, (decoded - encoded) * share)
        coded = StoredCodes(one, timing)
        made.append(replace(_coded(item, estimate, coded), new_codes=coded))
    return made


def _coded(item: _Loaded, estimate: Waveform, coded: StoredCodes) -> _Made:
    if not estimate.samples.size:
        raise CodecError("the codec returned no samples")
    outcome = replace(_beside(item, estimate), codes=coded.codes, timing=coded.timing)
    return _Made(item.job, outcome)


def _beside(item: _Loaded, estimate: Waveform) -> Reconstruction:
    if item.reference.num_channels == 1:
        estimate = audio.to_mono(estimate)
    return Reconstruction(item.job.clip, item.reference, estimate)


def _refuse_other_run(store: Store, new: dict[str, Any], config: RunConfig) -> None:
    old = store.snapshot()
    for what in ("codec", "dataset"):
        if old is not None and old[what] != new[what]:
            raise UsageError(
                f"{config.output}: holds a run of {what} '{old[what]}', not '{new[what]}';"
                " choose another --output, or --overwrite"
            )


def _refuse_failures(frames: RunFrames, config: RunConfig) -> None:
    scores = frames.scores
    errors = scores[scores["status"] == "error"]
    failed, total = errors["clip_id"].nunique(), scores["clip_id"].nunique()
    if failed > config.max_error_rate * total:
        raise TooManyFailures(
            f"{failed} of {total} clips failed, more than --max-error-rate"
            f" {config.max_error_rate:g} allows; the first: {errors['reason'].iloc[0]}"
        )
