"""The one loop: dataset -> codec -> metrics -> store.

Read from top to bottom this is the life of a clip. A thread reads it ahead, with clips of its
length if the codec takes several at once; the codec encodes and decodes it in this process; what
needs no audio is scored here, and the rest goes to the engine's workers while the codec takes the
next clips. Whatever comes back is stored at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snac_eval import audio
from snac_eval.codecs.checks import check_codes, check_output
from snac_eval.codecs.repeats import LONGEST_S, repeat
from snac_eval.errors import AudioError, StoreError, one_line
from snac_eval.progress import Progress
from snac_eval.run._database import damaged
from snac_eval.run.corpus import score_together
from snac_eval.run.engines.local import Engine, ScoringTask
from snac_eval.run.folder import only_writer
from snac_eval.run.identity import refuse_other_run
from snac_eval.run.inspections import Inspections
from snac_eval.run.manifest import (
    DETERMINISM,
    TOGETHER,
    State,
    describe,
    ended,
    same_work,
    stored_tables,
    together_facts,
)
from snac_eval.run.plan import Job, Plan, RunConfig, clip_seed, make_plan
from snac_eval.run.scoring import score_in_place
from snac_eval.run.sealed import is_committed, read_manifest, write_manifest, write_scores
from snac_eval.run.store import Store, StoredCodes
from snac_eval.types import Codec, Reconstruction, ReconstructionSource, Score, Timing, Waveform

_GPU_BATCH = 8
# A row that is damaged is made anew; one that will not stay means a file that is.
_ROUNDS = 3
_REPEAT_TRIES = 10


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A run that has ended: its folder holds ``manifest.json`` and ``scores.parquet``."""

    folder: Path
    plan: Plan
    """With the codec as the run left it, open, and prepared where anything was computed."""
    finished: bool
    """False where Ctrl-C ended it; the same configuration continues it."""
    num_computed: int
    """Clips that were computed now and not found in the store."""
    damage: tuple[str, ...] = ()
    """What was found damaged in the store and made anew, for people."""
    is_unchanged: bool = False
    """Whether the folder held this very run already, whole: nothing in it was touched."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know and could not guess."""
        return (*self.plan.notes, *self.damage)


def run(
    config: RunConfig, argv: Sequence[str] = (), meanwhile: Callable[[], None] = lambda: None
) -> RunOutcome:
    """Do what is left of the run and write its manifest and its scores.

    ``meanwhile`` is called once while the last clips are being scored. Raises SnacEvalError for
    what the user must mend. Ctrl-C ends the run early; what was scored is kept.
    """
    known = Inspections({}) if config.overwrite else Inspections.of_run(config.output)
    plan = make_plan(config, known.inspect)
    with only_writer(config.output):
        old = {} if config.overwrite else read_manifest(config.output)
        refuse_other_run(plan, old)
        with Store.create(config.output, config.overwrite) as store:
            store.remember_files(known.new)
            jobs = plan.pending(store.settled(plan.ids))
            manifest = describe(plan, argv, time.time())
            if not jobs and _has_ended(config.output, old, manifest):
                return RunOutcome(config.output, plan, True, 0, is_unchanged=True)
            work = _Work(plan, store, manifest, old, meanwhile)
            return work.done_with(jobs)


def _has_ended(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether what lies here is this very run, whole."""
    return old.get("state") == "finished" and same_work(old, new) and is_committed(folder, old)


class _Work:
    """One call of a run that has something to do, down to its last manifest."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        manifest: Mapping[str, Any],
        old: Mapping[str, Any],
        meanwhile: Callable[[], None],
    ) -> None:
        self._plan, self._store = plan, store
        self._manifest, self._old = manifest, old
        self._meanwhile = meanwhile
        self._num_computed = 0
        codec, found = old.get("codec") or {}, dict(old.get(DETERMINISM) or {})
        here = (plan.codec.fingerprint, plan.codec.device)
        same = (codec.get("fingerprint"), codec.get("device")) == here
        self._repeated: dict[str, Any] = found if same else {}

    def done_with(self, jobs: Sequence[Job]) -> RunOutcome:
        """Do these jobs, and those of rows in the store that turn out to be damaged."""
        folder, store = self._plan.config.output, self._store
        for _ in range(_ROUNDS):
            known = None if jobs else _known_together(self._old, self._manifest)
            self._num_computed += len(jobs)
            left, finished = self._round(jobs, known)
            if not left:
                return RunOutcome(folder, self._plan, finished, self._num_computed, store.damage)
            jobs = left
        raise StoreError(damaged(store.path, f"{store.num_dropped} rows cannot be kept in it"))

    def _round(
        self, jobs: Sequence[Job], known: Mapping[str, Any] | None
    ) -> tuple[list[Job], bool]:
        """Do these jobs and commit the run: what is left to do before that, and whether it came to
        its end."""
        state: State = "interrupted"
        with _engine(self._plan, jobs) as engine:
            if jobs:
                self._plan.codec.prepare()
            write_manifest(self._plan.config.output, self._manifest)
            try:
                if jobs:
                    _compute(self._plan, jobs, self._store, engine, lambda: self._beside(jobs))
                state = "finished"
            except KeyboardInterrupt:
                pass
            finally:
                left = self._commit(state, known)
        return left, state == "finished"

    def _beside(self, jobs: Sequence[Job]) -> None:
        self._meanwhile()
        if not self._repeated:
            self._repeated = _repeat(self._plan, jobs)

    def _commit(self, state: State, known: Mapping[str, Any] | None) -> list[Job]:
        """End the run, unless reading it finds that something is to be done again: that."""
        plan, store = self._plan, self._store
        folder, dropped = plan.config.output, store.num_dropped
        found = known or together_facts(score_together(plan, store))
        num_rows = write_scores(folder, stored_tables(self._manifest, store))
        is_whole = state != "finished" or store.num_dropped == dropped
        if not is_whole and (left := plan.pending(store.settled(plan.ids))):
            return left
        facts = {**found, DETERMINISM: self._repeated, "num_rows": num_rows}
        whole = ended(self._manifest, plan, state, self._num_computed, facts, store.damage)
        write_manifest(folder, whole)
        return []


def _known_together(
    old: Mapping[str, Any], manifest: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """What the same run found before of all clips together; None where it must be found anew."""
    same = all(old.get(key) == manifest[key] for key in ("run_id", "clips", "metrics"))
    if not same or old.get("state") != "finished":
        return None
    return {key: old[key] for key in TOGETHER}


def _repeat(plan: Plan, jobs: Sequence[Job]) -> dict[str, Any]:
    """Whether the codec gives the same answer twice, and to which clip; empty where none of the
    first clips can be read, and where nothing is coded."""
    if (codec := plan.codec.coder) is None:
        return {}
    long_enough = sorted(jobs, key=lambda job: -min(job.clip.duration_s, LONGEST_S))
    for job in long_enough[:_REPEAT_TRIES]:
        try:
            _, source = plan.read(job.clip)
        except AudioError:
            continue
        found = repeat(codec, source, clip_seed(job.clip, plan.config.seed))
        return {"clip": job.clip.id, **found.facts()}
    return {}


def _engine(plan: Plan, jobs: Sequence[Job]) -> Engine:
    """The engine, its workers starting already: they load while the codec does."""
    names = {name for job in jobs for name in job.metrics}
    scored = [name for name, one in plan.metrics.items() if name in names and not one.is_in_place]
    engine = Engine(min(plan.config.num_workers, len(jobs)), scored)
    if scored:
        engine.start()
    return engine


def _compute(
    plan: Plan,
    jobs: Sequence[Job],
    store: Store,
    engine: Engine,
    meanwhile: Callable[[], None],
) -> None:
    waiting = {job.clip.id: job for job in jobs}
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
                engine.submit(ScoringTask(job.clip.id, rest, outcome))
            else:
                finish(job, scores, made.new_codes)
            for scored in engine.finished():
                finish(waiting[scored.key], scored.scores)
        meanwhile()
        for scored in engine.drain():
            finish(waiting[scored.key], scored.scores)


def _score_in_place(plan: Plan, job: Job, made: Reconstruction) -> dict[str, Score]:
    metrics = {name: plan.metrics[name] for name in job.metrics}
    return score_in_place(metrics, made, plan.codec, clip_seed(job.clip, plan.config.seed))


def _put(
    plan: Plan, store: Store, job: Job, scores: Mapping[str, Score], codes: StoredCodes | None
) -> None:
    keys = plan.score_keys(scores, job.clip)
    store.put(job.key, {keys[name]: score for name, score in scores.items()}, codes)


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
    size = plan.config.batch_size or (1 if plan.codec.device == "cpu" else _GPU_BATCH)
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
    estimate = source.read(item.job.clip)
    check_output(item.reference, estimate, "the codec behind the file")
    return _Made(item.job, _beside(item, estimate))


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
    for one, source in zip(codes, sources, strict=True):
        check_codes(codec.card, one, source.num_samples)
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
    check_output(item.source, estimate)
    outcome = replace(_beside(item, estimate), codes=coded.codes, timing=coded.timing)
    return _Made(item.job, outcome)


def _beside(item: _Loaded, estimate: Waveform) -> Reconstruction:
    if item.reference.num_channels == 1:
        estimate = audio.to_mono(estimate)
    return Reconstruction(item.job.clip, item.reference, estimate)
