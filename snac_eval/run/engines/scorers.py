"""Processes that score audio, one clip each at a time, and what becomes of clips that end them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from snac_eval.run.engines.processes import Child, Nursery, StartError
from snac_eval.run.engines.worker import Ready, serve_scorer
from snac_eval.types import Score

FIRST_CLIP = 3.0
"""How many times longer the first clip of a process may take, for what it loads or compiles."""
_CLIPS_PER_PROCESS = 500
_START_LIMIT_S = 300.0
_MAX_FAILED_STARTS = 3


@dataclass(slots=True)
class ScoringTask:
    """A clip to score by its audio, and what is known of it."""

    number: int
    """Names the task: it comes back with the scores."""
    left: list[str]
    """Metrics still to be asked, in order."""
    audio: bytes
    """The reconstruction, pickled."""
    limit_s: float
    scores: dict[str, Score] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scored:
    """A clip's scores by its audio: metric name to score."""

    number: int
    scores: dict[str, Score]


@dataclass(slots=True)
class _Scorer:
    child: Child
    since: float
    """When it was started, or got its task."""
    is_ready: bool = False
    num_done: int = 0
    task: ScoringTask | None = None

    @property
    def deadline(self) -> float:
        if not self.is_ready:
            return self.since + _START_LIMIT_S
        if self.task is None:
            return float("inf")
        return self.since + self.task.limit_s * (1.0 if self.num_done else FIRST_CLIP)


class Scorers:
    """Takes tasks and gives their scores, each once, whatever becomes of a process.

    A process is ended and replaced when a metric takes too long, and after some hundred clips,
    against leaks. The metric at which a process ended is an error of that clip; the others are
    asked again.
    """

    def __init__(self, count: int, modules: Sequence[str]) -> None:
        self._count = count
        self._modules = modules
        self._queue: deque[ScoringTask] = deque()
        self._scorers: list[_Scorer] = []
        self._failed_starts = 0

    @property
    def has_room(self) -> bool:
        """Whether another task would find a process soon; what waits is in memory."""
        busy = sum(one.task is not None for one in self._scorers)
        return not self._count or len(self._queue) + busy < 2 * self._count

    @property
    def is_waiting(self) -> bool:
        """Whether any task is yet to be given to a process."""
        return bool(self._queue)

    @property
    def is_idle(self) -> bool:
        """Whether every task is done."""
        return not self._queue and all(one.task is None for one in self._scorers)

    @property
    def connections(self) -> list[Connection]:
        """What to wait for."""
        return [one.child.connection for one in self._scorers]

    @property
    def deadline(self) -> float:
        """When the next process will have taken too long, in time.monotonic()'s seconds."""
        return min((one.deadline for one in self._scorers), default=float("inf"))

    def start(self, nursery: Nursery) -> None:
        """Start them all in this nursery; tasks in hand are begun again."""
        for one in self._scorers:
            if one.task is not None:
                self._queue.appendleft(one.task)
        self._scorers = [self._started(nursery) for _ in range(self._count)]

    def add(self, task: ScoringTask) -> None:
        """Have this scored, when its turn comes."""
        self._queue.append(task)

    def take_all(self) -> list[ScoringTask]:
        """Every task that is not done, for whoever does it otherwise."""
        busy = [one.task for one in self._scorers if one.task is not None]
        tasks = [*busy, *self._queue]
        self._scorers, self._queue = [], deque()
        return tasks

    def dispatch(self) -> None:
        """Give waiting tasks to processes that have nothing to do."""
        for one in self._scorers:
            if self._queue and one.is_ready and one.task is None:
                one.task, one.since = self._queue.popleft(), time.monotonic()
                with suppress(OSError):  # Its end is heard of, and the task begun again.
                    one.child.connection.send(one.task.left)
                    one.child.connection.send_bytes(one.task.audio)

    def receive(self, connection: Connection, nursery: Nursery) -> Iterator[Scored]:
        """Take in what one of :attr:`connections` has to say, when it is readable."""
        one = next((one for one in self._scorers if one.child.connection is connection), None)
        if one is None:
            return
        try:
            message = connection.recv()
        except Exception:  # noqa: BLE001 - an end, or what no metric of ours would send
            nursery.kill(one.child)
            yield from self._ended(one, nursery)
            return
        if isinstance(message, Ready):
            one.is_ready, self._failed_starts = True, 0
        elif one.task is not None:
            name, score = message
            yield from self._scored(one, one.task, name, score, nursery)

    def expire(self, nursery: Nursery, heard: Sequence[object]) -> Iterator[Scored]:
        """End processes that took too long, but for those that had something to say."""
        now = time.monotonic()
        for one in list(self._scorers):
            if one.deadline <= now and one.child.connection not in heard:
                limit_s = round(now - one.since)
                nursery.kill(one.child)
                late = f"took longer than {limit_s} s and was stopped"
                yield from self._ended(one, nursery, late)

    def _scored(
        self, one: _Scorer, task: ScoringTask, name: str, score: Score, nursery: Nursery
    ) -> Iterator[Scored]:
        task.scores[name] = score
        task.left.remove(name)
        if task.left:
            return
        one.task, one.num_done = None, one.num_done + 1
        yield Scored(task.number, task.scores)
        if one.num_done == _CLIPS_PER_PROCESS:
            one.child.connection.close()  # It ends by itself after so many.
            self._replace(one, nursery)

    def _ended(self, one: _Scorer, nursery: Nursery, late: str = "") -> Iterator[Scored]:
        task = one.task
        if nursery.is_lost:
            return
        if not one.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS:
                raise StartError(f"a scoring process {late or one.child.death}")
        self._replace(one, nursery)
        if task is None:
            return
        name = task.left.pop(0)
        why = f"scoring this clip by {name} {late}" if late else ""
        task.scores[name] = Score.error(why or f"the scoring process {one.child.death} at {name}")
        if task.left:
            self._queue.appendleft(task)
        else:
            yield Scored(task.number, task.scores)

    def _replace(self, one: _Scorer, nursery: Nursery) -> None:
        self._scorers[self._scorers.index(one)] = self._started(nursery)

    def _started(self, nursery: Nursery) -> _Scorer:
        arguments = (self._modules, _CLIPS_PER_PROCESS)
        return _Scorer(nursery.start_worker(serve_scorer, *arguments), time.monotonic())
