"""Where a run's work is done on this machine: in processes that can be stopped, or in this one.

Each core has a worker that takes clips from file to scores. Where the codec computes on a GPU, one
process has it, and each core a process that scores what comes from there; so it is for a handful of
clips, for their codec and their metrics load at the same time then. This process reads and writes
the store, and looks into nothing else. A process that ends, or takes too long, costs the clip it
held an error row.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from multiprocessing.connection import Connection, wait
from socket import socket
from types import TracebackType
from typing import Any

from snac_eval.codecs.wrapping.carried import StaysHere, carried
from snac_eval.errors import SnacEvalError
from snac_eval.run import interrupts
from snac_eval.run.coding import Coder, CodingTask, prepare, repeated
from snac_eval.run.engines.base import Engine, nothing
from snac_eval.run.engines.here import work_here
from snac_eval.run.engines.pool import Came, OnlyHere, Pool
from snac_eval.run.engines.processes import Child, Nursery, StartError
from snac_eval.run.engines.staff import Staff
from snac_eval.run.engines.worker import (
    HalfDone,
    ScoringTask,
    Turn,
    serve_coder,
    serve_scorer,
    serve_worker,
)
from snac_eval.run.evaluating import Evaluated
from snac_eval.run.plan import Job

_ALWAYS = ("snac_eval.run.engines.worker", "soxr")
_LONGEST_WAIT_S = 60.0
_MAX_LOST = 3
_GATHERED_S = 0.05
_MOST_GATHERED = 256


class LocalEngine(Engine):
    """Does the work on this machine.

    ``coder`` has the metrics that will be asked for. ``num_workers`` is how many processes score
    audio; 0: everything is done in this process, as it is where no process can be started.
    ``is_apart`` has the codec in a process to itself. Those of the ``staff`` are taken over and
    given back; without one, every process ends with this.
    """

    def __init__(
        self, coder: Coder, num_workers: int, is_apart: bool = False, staff: Staff | None = None
    ) -> None:
        self._own = coder
        config = coder.config
        if coder.codec.device == "cpu":  # Else every process would import torch to look for a GPU.
            config = replace(config, device="cpu")
        self._why_here = ""
        if num_workers:
            try:
                config = replace(config, instance=carried(config.instance, coder.codec))
            except StaysHere as stays:
                self._why_here = f"the codec {stays}"
        names = tuple(
            name for name, one in coder.metrics.items() if one.is_in_place or not is_apart
        )
        modules = modules_of(coder, is_apart)
        self._is_ours = staff is None
        self._staff = staff or Staff(modules)
        self._turn = Turn(modules, config, names, self._staff.next_turn())
        limit_s, ahead = coder.config.clip_limit_s, 3 * coder.batch_size
        has_audio = any(not one.is_in_place for one in coder.metrics.values())
        num_scorers = num_workers if is_apart and has_audio else 0
        self._scorers = Pool("the scoring process", self._start_scorer, num_scorers, limit_s)
        if is_apart:
            self._workers = Pool(
                "the codec's process", self._start_coder, 1, limit_s, ahead, renews=False
            )
        else:
            self._workers = Pool("the process", self._start_worker, num_workers, limit_s, ahead)
        coders = f"coder on {'cpu' if coder.codec.device == 'cpu' else 'gpu'}"
        self._kinds = {self._workers: coders if is_apart else "worker", self._scorers: "scorer"}
        self._done: list[Evaluated] = []
        self._is_here = not num_workers
        self._num_lost = 0
        self._remarks: tuple[str, ...] = ()
        self._repeated: dict[str, Any] = {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the numbers must know of how the work was done."""
        return (*self._remarks, *self._workers.remarks, *self._scorers.remarks)

    @property
    def repeated(self) -> dict[str, Any]:
        """Whether the codec gave the same answer twice, and to which clip."""
        return self._repeated or self._workers.repeated

    def __enter__(self) -> LocalEngine:
        if self._why_here:
            self._stay_here(self._why_here)
        if not self._is_here:
            try:
                self._start()
            except StartError as error:
                self._stay_here(f"processes cannot be started here ({error})")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not isinstance(error, SnacEvalError):
            self._staff.close()
        elif not self._is_here:
            for pool, work in self._kinds.items():
                self._staff.keep(work, pool.release(self._staff.nursery))
        if self._is_ours:
            self._staff.close()

    def prepare(self) -> tuple[str, ...]:
        """Wait until the codec is prepared; what it says of itself then. Raises SnacEvalError."""
        try:
            if not self._is_here:
                self._staff.nursery.greet()
            while not (self._is_here or self._workers.was_ready):
                self._step(_LONGEST_WAIT_S)
        except OnlyHere as only:
            self._stay_here(f"the codec cannot be opened in a process of its own ({only})")
        except StartError as error:
            self._stay_here(f"processes cannot be started here ({error})")
        return prepare(self._own.codec) if self._is_here else self._workers.notes

    def work(
        self,
        tasks: Iterator[CodingTask],
        to_repeat: Sequence[Job] = (),
        meanwhile: Callable[[], None] = nothing,
    ) -> Iterator[list[Evaluated]]:
        """What came of every task, in lists."""
        self._workers.feed(tasks, to_repeat)
        try:
            while not (self._is_here or self._is_finished):
                if self._workers.is_given and self._scorers.is_given:
                    yield self._taken()
                    meanwhile()
                    meanwhile = nothing
                self._gather()
                yield self._taken()
        except (OnlyHere, StartError) as error:
            self._stay_here(f"processes could not be kept up ({error})")
            prepare(self._own.codec)
        except KeyboardInterrupt:
            yield self._taken()
            raise
        yield self._taken()
        if self._is_here:
            left = chain(self._scorers.take_all(), self._workers.take_all())
            yield from work_here(self._own, left)
            self._repeated = repeated(self._own, to_repeat)
        meanwhile()

    @property
    def _is_finished(self) -> bool:
        return self._workers.is_finished and self._scorers.is_finished

    def _taken(self) -> list[Evaluated]:
        done, self._done = self._done, []
        return done

    def _gather(self) -> None:
        """Wait until something came, and where that did not take long, for a moment what else
        comes: storing several at once is little more work than storing one."""
        start = time.monotonic()
        self._step(_LONGEST_WAIT_S)
        if time.monotonic() - start > _GATHERED_S:
            return
        until = start + 2 * _GATHERED_S
        while self._done and len(self._done) < _MOST_GATHERED and not self._is_finished:
            if (left_s := until - time.monotonic()) <= 0:
                return
            self._step(left_s)

    def _step(self, longest_s: float) -> None:
        """Wait until something comes or is overdue, and take it in."""
        nursery = self._staff.nursery
        pools = [self._scorers, self._workers] if self._scorers.has_room else [self._scorers]
        owners = {one: pool for pool in pools for one in pool.connections}
        sources: list[Connection | socket] = [nursery.control, *owners]
        due = min(pool.deadline for pool in pools)
        heard = wait(sources, min(max(due - time.monotonic(), 0.0), longest_s))
        interrupts.check()
        if nursery.control in heard:
            nursery.hear()
        for connection in heard:
            if isinstance(connection, Connection):
                self._take(owners[connection].receive(connection, nursery))
        for pool in pools:
            self._take(pool.expire(nursery, heard))
        if nursery.is_lost:
            self._start_again()

    def _take(self, results: Iterable[Came]) -> None:
        """Keep what is done; audio that remains to be scored is on its way to the scorers."""
        for task, result in results:
            self._num_lost = 0
            if isinstance(result, HalfDone):
                self._scorers.add(
                    ScoringTask(task.number, task.job, failed=task.failed, coded=result.coded)
                )
            else:
                self._done.append(result)

    def _start_worker(self, nursery: Nursery) -> Child:
        return nursery.start_worker(serve_worker, (self._turn,))

    def _start_coder(self, nursery: Nursery) -> Child:
        return nursery.start_coder(serve_coder, (self._turn,), self._own.codec.device != "cpu")

    def _start_scorer(self, nursery: Nursery) -> Child:
        return nursery.start_worker(serve_scorer, (self._turn,))

    def _start(self) -> None:
        for pool, kind in self._kinds.items():
            hired = self._staff.take(kind, pool.count)
            pool.start(self._staff.nursery, self._turn, hired)

    def _start_again(self) -> None:
        self._num_lost += 1
        self._staff.close()
        if self._num_lost >= _MAX_LOST:
            raise StartError("the process that starts the others was ended, again and again")
        self._start()

    def _stay_here(self, why: str) -> None:
        self._staff.close()
        self._is_here = True
        remark = f"{why}: all is done in one process, without time limits for clips"
        self._remarks = (*self._remarks, remark)
        with suppress(OSError, AttributeError, ValueError):  # Nobody need be there to read it.
            print(f"snac-eval: note: {remark}", file=sys.stderr, flush=True)


def modules_of(coder: Coder, is_apart: bool) -> tuple[str, ...]:
    """What the work of a worker, or of a scorer, imports: the metrics' and the codec's modules, and
    what those load late."""
    audio = [one for one in coder.metrics.values() if not (is_apart and one.is_in_place)]
    codec = () if is_apart else coder.codec.imports
    return tuple(
        dict.fromkeys([*_ALWAYS, *codec, *(name for one in audio for name in one.imports)])
    )
