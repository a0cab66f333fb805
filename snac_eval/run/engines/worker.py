"""What the processes of a run do, and what they and their parent say to each other.

A worker takes clips from file to scores. Where the codec computes on a GPU, one process codes and
others score what it made.
"""

from __future__ import annotations

import pickle
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


@dataclass(frozen=True, slots=True)
class Opened:
    """The codec is open and is now prepared."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The codec cannot be prepared, in whatever process."""

    error: SnacEvalError


@dataclass(frozen=True, slots=True)
class Ready:
    """The process takes tasks."""

    notes: tuple[str, ...] = ()
    """What the codec says of itself now that it is prepared."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Nothing was there to be received; the process waits for the next."""

    num_received: int
    """Where more was sent already, this is of before."""


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


def serve_worker(
    connection: Connection,
    page: Page,
    modules: Sequence[str],
    config: RunConfig,
    names: Sequence[str],
) -> None:
    """Take clips from file to scores by these metrics, as long as the parent is there."""
    load(modules)
    _serve(connection, page, config, names, evaluate)


def serve_coder(
    connection: Connection, page: Page, config: RunConfig, names: Sequence[str]
) -> None:
    """Code clips and score them by these metrics, which need the codec or codes."""
    _serve(connection, page, config, names, _half)


def serve_scorer(connection: Connection, page: Page, modules: Sequence[str]) -> None:
    """Score the audio of clips that were coded."""
    load(modules)
    connection.send(Ready())
    inbox = _Inbox(connection, page)
    while True:
        for task in inbox.tasks():
            page.note(PASSING, [task.number])
            connection.send(_scored(task, page))


def _serve(
    connection: Connection, page: Page, config: RunConfig, names: Sequence[str], work: Work
) -> None:
    try:
        coder = opened(config, names)
    except BaseException as error:  # noqa: BLE001 - the parent, which could open it, goes on itself
        connection.send(Unopened(one_line(error)))
        return
    connection.send(Opened())
    try:
        ready = Ready(coding.prepare(coder.codec))
    except SnacEvalError as error:
        connection.send(Refused(portable(error)))
        return
    connection.send(ready)
    inbox = _Inbox(connection, page)
    hand: dict[int, CodingTask] = {}
    while True:
        for done in work(coder, _kept(inbox.tasks(), hand), partial(_note, page)):
            _send(connection, done, hand.pop(done.number))
        if jobs := inbox.take_repeat():
            page.note(REPEATING, ())
            connection.send(Repeated(coding.repeated(coder, jobs)))


def _note(page: Page, what: str, numbers: Sequence[int]) -> None:
    page.note(what, numbers, int(what == AHEAD))


class _Inbox:
    """What the parent sends."""

    def __init__(self, connection: Connection, page: Page) -> None:
        self._connection, self._page = connection, page
        self._num_received = 0
        self._repeat: tuple[Job, ...] = ()

    def tasks(self) -> Iterator[Any]:
        """Tasks, until the parent has those finished that there are."""
        while True:
            if not self._connection.poll():
                self._page.clear()
                self._connection.send(Wanted(self._num_received))
            message: CodingTask | Repeat | None = self._connection.recv()
            self._num_received += 1
            if isinstance(message, Repeat):
                self._repeat = message.jobs
            if message is None or isinstance(message, Repeat):
                return
            yield message

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
