"""The one loop: dataset -> codec -> metrics -> store.

What is left to do becomes tasks for the engine, which codes and scores clips where it sees fit.
Whatever comes back is stored at once, a clip's codes with its scores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snac_eval.codecs.checks import length_notes
from snac_eval.errors import SnacEvalError, StoreError, kept_traces, one_line, plain, trace_of
from snac_eval.metrics.opening import open_metric
from snac_eval.progress import Progress
from snac_eval.run import interrupts
from snac_eval.run._database import damaged
from snac_eval.run.batching import with_batches
from snac_eval.run.coding import CodingTask
from snac_eval.run.config import RunConfig
from snac_eval.run.corpus import score_together
from snac_eval.run.engines.base import Engine
from snac_eval.run.engines.opening import Engines
from snac_eval.run.evaluating import Evaluated
from snac_eval.run.folder import only_writer
from snac_eval.run.followers import Followers
from snac_eval.run.identity import refuse_fewer_clips, refuse_other_run
from snac_eval.run.inspections import Inspections
from snac_eval.run.log import RunLog
from snac_eval.run.manifest import (
    DETERMINISM,
    LENGTHS,
    PACE,
    TOGETHER,
    State,
    describe,
    ended,
    same_work,
    stored_tables,
    together_facts,
)
from snac_eval.run.plan import Job, Plan, ScoreKeys, make_plan
from snac_eval.run.rows import PackedCodes, Row
from snac_eval.run.sealed import is_committed, read_manifest, write_manifest, write_scores
from snac_eval.run.store import Store
from snac_eval.types import Domain

# A row that is damaged is made anew; one that will not stay means a file that is.
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A run that has ended: its folder holds ``manifest.json`` and ``scores.parquet``."""

    folder: Path
    plan: Plan
    """With the codec open; who needs it prepared does so."""
    finished: bool
    """False where Ctrl-C ended it; the same configuration continues it."""
    num_computed: int
    """Clips that were computed now and not found in the store."""
    damage: tuple[str, ...] = ()
    """What was found damaged in the store and made anew, for people."""
    is_unchanged: bool = False
    """Whether the folder held this very run already, whole: nothing in it was touched."""
    log_notes: tuple[str, ...] = ()
    """Where tracebacks of what failed now are."""
    callback_notes: tuple[str, ...] = ()
    """What those who follow the run have raised."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know and could not guess."""
        return (*self.plan.notes, *self.damage, *self.log_notes, *self.callback_notes)


def run(
    config: RunConfig, argv: Sequence[str] = (), meanwhile: Callable[[], None] = lambda: None
) -> RunOutcome:
    """Do what is left of the run and write its manifest and its scores.

    ``meanwhile`` is called once while the last clips are being scored. Raises SnacEvalError for
    what the user must mend. Ctrl-C ends the run early; what was scored is kept.
    """
    known = Inspections.of_configs([config])
    plan = with_batches(make_plan(config, known.inspect))
    with Progress(len(plan.clips), config.show_progress) as progress, Engines([plan]) as engines:
        return run_plan(plan, known, engines, progress, argv, meanwhile)


def run_plan(
    plan: Plan,
    known: Inspections,
    engines: Engines,
    progress: Progress,
    argv: Sequence[str] = (),
    meanwhile: Callable[[], None] = lambda: None,
) -> RunOutcome:
    """The same of a run that is planned, with engines and a bar that other runs have too.

    ``known`` is what was found in the clips' files; the bar has counted each clip of the plan.
    """
    config = plan.config
    with only_writer(config.output):
        old = {} if config.overwrite else read_manifest(config.output)
        refuse_other_run(plan, old)
        refuse_fewer_clips(plan, old)
        plan = _keeping(plan, old)
        with Store.create(config.output, config.overwrite) as store:
            store.remember_files(known.new)
            jobs = plan.pending(store.settled(plan.ids))
            progress.begin(_named(plan), len(plan.clips))
            progress.more(len(jobs) - len(plan.clips))
            manifest = describe(plan, argv, time.time())
            if not jobs and _has_ended(config.output, old, manifest):
                plan = _remarked(plan, _lengths(old, manifest))
                return RunOutcome(config.output, plan, True, 0, is_unchanged=True)
            work = _Work(plan, store, manifest, old, engines, progress, meanwhile)
            return work.done_with(jobs)


def _named(plan: Plan) -> str:
    return f"{plan.config.label or plan.label} on {plan.dataset.name}"


def _keeping(plan: Plan, old: Mapping[str, Any]) -> Plan:
    """The plan with the metrics by which the run that ended here scored its clips: a run that asks
    for others adds to them."""
    if old.get("state") != "finished" or "domain_metrics" not in old:
        return plan
    there: Mapping[Domain, Sequence[str]] = old["domain_metrics"]
    gone = sorted({one for names in there.values() for one in names if not _opens(one)})
    known = {
        domain: tuple(one for one in names if one not in gone) for domain, names in there.items()
    }
    kept = plan.with_metrics(known)
    note = f"scored before, but not known here any more: {', '.join(gone)}"
    return replace(kept, remarks=(*kept.remarks, note)) if gone else kept


def _opens(metric: str) -> bool:
    try:
        open_metric(metric)
    except SnacEvalError:
        return False
    return True


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
        engines: Engines,
        progress: Progress,
        meanwhile: Callable[[], None],
    ) -> None:
        self._plan, self._store = plan, store
        self._engines, self._progress = engines, progress
        self._manifest, self._old = manifest, old
        self._meanwhile = meanwhile
        self._num_computed = 0
        self._remarks = plan.remarks
        codec, found = old.get("codec") or {}, dict(old.get(DETERMINISM) or {})
        here = (plan.codec.fingerprint, plan.codec.device)
        same = (codec.get("fingerprint"), codec.get("device")) == here
        self._repeated: dict[str, Any] = found if same else {}
        self._pace: dict[str, Any] = dict(old.get(PACE) or {}) if same else {}
        self._lengths = _lengths(old, manifest)
        self._log = RunLog(plan.config.output, progress.say if plan.config.debug else None)
        if plan.config.overwrite:
            self._log.clear()
        self._followers = Followers(plan, manifest, self._log)

    def done_with(self, jobs: Sequence[Job]) -> RunOutcome:
        """Do these jobs, and those of rows in the store that turn out to be damaged."""
        folder, store = self._plan.config.output, self._store
        for _ in range(_ROUNDS):
            known = None if jobs else _known_together(self._old, self._manifest)
            self._num_computed += len(jobs)
            left, finished = self._round(jobs, known)
            if not left:
                now = (self._num_computed, store.damage)
                said = (self._log.notes, self._followers.notes)
                return RunOutcome(folder, self._plan, finished, *now, False, *said)
            self._progress.more(len(left))
            jobs = left
        raise StoreError(damaged(store.path, f"{store.num_dropped} rows cannot be kept in it"))

    def _round(
        self, jobs: Sequence[Job], known: Mapping[str, Any] | None
    ) -> tuple[list[Job], bool]:
        """Do these jobs and commit the run: what is left to do before that, and whether it came to
        its end."""
        state: State = "interrupted"
        with interrupts.catching(), self._engines.open(self._plan, jobs) as engine:
            if jobs:
                self._prepare(engine)
            write_manifest(self._plan.config.output, self._manifest)
            try:
                if jobs:
                    self._compute(jobs, engine)
                    self._plan = replace(self._plan, remarks=(*self._remarks, *engine.remarks))
                state = "finished"
            except KeyboardInterrupt:
                pass
            finally:
                self._repeated = self._repeated or dict(engine.repeated)
                with interrupts.held():
                    left = self._commit(state, known)
        return left, state == "finished"

    def _prepare(self, engine: Engine) -> None:
        """Have the codec prepared somewhere, and what it raised there kept."""
        try:
            self._plan = _prepared(self._plan, engine)
        except SnacEvalError as error:
            if not (trace := trace_of(error)):
                raise
            self._log.add("preparing the codec", [trace])
            said = f"{one_line(error)}; {'; '.join(self._log.notes)}"
            raise type(plain(error))(said) from error

    def _keep(self, job: Job, one: Evaluated) -> None:
        """What is to be known of a clip and no store has."""
        self._log.add(f"clip {job.clip.id}", one.traces)
        if one.excess is not None:
            self._lengths[job.clip.id] = one.excess

    def _compute(self, jobs: Sequence[Job], engine: Engine) -> None:
        """Put what comes of each job into the store, at once."""
        ordered, num_distinct = _in_order(jobs)
        tasks = (
            CodingTask(number, job, _stored(self._store, job, is_again=number >= num_distinct))
            for number, job in enumerate(ordered)
        )
        keys, start, num_done = ScoreKeys(self._plan), time.monotonic(), 0
        to_repeat = () if self._repeated else ordered
        for batch in engine.work(tasks, to_repeat, self._meanwhile):
            done = [(ordered[one.number], one) for one in batch]
            self._store.put_all([_row(keys, job, one) for job, one in done])
            for job, one in done:
                self._keep(job, one)
                self._progress.clip_done(job.clip, one.scores)
                self._followers.clip_done(job.clip, one.scores)
            self._log.flush()
            num_done += len(done)
        self._pace = {
            "clips": num_done,
            "audio_s": sum(job.clip.duration_s for job in ordered),
            "seconds": time.monotonic() - start,
        }

    def _commit(self, state: State, known: Mapping[str, Any] | None) -> list[Job]:
        """End the run, unless reading it finds that something is to be done again: that."""
        self._log.close()
        plan, store = _remarked(self._plan, self._lengths), self._store
        folder, dropped = plan.config.output, store.num_dropped
        found = known or together_facts(score_together(plan, store))
        self._log.add("all clips together", kept_traces())
        num_rows = write_scores(folder, stored_tables(self._manifest, store))
        is_whole = state != "finished" or store.num_dropped == dropped
        if not is_whole and (left := plan.pending(store.settled(plan.ids))):
            return left
        facts = {**found, DETERMINISM: self._repeated, PACE: self._pace, LENGTHS: self._lengths}
        facts["num_rows"] = num_rows
        whole = ended(self._manifest, plan, state, self._num_computed, facts, store.damage)
        write_manifest(folder, whole)
        self._plan = plan
        return []


def _lengths(old: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, int]:
    """What is known of the decoder's lengths for the clips whose reconstruction is the same."""
    before, now = old.get("clips") or {}, manifest["clips"]
    found = old.get(LENGTHS) or {}
    return {
        clip: found[clip]
        for clip, facts in now.items()
        if clip in found and before.get(clip, {}).get("key") == facts["key"]
    }


def _remarked(plan: Plan, lengths: Mapping[str, int]) -> Plan:
    return replace(plan, remarks=(*plan.remarks, *length_notes(lengths.values())))


def _known_together(
    old: Mapping[str, Any], manifest: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """What the same run found before of all clips together; None where it must be found anew."""
    same = all(old.get(key) == manifest[key] for key in ("run_id", "clips", "metrics"))
    if not same or old.get("state") != "finished":
        return None
    return {key: old[key] for key in TOGETHER}


def _prepared(plan: Plan, engine: Engine) -> Plan:
    """The plan with what the codec says of itself, now that it is prepared somewhere."""
    notes = engine.prepare()
    return replace(
        plan,
        codec=replace(plan.codec, notes=lambda: notes),
        remarks=(*plan.remarks, *engine.remarks),
    )


def _in_order(jobs: Sequence[Job]) -> tuple[list[Job], int]:
    """The order in which jobs are given out, and how many come before those whose audio another
    one of them has.

    The longest come first: what is left at the end, when workers run dry one by one, is short; and
    a clip that does not fit the memory fails early. Audio that was met before comes last, for its
    codes are in the store by then.
    """
    first: dict[str, Job] = {}
    again = []
    for job in sorted(jobs, key=lambda job: -job.clip.duration_s):
        if first.setdefault(job.key.id, job) is not job:
            again.append(job)
    return [*first.values(), *again], len(first)


def _stored(store: Store, job: Job, is_again: bool) -> PackedCodes | None:
    return store.get_packed(job.key.id) if job.has_codes or is_again else None


def _row(keys: ScoreKeys, job: Job, one: Evaluated) -> Row:
    names = keys.of(job.clip)
    return Row(job.key, {names[name]: score for name, score in one.scores.items()}, one.codes)
