"""The one loop: dataset -> codec -> metrics -> store.

What is left to do becomes tasks for the engine, which codes and scores clips where it sees fit.
Whatever comes back is stored at once: the codes of a clip with what was scored beside the codec,
and then the scores of its audio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snac_eval.errors import UsageError
from snac_eval.progress import Progress
from snac_eval.run import interrupts
from snac_eval.run.coding import Coded, Coder, CodingTask
from snac_eval.run.corpus import score_together
from snac_eval.run.engines.local import Engine
from snac_eval.run.engines.scorers import Scored
from snac_eval.run.manifest import (
    DETERMINISM,
    TOGETHER,
    describe,
    metric_facts,
    read_manifest,
    stored_scores,
    together_facts,
    write_manifest,
    write_scores,
)
from snac_eval.run.plan import Job, Plan, RunConfig, make_plan
from snac_eval.run.store import Store, StoredCodes
from snac_eval.types import Score


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
        jobs = plan.pending(store.scores(plan.key(clip).id for clip in plan.clips))
        with interrupts.catching(), _engine(plan, jobs) as engine:
            if jobs:
                plan = _prepared(plan, engine)
            started = time.time()
            state = "interrupted"
            known = _known_together(plan, len(jobs))
            repeated = _known_repeat(plan)
            write_manifest(config.output, describe(plan, argv, "running", started, len(jobs)))
            try:
                if jobs:
                    _compute(plan, jobs, store, engine, meanwhile, repeats=not repeated)
                    plan = replace(plan, remarks=engine.remarks)
                state = "finished"
            except KeyboardInterrupt:
                pass
            finally:
                with interrupts.held():
                    manifest = describe(plan, argv, state, started, len(jobs))
                    manifest[DETERMINISM] = repeated or engine.repeated
                    manifest |= known or together_facts(score_together(plan, store))
                    write_scores(config.output, stored_scores(manifest, store))
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


def _prepared(plan: Plan, engine: Engine) -> Plan:
    """The plan with what the codec says of itself, now that it is prepared somewhere."""
    notes = engine.prepare()
    return replace(plan, codec=replace(plan.codec, notes=lambda: notes), remarks=engine.remarks)


def _known_repeat(plan: Plan) -> dict[str, Any]:
    """What the engine found of the same codec in this folder before; empty where it must be found
    anew."""
    old = {} if plan.config.overwrite else read_manifest(plan.config.output)
    codec, found = old.get("codec") or {}, dict(old.get(DETERMINISM) or {})
    here = (plan.codec.fingerprint, plan.codec.device)
    return found if (codec.get("fingerprint"), codec.get("device")) == here else {}


def _engine(plan: Plan, jobs: Sequence[Job]) -> Engine:
    """The engine, its processes starting already where there is anything to do."""
    coder = Coder(plan.config, plan.codec, plan.metrics)
    names = {name for job in jobs for name in job.metrics}
    return Engine(coder, min(plan.config.num_workers, len(jobs)), names)


def _compute(
    plan: Plan,
    jobs: Sequence[Job],
    store: Store,
    engine: Engine,
    meanwhile: Callable[[], None],
    repeats: bool,
) -> None:
    """Put what comes of each job into the store, at once.

    The longest come first: what is left at the end, when workers run dry one by one, is short; and
    a clip that does not fit the memory fails early.
    """
    longest_first = sorted(jobs, key=lambda job: -job.clip.duration_s)
    tasks = (
        CodingTask(number, job, store.get_codes(job.key.id))
        for number, job in enumerate(longest_first)
    )
    with Progress(len(jobs), enabled=plan.config.show_progress) as progress:
        for result in engine.work(tasks, longest_first if repeats else (), meanwhile):
            job = longest_first[result.number]
            codes = result.new_codes if isinstance(result, Coded) else None
            _put(plan, store, job, result.scores, codes)
            if isinstance(result, Scored) or not result.remaining:
                progress.clip_done(job.clip, result.scores)


def _put(
    plan: Plan, store: Store, job: Job, scores: Mapping[str, Score], codes: StoredCodes | None
) -> None:
    by_fingerprint = {plan.fingerprint(name): score for name, score in scores.items()}
    store.put(job.key, by_fingerprint, codes)


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
