"""What the processes of a run do: one codes clips, the others score them."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from snac_eval.errors import SnacEvalError, one_line
from snac_eval.metrics.opening import open_metric
from snac_eval.run import coding
from snac_eval.run.coding import Coded, Coder, CodingTask
from snac_eval.run.engines.nursery import load
from snac_eval.run.plan import Job, RunConfig, open_codec
from snac_eval.run.scoring import each_score
from snac_eval.types import Score


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
    """The next task is wanted, or Last where there is none."""


@dataclass(frozen=True, slots=True)
class Last:
    """There are no more tasks; one of these clips, if there are any, is to be coded twice."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """What came of coding a clip twice."""

    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What begins now, and on which tasks."""

    what: str
    numbers: tuple[int, ...]


def serve_coder(connection: Connection, config: RunConfig, metrics: Sequence[str]) -> None:
    """Code clips until there are no more. Behind a Coded with metrics that remain come the bytes
    of its reconstruction."""
    try:
        coder = Coder(config, open_codec(config), {name: open_metric(name) for name in metrics})
    except BaseException as error:  # noqa: BLE001 - the parent, which could open it, goes on itself
        connection.send(Unopened(one_line(error)))
        return
    connection.send(Opened())
    try:
        ready = Ready(coding.prepare(coder.codec))
    except SnacEvalError as error:
        connection.send(Refused(_plain(error)))
        return
    connection.send(ready)

    def watch(what: str, numbers: Sequence[int]) -> None:
        connection.send(Step(what, tuple(numbers)))

    tasks: dict[int, CodingTask] = {}
    last: list[Job] = []
    for done in coding.code(coder, _wanted(connection, tasks, last), watch):
        _send(connection, done, tasks.pop(done.number))
    if last:
        watch(coding.REPEATING, ())
        connection.send(Repeated(coding.repeated(coder, last)))


def _wanted(
    connection: Connection, tasks: dict[int, CodingTask], last: list[Job]
) -> Iterator[CodingTask]:
    """What the parent gives, one by one, kept in ``tasks`` as well; what comes behind, in
    ``last``."""
    while True:
        connection.send(Wanted())
        task: CodingTask | Last = connection.recv()
        if isinstance(task, Last):
            last += task.jobs
            return
        tasks[task.number] = task
        yield task


def _send(connection: Connection, done: Coded, task: CodingTask) -> None:
    try:
        audio = pickle.dumps(done.reconstruction, pickle.HIGHEST_PROTOCOL)
        head = pickle.dumps(replace(done, reconstruction=None), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - what a plugin made need not be picklable
        done = coding.failure(task, f"the result cannot leave the process: {one_line(error)}")
        head, audio = pickle.dumps(done), b""
    connection.send_bytes(head)
    if done.remaining:
        connection.send_bytes(audio)


def _plain(error: SnacEvalError) -> SnacEvalError:
    """The error without its cause, and of a class that pickles by its message."""
    kind = type(error) if type(error).__module__ == SnacEvalError.__module__ else SnacEvalError
    return kind(one_line(error))


def serve_scorer(connection: Connection, modules: Sequence[str], num_tasks: int) -> None:
    """Score so many clips: names of metrics and a reconstruction's bytes come, a name and its score
    go, one by one."""
    load(modules)
    connection.send(Ready())
    for _ in range(num_tasks):
        names = connection.recv()
        for name, score in _scores(names, connection.recv_bytes()):
            connection.send((name, score))


def _scores(names: Sequence[str], audio: bytes) -> Iterator[tuple[str, Score]]:
    left = list(names)
    try:
        metrics = {name: open_metric(name) for name in names}
        for name, score in each_score(metrics, pickle.loads(audio)):
            left.remove(name)
            yield name, score
    except Exception as error:  # noqa: BLE001 - memory that is not there, a metric that is gone
        yield from ((name, Score.error(one_line(error))) for name in left)
