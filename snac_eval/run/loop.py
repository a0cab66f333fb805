"""The one loop: dataset -> codec -> metrics -> store.

The codec works in this process, clip after clip (or batch after batch); each reconstruction goes
to the engine's workers while the codec takes the next; whatever comes back is stored at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snac_eval import audio
from snac_eval.errors import AudioError, CodecError, SnacEvalError, UsageError
from snac_eval.progress import Progress
from snac_eval.run.corpus import score_together
from snac_eval.run.engines.local import Engine, ScoredClip, ScoringTask
from snac_eval.run.manifest import (
    TOGETHER,
    describe,
    metric_facts,
    read_manifest,
    together_facts,
    write_manifest,
    write_scores,
)
from snac_eval.run.plan import Job, Plan, RunConfig, clip_seed, make_plan
from snac_eval.run.store import Store, StoredCodes
from snac_eval.types import (
    Codec,
    Codes,
    Reconstruction,
    ReconstructionSource,
    Score,
    Timing,
    Waveform,
)

_GPU_BATCH = 8


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


def run(
    config: RunConfig, argv: Sequence[str] = (), meanwhile: Callable[[], None] = lambda: None
) -> RunOutcome:
    """Do what is left of the run and write its manifest and its scores.

    ``meanwhile`` is called once while the last clips are being scored. Raises SnacEvalError for
    what the user must mend. Ctrl-C ends the run early; what was scored is kept.
    """
    plan = make_plan(config)
    with Store.create(config.output, config.overwrite) as store:
        _refuse_other_run(plan)
        jobs = plan.pending(store.scores(plan.key(clip) for clip in plan.clips))
        with _engine(plan, jobs) as engine:
            if jobs:
                plan.codec.prepare()
            started = time.time()
            state = "interrupted"
            known = _known_together(plan, len(jobs))
            write_manifest(config.output, describe(plan, argv, "running", started, len(jobs)))
            try:
                if jobs:
                    _compute(plan, jobs, store, engine, meanwhile)
                state = "finished"
            except KeyboardInterrupt:
                pass
            finally:
                manifest = describe(plan, argv, state, started, len(jobs))
                manifest |= known or together_facts(score_together(plan, store))
                write_scores(config.output, manifest, store)
                write_manifest(config.output, manifest)
    return RunOutcome(config.output, plan, state == "finished", len(jobs))


def _known_together(plan: Plan, num_jobs: int) -> dict[str, Any] | None:
    """What the same run found before of all clips together; None where it must be found anew."""
    old = read_manifest(plan.config.output)
    new = {name: metric_facts(plan.info(name)) for name in plan.metrics}
    same = old.get("run_id") == plan.run_id and old.get("metrics") == new
    if num_jobs or not same or old.get("state") != "finished":
        return None
    return {key: old[key] for key in TOGETHER}


def _engine(plan: Plan, jobs: Sequence[Job]) -> Engine:
    """The engine, its workers starting already: they load while the codec does."""
    names = {name for job in jobs for name in job.metrics}
    scored = [name for name in plan.metrics if name in names and not _is_in_place(plan, name)]
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
    by_key = {job.key: job for job in jobs}
    with Progress(len(jobs), enabled=plan.config.show_progress) as progress:

        def put(key: str, scores: dict[str, Score]) -> None:
            store.put_scores(key, {plan.fingerprint(name): one for name, one in scores.items()})

        def keep(scored: ScoredClip) -> None:
            put(scored.key, scored.scores)
            progress.clip_done(by_key[scored.key].clip, scored.scores)

        for batch in _batches(plan, jobs):
            for job, outcome in _reconstruct(plan, batch, store):
                if isinstance(outcome, Score):
                    keep(ScoredClip(job.key, dict.fromkeys(job.metrics, outcome)))
                    continue
                in_place = _score_in_place(plan, job, outcome)
                rest = tuple(name for name in job.metrics if name not in in_place)
                if rest:
                    put(job.key, in_place)
                    engine.submit(ScoringTask(job.key, rest, outcome))
                else:
                    keep(ScoredClip(job.key, in_place))
            for scored in engine.finished():
                keep(scored)
        meanwhile()
        for scored in engine.drain():
            keep(scored)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A job with its clip in memory: ``reference`` as scored, ``source`` as the codec takes it."""

    job: Job
    reference: Waveform
    source: Waveform


_Batch = list[_Loaded | tuple[Job, Score]]


def _batches(plan: Plan, jobs: Sequence[Job]) -> Iterator[_Batch]:
    """Clips in groups that pad to one length inside the codec, so that padding changes no code.

    The longest come first: what is left at the end, when workers run dry one by one, is short; and
    a clip that does not fit the memory fails early.
    """
    size = plan.config.batch_size or (1 if plan.device == "cpu" else _GPU_BATCH)
    codec = plan.codec
    if isinstance(codec, ReconstructionSource):
        size = 1
    batch: _Batch = []
    batch_length: int | None = None
    longest_first = sorted(jobs, key=lambda job: -job.clip.duration_s)
    for item in _read_ahead(plan, longest_first, size):
        length = None
        if isinstance(item, _Loaded) and not isinstance(codec, ReconstructionSource):
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


def _read_ahead(
    plan: Plan, jobs: Sequence[Job], num_ahead: int
) -> Iterator[_Loaded | tuple[Job, Score]]:
    """Clips as :func:`_load` gives them; a thread reads the next while the codec has this one."""
    waiting: deque[Future[_Loaded | tuple[Job, Score]]] = deque()
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


def _load(plan: Plan, job: Job) -> _Loaded | tuple[Job, Score]:
    try:
        return _Loaded(job, *plan.read(job.clip))
    except AudioError as error:
        return job, Score.error(str(error))


def _reconstruct(
    plan: Plan, batch: _Batch, store: Store
) -> Iterator[tuple[Job, Reconstruction | Score]]:
    loaded = [item for item in batch if isinstance(item, _Loaded)]
    yield from (item for item in batch if isinstance(item, tuple))
    if not loaded:
        return
    try:
        if isinstance(plan.codec, ReconstructionSource):
            made = [_read_estimate(plan.codec, item) for item in loaded]
        else:
            made = _code(plan, plan.codec, loaded, store)
    except Exception as error:  # noqa: BLE001 - whatever a codec raises becomes the clip's reason
        if len(loaded) > 1:
            for item in loaded:
                yield from _reconstruct(plan, [item], store)
            return
        yield loaded[0].job, Score.error(_reason(error))
        return
    for item, (estimate, codes, timing) in zip(loaded, made, strict=True):
        if item.reference.num_channels == 1:
            estimate = audio.to_mono(estimate)
        yield item.job, Reconstruction(item.job.clip, item.reference, estimate, codes, timing)


_Made = tuple[Waveform, Codes | None, Timing]


def _code(plan: Plan, codec: Codec, loaded: Sequence[_Loaded], store: Store) -> list[_Made]:
    """Codes from the store where they are, else from the codec; then decode them."""
    seeds = [clip_seed(item.job.clip, plan.config.seed) for item in loaded]
    stored = [store.get_codes(item.job.key) for item in loaded]
    known = [one for one in stored if one is not None]
    if len(known) == len(loaded):
        codes = [one.codes for one in known]
        return [
            (_checked(estimate), one.codes, one.timing)
            for estimate, one in zip(codec.decode(codes, seeds), known, strict=True)
        ]
    sources = [item.source for item in loaded]
    start = time.perf_counter()
    codes = codec.encode(sources)
    encoded = time.perf_counter()
    estimates = codec.decode(codes, seeds)
    decoded = time.perf_counter()
    total_s = sum(source.duration_s for source in sources)
    made = []
    for item, code, estimate in zip(loaded, codes, estimates, strict=True):
        share = item.source.duration_s / total_s
        timing = Timing((encoded - start) * share, (decoded - encoded) * share)
        made.append((_checked(estimate), code, timing))
    for item, (_, code, timing) in zip(loaded, made, strict=True):
        store.put_codes(item.job.key, StoredCodes(code, timing))
    return list(made)


def _read_estimate(source: ReconstructionSource, item: _Loaded) -> _Made:
    return source.read(item.job.clip), None, Timing()


def _checked(estimate: Waveform) -> Waveform:
    if not estimate.samples.size:
        raise CodecError("the codec returned no samples")
    return estimate


def _score_in_place(plan: Plan, job: Job, made: Reconstruction) -> dict[str, Score]:
    """Scores that need the codec or what is known here anyway, such as timings, but no audio."""
    scores = {}
    for name in job.metrics:
        metric = plan.metrics[name]
        if (score_codes := getattr(metric, "score_codes", None)) is not None:
            duration_s = made.reference.duration_s
            scores[name] = score_codes(made.codes, plan.codec.card, made.timing, duration_s)
        elif (score_codec := getattr(metric, "score_codec", None)) is not None:
            scores[name] = _score_codec(plan, job, made.codes, score_codec)
    return scores


def _is_in_place(plan: Plan, name: str) -> bool:
    metric = plan.metrics[name]
    return hasattr(metric, "score_codes") or hasattr(metric, "score_codec")


def _score_codec(
    plan: Plan, job: Job, codes: Codes | None, score_codec: Callable[[Codec, Codes, int], Score]
) -> Score:
    if codes is None or isinstance(plan.codec, ReconstructionSource):
        return Score.undefined("reconstructions that were read from files cannot be encoded again")
    try:
        return score_codec(plan.codec, codes, clip_seed(job.clip, plan.config.seed))
    except Exception as error:  # noqa: BLE001 - whatever a codec raises becomes the score's reason
        return Score.error(_reason(error))


def _refuse_other_run(plan: Plan) -> None:
    """A folder holds one codec on one dataset; a damaged manifest says nothing of either."""
    folder, old = plan.config.output, read_manifest(plan.config.output)
    new = {"codec": plan.label, "dataset": plan.dataset.name}
    dataset = old.get("dataset")
    there = {"codec": old.get("label"), "dataset": dataset and dataset.get("name")}
    for what, name in new.items():
        if not plan.config.overwrite and there[what] not in (None, name):
            raise UsageError(
                f"{folder}: holds a run of {what} '{there[what]}', not '{name}';"
                " choose another --output, or --overwrite"
            )


def _reason(error: Exception) -> str:
    if isinstance(error, SnacEvalError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
