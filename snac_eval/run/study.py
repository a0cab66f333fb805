"""Several codecs over several datasets: planned together, then run one after the other.

All pairs share what is costly: a dataset is looked at once, its clips are read and resampled once
where memory allows, and the processes that one run started do the next one's work. Each pair is a
run of its own, in its own folder. One that fails is remembered with its reason, and the others go
on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from snac_eval.errors import SnacEvalError, UnknownNameError, one_line
from snac_eval.progress import Progress
from snac_eval.run.batching import with_batches
from snac_eval.run.config import RunConfig
from snac_eval.run.engines.opening import Engines
from snac_eval.run.heard import num_bytes, room_for
from snac_eval.run.inspections import Inspections
from snac_eval.run.loop import RunOutcome, run_plan
from snac_eval.run.plan import Job, Plan, make_plan, open_clips
from snac_eval.run.rows import Settled
from snac_eval.run.store import FILE_NAME, Store
from snac_eval.types import Dataset

_T = TypeVar("_T")
_CHOICE = (
    *("dataset", "data_root", "card_dirs", "limit", "excerpt_s", "balance", "sample_seed"),
    *("max_duration_s", "domain"),
)
"""The options on which it depends which clips a run takes."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A codec and a dataset of a study, planned."""

    config: RunConfig
    known: Inspections
    plan: Plan | None = None
    problem: str = ""
    """Why there is no plan; empty where there is one."""

    def jobs(self) -> list[Job]:
        """What is left to do. Raises StoreError where the run's store cannot be read."""
        if self.plan is None:
            return []
        folder, nothing = self.config.output, Settled(frozenset(), False)
        if self.config.overwrite or not (folder / FILE_NAME).is_file():
            return self.plan.pending([nothing] * len(self.plan.ids))
        with Store.open_run(folder) as store:
            return self.plan.pending(store.settled(self.plan.ids))


Ended = Callable[[Pair, RunOutcome | SnacEvalError], None]
"""Is told how each pair ended, as soon as it has."""


def plan_study(configs: Sequence[RunConfig]) -> list[Pair]:
    """Open every codec and look at every dataset once, in an order that keeps datasets together.

    Raises UnknownNameError for a name that is none: before anything runs, for it is a slip of the
    pen. What else keeps a pair from being planned is its own problem.
    """
    by_choice: dict[object, list[RunConfig]] = {}
    for config in configs:
        by_choice.setdefault(_choice(config), []).append(config)
    pairs = []
    for several in by_choice.values():
        known = Inspections.of_configs(several)
        dataset = _tried(lambda: open_clips(several[0], known.inspect))  # noqa: B023 - called now
        pairs += [_pair(config, known, dataset) for config in several]
    return pairs


def run_study(pairs: Sequence[Pair], argv: Sequence[str], ended: Ended) -> bool:
    """Do what is left of each pair. False: a signal ended it; the next call goes on."""
    for pair in pairs:
        if pair.plan is None:
            ended(pair, SnacEvalError(pair.problem))
    plans = [pair.plan for pair in pairs if pair.plan is not None]
    total = sum(len(plan.clips) for plan in plans)
    is_shown = any(plan.config.show_progress for plan in plans)
    with Progress(total, is_shown, len(plans)) as progress, Engines(plans) as engines:
        for pair, plan in _heard_together(pairs):
            known, each = pair.known, plan
            outcome = _tried(lambda: run_plan(each, known, engines, progress, argv))  # noqa: B023
            progress.end()
            ended(pair, outcome)
            if not (isinstance(outcome, SnacEvalError) or outcome.finished):
                return False
    return True


def _choice(config: RunConfig) -> tuple[object, ...]:
    return tuple(getattr(config, name) for name in _CHOICE)


def _pair(config: RunConfig, known: Inspections, dataset: Dataset | SnacEvalError) -> Pair:
    if isinstance(dataset, SnacEvalError):
        return Pair(config, known, problem=one_line(dataset))
    plan = _tried(lambda: with_batches(make_plan(config, dataset=dataset)))
    if isinstance(plan, SnacEvalError):
        return Pair(config, known, problem=one_line(plan))
    return Pair(config, known, plan)


def _tried(make: Callable[[], _T]) -> _T | SnacEvalError:
    try:
        return make()
    except UnknownNameError:
        raise
    except SnacEvalError as error:
        return error
    except Exception as error:  # noqa: BLE001 - what a plugin raises is its pair's problem
        return SnacEvalError(f"internal error: {one_line(error)}")


def _heard_together(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Plan]]:
    """The pairs with their plans; those of one dataset share a folder for what they hear."""
    for _, group in groupby(pairs, key=lambda pair: _choice(pair.config)):
        several = [(pair, pair.plan) for pair in group if pair.plan is not None]
        with ExitStack() as stack:
            folder = stack.enter_context(room_for(_heard_bytes([plan for _, plan in several])))
            for pair, plan in several:
                yield pair, _hearing(plan, folder)


def _heard_bytes(plans: Sequence[Plan]) -> int:
    """What the clips of one dataset take as these codecs hear them; 0 where only one does."""
    if len(plans) < 2:
        return 0
    rates = {(0, min(plan.codec.card.channels, 1)) for plan in plans}
    rates |= {(plan.codec.card.sample_rate, plan.codec.card.channels) for plan in plans}
    return num_bytes(plans[0].clips, rates)


def _hearing(plan: Plan, folder: Path | None) -> Plan:
    if plan.config.engine != "local":
        return plan
    return replace(plan, config=replace(plan.config, heard=folder))
