"""What the processes of a run do, and what they and their parent say to each other.

A worker takes clips from file to scores. Where the codec computes on a GPU, one process codes and
others score what it made.
"""

from __future__ import annotations

import gc
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from snac_eval.errors import SnacEvalError, keep_trace, one_line, portable
from snac_eval.metrics.opening import open_metric
from snac_eval.run import coding
from snac_eval.run.coding import AHEAD, PASSING, REPEATING, Coded, Coder, CodingTask
from snac_eval.run.config import RunConfig
from snac_eval.run.engines.nursery import load
from snac_eval.run.engines.page import Page
from snac_eval.run.evaluating import Evaluated, evaluate, evaluated, opened
from snac_eval.run.plan import Job


@dataclass(frozen=True, slots=True)
class Unopened:
    """The codec cannot even be opened in another process."""

    reason: str
    turn: int = 0
    """The number of the turn of which this is told."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The codec is open and is now prepared."""

    turn: int = 0
    """The number of the turn of which this is told."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The codec cannot be prepared, in whatever process."""

    error: SnacEvalError
    turn: int = 0
    """The number of the turn of which this is told."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The process takes tasks."""

    notes: tuple[str, ...] = ()
    """What the codec says of itself now that it is prepared."""
    turn: int = 0
    """The number of the turn of which this is told."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Nothing was there to be received; the process waits for the next."""

    num_received: int
    """Where more was sent already, this is of before."""


@dataclass(frozen=True, slots=True)
class Turn:
    """From now on, do the work of this run; what was done before is let go."""

    modules: tuple[str, ...]
    """What it imports."""
    config: RunConfig
    names: tuple[str, ...]
    """Of the metrics that the process is to score by."""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Repeat:
    """When all that was received is done, code one of these clips twice."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """What came of coding a clip twice."""

    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HalfDone:
    """A clip that was coded and whose audio is yet to be scored."""

    number: int
    coded: bytes
    """A :class:`Coded`, pickled: whoever passes it on does not look into it."""


@dataclass(frozen=True, slots=True)
class ScoringTask(CodingTask):
    """A job whose clip was coded."""

    coded: bytes = b""
    """As in :class:`HalfDone`."""


Work = Callable[[Coder, Iterator[CodingTask], coding.Watch], Iterator[Evaluated | Coded]]


def serve_worker(connection: Connection, page: Page, turn: Turn) -> None:
    """Take clips from file to scores, as long as the parent is there."""
    _serve(connection, page, turn, evaluate)


def serve_coder(connection: Connection, page: Page, turn: Turn) -> None:
    """Code clips and score them by these metrics, which need the codec or codes."""
    _serve(connection, page, turn, _half)


def serve_scorer(connection: Connection, page: Page, turn: Turn) -> None:
    """Score the audio of clips that were coded."""
    inbox = _Inbox(connection, page)
    while True:
        load(turn.modules)
        connection.send(Ready(turn=turn.number))
        while inbox.turn is None:
            for task in inbox.tasks():
                page.note(PASSING, [task.number])
                connection.send(_scored(task, page))
        turn = inbox.take_turn()


def _serve(connection: Connection, page: Page, turn: Turn, work: Work) -> None:
    inbox = _Inbox(connection, page)
    while (coder := _prepared(connection, turn)) is not None:
        _work_off(connection, page, inbox, coder, work)
        turn = inbox.take_turn()
        # Before the next model is loaded: two at once need not fit.
        del coder
        _let_go()


def _prepared(connection: Connection, turn: Turn) -> Coder | None:
    """The codec of a turn, ready; None where it cannot be, of which the parent is told."""
    load(turn.modules)
    try:
        coder = opened(turn.config, turn.names)
    except BaseException as error:  # noqa: BLE001 - the parent, which could open it, goes on itself
        connection.send(Unopened(one_line(error), turn.number))
        return None
    connection.send(Opened(turn.number))
    try:
        ready = Ready(coding.prepare(coder.codec), turn.number)
    except SnacEvalError as error:
        connection.send(Refused(portable(error), turn.number))
        return None
    connection.send(ready)
    return coder


def _work_off(connection: Connection, page: Page, inbox: _Inbox, coder: Coder, work: Work) -> None:
    """Do what the parent sends, until that is another turn."""
    hand: dict[int, CodingTask] = {}
    while inbox.turn is None:
        for done in work(coder, _kept(inbox.tasks(), hand), partial(_note, page)):
            _send(connection, done, hand.pop(done.number))
        if jobs := inbox.take_repeat():
            page.note(REPEATING, ())
            connection.send(Repeated(coding.repeated(coder, jobs)))


def _let_go() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _note(page: Page, what: str, numbers: Sequence[int]) -> None:
    page.note(what, numbers, int(what == AHEAD))


class _Inbox:
    """What the parent sends."""

    def __init__(self, connection: Connection, page: Page) -> None:
        self._connection, self._page = connection, page
        self._num_received = 0
        self._repeat: tuple[Job, ...] = ()
        self.turn: Turn | None = None
        """The next one, where it came."""

    def tasks(self) -> Iterator[Any]:
        """Tasks, until the parent has those finished that there are."""
        while True:
            if not self._connection.poll():
                self._page.clear()
                self._connection.send(Wanted(self._num_received))
            message: CodingTask | Repeat | Turn | None = self._connection.recv()
            self._num_received += 1
            if isinstance(message, Repeat):
                self._repeat = message.jobs
            if isinstance(message, Turn):
                self.turn = message
            if message is None or isinstance(message, Repeat | Turn):
                return
            yield message

    def take_turn(self) -> Turn:
        """The next one, which came."""
        turn, self.turn = self.turn, None
        assert turn is not None
        return turn

    def take_repeat(self) -> tuple[Job, ...]:
        """The clips one of which is to be coded twice, if they came."""
        jobs, self._repeat = self._repeat, ()
        return jobs


def _kept(tasks: Iterator[CodingTask], hand: dict[int, CodingTask]) -> Iterator[CodingTask]:
    for task in tasks:
        hand[task.number] = task
        yield task


def _half(
    coder: Coder, tasks: Iterator[CodingTask], watch: coding.Watch
) -> Iterator[Evaluated | Coded]:
    for coded in coding.code(coder, tasks, watch):
        yield coded if coded.remaining else evaluated(coder.metrics, coded, watch)


def _send(connection: Connection, done: Evaluated | Coded, task: CodingTask) -> None:
    try:
        said = done if isinstance(done, Evaluated) else HalfDone(done.number, _pickled(done))
        data = _pickled(said)
    except Exception as error:  # noqa: BLE001 - what a plugin made need not be picklable
        keep_trace(error)
        reason = f"the result cannot leave the process: {one_line(error)}"
        data = _pickled(_failed(task, reason))
    connection.send_bytes(data)


def _pickled(message: object) -> bytes:
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def _scored(task: ScoringTask, page: Page) -> Evaluated:
    try:
        coded: Coded = pickle.loads(task.coded)
        left = tuple(name for name in coded.remaining if name not in task.failed)
        coded = replace(coded, scores={**coded.scores, **task.failed}, remaining=left)
        metrics = {name: open_metric(name) for name in left}
        return evaluated(metrics, coded, page.note)
    except Exception as error:  # noqa: BLE001 - memory that is not there, a metric that is gone
        keep_trace(error)
        return _failed(task, one_line(error))


def _failed(task: CodingTask, reason: str) -> Evaluated:
    failure = coding.failure(task, reason)
    return Evaluated(task.number, failure.scores, traces=failure.traces)
