"""Where a run's work is done on this machine: in processes that can be stopped, or in this one.

One process has the codec, and one of each core scores the audio that comes from it, so that both go
on at once. This process reads and writes the store, and passes reconstructions from the one to the
others as bytes that it does not look into. A process that ends, or takes too long, costs the clip
it held an error row.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from socket import socket
from types import TracebackType
from typing import Any

from snac_eval.metrics.opening import OpenMetric
from snac_eval.run import interrupts
from snac_eval.run.coding import Coded, Coder, CodingTask, prepare, repeated
from snac_eval.run.engines.base import Engine, nothing
from snac_eval.run.engines.coder import CoderProcess, OnlyHere
from snac_eval.run.engines.here import score_here, work_here
from snac_eval.run.engines.processes import Nursery, StartError
from snac_eval.run.engines.scorers import Scored, Scorers, ScoringTask
from snac_eval.run.evaluating import Evaluated, packed
from snac_eval.run.plan import Job

_ALWAYS = ("snac_eval.run.engines.worker", "soxr")
_LONGEST_WAIT_S = 60.0
_MAX_LOST = 3


class LocalEngine(Engine):
    """Does the work on this machine.

    ``coder`` has the metrics that will be asked for. ``num_workers`` is how many processes score
    audio; 0: everything is done in this process, as it is where no process can be started.
    """

    def __init__(self, coder: Coder, num_workers: int) -> None:
        self._own = coder
        asked = coder.metrics
        audio = [one for one in asked.values() if not one.is_in_place]
        self._modules = _modules(audio)
        self._coder = CoderProcess(
            coder.config, [name for name, one in asked.items() if one.is_in_place]
        )
        self._scorers = Scorers(num_workers if audio else 0, self._modules)
        self._limits_s: dict[int, float] = {}
        self._nursery: Nursery | None = None
        self._is_here = not num_workers
        self._num_lost = 0
        self._remarks: tuple[str, ...] = ()
        self._coded: dict[int, Coded] = {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the numbers must know of how the work was done."""
        return self._remarks

    def __enter__(self) -> LocalEngine:
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
        self._close()

    def prepare(self) -> tuple[str, ...]:
        """Wait until the codec is prepared; what it says of itself then. Raises SnacEvalError."""
        try:
            if self._nursery is not None:
                self._nursery.greet()
            while not (self._is_here or self._coder.is_ready):
                for _ in self._step(hears_coder=True):
                    pass
        except OnlyHere as only:
            self._stay_here(f"the codec cannot be opened in a process of its own ({only})")
        except StartError as error:
            self._stay_here(f"processes cannot be started here ({error})")
        return prepare(self._own.codec) if self._is_here else self._coder.notes

    def work(
        self,
        tasks: Iterator[CodingTask],
        to_repeat: Sequence[Job] = (),
        meanwhile: Callable[[], None] = nothing,
    ) -> Iterator[list[Evaluated]]:
        """What came of every task."""
        self._coder.feed(self._noted(tasks), to_repeat)
        try:
            while not (self._is_here or (self._coder.is_finished and self._scorers.is_idle)):
                if self._coder.is_finished and not self._scorers.is_waiting:
                    meanwhile()
                    meanwhile = nothing
                hears_coder = self._scorers.has_room and not self._coder.is_finished
                for result in self._step(hears_coder):
                    yield from self._together(result)
        except (OnlyHere, StartError) as error:
            self._stay_here(f"processes could not be kept up ({error})")
            prepare(self._own.codec)
        if self._is_here:
            for one in self._scorers.take_all():
                yield from self._together(score_here(self._own.metrics, one))
            yield from work_here(self._own, self._coder.take_all())
            self._coder.repeated = repeated(self._own, to_repeat)
        meanwhile()

    def _together(self, result: Coded | Scored) -> Iterator[list[Evaluated]]:
        if isinstance(result, Coded):
            if result.remaining:
                self._coded[result.number] = result
            else:
                yield [Evaluated(result.number, result.scores, packed(result))]
        else:
            coded = self._coded.pop(result.number)
            scores = {**coded.scores, **result.scores}
            yield [Evaluated(result.number, scores, packed(coded))]

    @property
    def repeated(self) -> dict[str, Any]:
        """Whether the codec gave the same answer twice, and to which clip; empty where no clip was
        to be repeated, or none could be."""
        return self._coder.repeated

    def _noted(self, tasks: Iterator[CodingTask]) -> Iterator[CodingTask]:
        """The tasks; how long each may take to be scored is kept until it is coded."""
        for task in tasks:
            limit_s = self._own.config.clip_limit_s(task.job.clip.duration_s)
            self._limits_s[task.number] = limit_s
            yield task

    def _step(self, hears_coder: bool) -> Iterator[Coded | Scored]:
        """Wait until something comes or is overdue, and take it in."""
        nursery = self._nursery
        assert nursery is not None
        self._scorers.dispatch()
        coder = self._coder.child.connection
        sources: list[Connection | socket] = [nursery.control, *self._scorers.connections]
        if hears_coder:
            sources.append(coder)
        due = min(self._scorers.deadline, self._coder.deadline if hears_coder else math.inf)
        heard = wait(sources, min(max(due - time.monotonic(), 0.0), _LONGEST_WAIT_S))
        interrupts.check()
        if nursery.control in heard:
            nursery.hear()
        for connection in heard:
            if connection is coder:
                yield from self._passed_on(self._coder.receive(nursery))
            elif isinstance(connection, Connection):
                yield from self._scorers.receive(connection, nursery)
        yield from self._scorers.expire(nursery, heard)
        if hears_coder and coder not in heard:
            yield from self._passed_on(self._coder.expire(nursery))
        if nursery.is_lost:
            self._start_again()

    def _passed_on(self, results: Iterator[tuple[Coded, bytes]]) -> Iterator[Coded]:
        """What was coded; audio that remains to be scored is on its way to the scorers."""
        for coded, audio in results:
            self._num_lost = 0
            yield coded
            limit_s = self._limits_s.pop(coded.number)
            if coded.remaining:
                left = list(coded.remaining)
                self._scorers.add(ScoringTask(coded.number, left, audio, limit_s))

    def _start(self) -> None:
        self._nursery = Nursery(self._modules)
        self._coder.start(self._nursery)
        self._scorers.start(self._nursery)

    def _start_again(self) -> None:
        self._num_lost += 1
        self._close()
        if self._num_lost >= _MAX_LOST:
            raise StartError("the process that starts the others was ended, again and again")
        self._start()

    def _close(self) -> None:
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None

    def _stay_here(self, why: str) -> None:
        self._close()
        self._is_here = True
        remark = f"{why}: all is done in one process, without time limits for clips"
        self._remarks = (*self._remarks, remark)
        with suppress(OSError, AttributeError, ValueError):  # Nobody need be there to read it.
            print(f"snac-eval: note: {remark}", file=sys.stderr, flush=True)


def _modules(metrics: Iterable[OpenMetric]) -> tuple[str, ...]:
    """What scoring by these metrics imports: their own modules, and what those load late."""
    return tuple(dict.fromkeys([*_ALWAYS, *(name for one in metrics for name in one.imports)]))
