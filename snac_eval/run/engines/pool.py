"""Processes that work tasks off, and what becomes of clips that end them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any

from snac_eval.codecs.repeats import LONGEST_S, Repeat
from snac_eval.errors import CodecError
from snac_eval.run.coding import (
    CODING,
    PASSING,
    READING,
    REPEATING,
    CodingTask,
    failure,
    repeatable,
)
from snac_eval.run.engines import worker as said
from snac_eval.run.engines.page import Note
from snac_eval.run.engines.processes import Child, Nursery, StartError
from snac_eval.run.engines.staff import Worker
from snac_eval.run.evaluating import Evaluated
from snac_eval.run.plan import Job
from snac_eval.types import Score

FIRST_CLIP = 3.0
"""How many times longer the first clip of a process may take, for what it loads or compiles."""
_PREPARE_LIMIT_S = 3600.0
_MAX_FAILED_STARTS = 3
_RENEWED_IF_READY_S = 10.0
# What lies unread in a socket must not fill it: the parent would wait for a busy process.
_MOST_AHEAD = 32
_MOST_BYTES_AHEAD = 4096
_DOING = {
    READING: "reading this clip",
    CODING: "coding this clip",
    PASSING: "taking over the coded clip",
}

Start = Callable[[Nursery], Child]
Limit = Callable[[float], float]
Came = tuple[CodingTask, Evaluated | said.HalfDone]


class OnlyHere(Exception):  # noqa: N818 - a state, not a failure
    """The codec opens in this process and in no other; the message says why."""


class Pool:
    """Gives every task to one of ``count`` processes and its result back, each once, whatever
    becomes of a process.

    The clip that a process was busy with when it ended is to blame. Where those were several (the
    next is read while one is coded), each is tried again alone. Where a metric is to blame, the
    clip is begun again without it. A process is replaced when it ends, when a step takes too long
    (``limit_s`` of its clip's length), and after some hundred clips where it ``renews``, against
    leaks.

    ``ahead`` is how many tasks a process is given before it asks, so that it need not wait.
    """

    def __init__(
        self,
        who: str,
        start: Start,
        count: int,
        limit_s: Limit,
        ahead: int = 1,
        renews: bool = True,
    ) -> None:
        self._who, self._start_one, self.count = who, start, count
        self._limit_s, self._ahead = limit_s, min(ahead, _MOST_AHEAD)
        self._renews = renews
        self._source: Iterator[CodingTask] = iter(())
        self._waiting: deque[CodingTask] = deque()
        self._alone: deque[CodingTask] = deque()
        self._to_repeat: tuple[Job, ...] = ()
        self._workers: list[Worker] = []
        self._turn = 0
        self.was_ready = False
        """Whether any process ever was."""
        self.notes: tuple[str, ...] = ()
        """What the codec says of itself, once it is prepared."""
        self.repeated: dict[str, Any] = {}
        """What came of coding one clip twice."""
        self.remarks: tuple[str, ...] = ()
        """What a reader of the numbers must know of how the work was done."""

    @property
    def connections(self) -> list[Connection]:
        """What to wait for."""
        return [one.child.connection for one in self._workers]

    @property
    def deadline(self) -> float:
        """When to ask :meth:`expire` next, in time.monotonic()'s seconds."""
        return min((one.look_at for one in self._workers), default=float("inf"))

    @property
    def is_given(self) -> bool:
        """Whether every task is in work or done."""
        self._refill()
        return not self._waiting and not self._alone

    @property
    def is_finished(self) -> bool:
        """Whether every task is done."""
        idle = all(one.is_idle for one in self._workers)
        return self.is_given and not self._to_repeat and idle

    @property
    def has_room(self) -> bool:
        """Whether another task would find a process soon; what waits is in memory."""
        if not self.count:
            return True
        return len(self._waiting) + sum(bool(one.hand) for one in self._workers) < 2 * self.count

    def feed(self, tasks: Iterator[CodingTask], to_repeat: Sequence[Job]) -> None:
        """Take tasks from here from now on, and code one of these clips twice at the end."""
        self._source = tasks
        self._to_repeat = tuple(repeatable(to_repeat))
        self._give_all()

    def add(self, task: CodingTask) -> None:
        """Have this done as well, when its turn comes."""
        self._waiting.append(task)
        self._give_all()

    def take_all(self) -> Iterator[CodingTask]:
        """Every task that is not done, for whoever does it otherwise."""
        yield from [task for one in self._workers for task in one.hand.values()]
        yield from [*self._alone, *self._waiting]
        yield from self._source

    def start(self, nursery: Nursery, turn: said.Turn, hired: Sequence[Worker] = ()) -> None:
        """Start the processes in this nursery, but for those ``hired``, which take this turn; what
        was in hand is begun again."""
        self._turn = turn.number
        for one in self._workers:
            self._take_back(one)
        self._workers = [self._hired(one, turn) for one in hired]
        self._workers += [self._started(nursery) for _ in range(self.count - len(hired))]

    def release(self, nursery: Nursery) -> list[Worker]:
        """Those without work, ready or not yet, for whoever has some next; the others are ended."""
        idle = [one for one in self._workers if one.is_idle and not one.is_spent]
        for one in self._workers:
            if one not in idle:
                nursery.kill(one.child)
        self._workers = []
        return idle

    def receive(self, connection: Connection, nursery: Nursery) -> Iterator[Came]:
        """Take in what one of :attr:`connections` has to say, when it is readable.

        Raises OnlyHere, and SnacEvalError where the codec cannot be prepared.
        """
        one = next((one for one in self._workers if one.child.connection is connection), None)
        if one is None:
            return
        try:
            message = connection.recv()
        except Exception:  # noqa: BLE001 - an end, or what no codec of ours would send
            nursery.kill(one.child)
            yield from self._ended(one, nursery)
            return
        match message:
            case (
                said.Unopened(turn=turn)
                | said.Opened(turn=turn)
                | said.Refused(turn=turn)
                | (said.Ready(turn=turn))
            ) if turn != self._turn:
                pass  # It had not begun the turn that it has by now.
            case said.Unopened():
                raise OnlyHere(message.reason)
            case said.Opened():
                one.is_open = True
            case said.Refused():
                self._not_started(one, nursery, message.error)
            case said.Ready():
                self._now_ready(one, message.notes)
            case said.Repeated():
                self.repeated, one.repeating = message.facts, ()
            case said.Wanted():
                one.is_waiting = message.num_received == one.num_sent
                if one.is_waiting and not one.hand and one.is_spent:
                    one.child.connection.close()  # Which ends it.
                    self._replace(one, nursery)
                self._give(one)
            case _:
                task = one.hand.pop(message.number)
                one.num_done, one.failed_starts = one.num_done + 1, 0
                self._give(one)
                yield task, message

    def expire(self, nursery: Nursery, heard: Sequence[object]) -> Iterator[Came]:
        """End processes that took too long, but for those that had something to say."""
        now = time.monotonic()
        for one in list(self._workers):
            if one.look_at > now or one.child.connection in heard:
                continue
            if not one.is_ready:
                nursery.kill(one.child)
                raise CodecError(f"{self._who} was not ready after {_PREPARE_LIMIT_S:.0f} s")
            note, tasks = self._noted(one)
            one.look_at = now + self._shortest_s(one)
            if note is None:
                continue
            limit_s = self._allowed_s(one, tasks)
            one.look_at = min(one.look_at, note.since + limit_s)
            if one.look_at <= now:
                nursery.kill(one.child)
                late = f"took longer than {limit_s:g} s and was stopped"
                yield from self._stopped(one, note.what, tasks, late)
                self._replace(one, nursery)

    def _refill(self) -> None:
        """Look some tasks ahead, to know when the end is near."""
        for task in islice(self._source, max(0, 2 * self.count + 1 - len(self._waiting))):
            self._waiting.append(task)

    def _give_all(self) -> None:
        for one in self._workers:
            self._give(one)

    def _give(self, one: Worker) -> None:
        """Send what is to be sent to it now."""
        while one.is_ready and (task := self._next(one)) is not None:
            if one.is_idle:
                one.look_at = time.monotonic() + self._limit_s(task.job.clip.duration_s)
            one.hand[task.number] = task
            one.send(task)
        if not one.is_ready or one.repeating:
            return
        if self._to_repeat and (one.hand or one.is_waiting) and self._is_near_end:
            one.repeating, self._to_repeat = self._to_repeat, ()
            one.look_at = time.monotonic() + self._limit_s(2 * LONGEST_S)
            one.send(said.Repeat(one.repeating))
        elif one.hand and one.is_waiting:
            one.send(None)

    @property
    def _is_near_end(self) -> bool:
        """Whether so little waits that a process takes one only when it has nothing else, lest it
        be late."""
        self._refill()
        return len(self._waiting) <= (2 * self.count if self.count > 1 else 0)

    def _next(self, one: Worker) -> CodingTask | None:
        if one.repeating or one.is_spent or any(task.is_alone for task in one.hand.values()):
            return None
        if not one.hand and self._alone:
            return replace(self._alone.popleft(), is_alone=True)
        is_near_end = self._is_near_end
        if not self._waiting or (one.hand and is_near_end):
            return None
        if one.hand and not one.is_waiting:  # It is busy: what is sent lies there until it is read.
            stored = self._waiting[0].stored
            is_heavy = stored is not None and len(stored.blob) > _MOST_BYTES_AHEAD
            if len(one.hand) >= self._ahead or is_heavy:
                return None
        task = self._waiting.popleft()
        return replace(task, is_alone=True) if is_near_end else task

    def _now_ready(self, one: Worker, notes: tuple[str, ...]) -> None:
        one.is_ready, one.look_at = True, float("inf")
        is_quick = time.monotonic() - one.since <= _RENEWED_IF_READY_S
        one.is_renewed = self._renews and is_quick
        if not self.was_ready:
            self.was_ready, self.notes = True, notes
        self._give(one)

    def _ended(self, one: Worker, nursery: Nursery) -> Iterator[Came]:
        if nursery.is_lost:
            return
        died = f"{self._who} {one.child.death}"
        if not one.is_ready:
            loads = CodecError(f"{died} while the codec loaded")
            self._not_started(one, nursery, loads if one.is_open else StartError(died))
        elif one.is_idle:
            self._not_started(one, nursery, CodecError(f"{died} without a clip"))
        else:
            note, tasks = self._noted(one)
            what = note.what if note else READING
            ahead = one.child.page.read(1)
            numbers = ahead.numbers if ahead else ()
            tasks += [task for task in one.hand.values() if task.number in numbers]
            suspects = list({task.number: task for task in tasks or one.hand.values()}.values())
            yield from self._stopped(one, what, suspects, f"{died} while ")
            self._replace(one, nursery)
        self._give_all()

    def _noted(self, one: Worker) -> tuple[Note | None, list[CodingTask]]:
        """What it says it does, and to which tasks; nothing where those are done."""
        note = one.child.page.read()
        tasks = [one.hand[number] for number in note.numbers if number in one.hand] if note else []
        is_known = note is not None and (tasks or note.what == REPEATING)
        return (note, tasks) if is_known else (None, [])

    def _stopped(
        self, one: Worker, what: str, suspects: Sequence[CodingTask], how: str
    ) -> Iterator[Came]:
        """What becomes of the hand of a process that is no more; ``how`` it ended reads on, or
        back, to what it did."""
        if one.repeating and not one.hand:
            clip = one.repeating[0].clip
            problem = how.removesuffix(" while ") if how.endswith(" while ") else f"it {how}"
            self.repeated = {"clip": clip.id, **Repeat(problem=problem).facts()}
            one.repeating = ()
            return
        for task in suspects:
            one.hand.pop(task.number, None)
        self._take_back(one)
        if len(suspects) != 1:
            self._alone.extend(suspects)
            return
        task = suspects[0]
        doing = _DOING.get(what, f"scoring this clip by {what}")
        reason = f"{how}{doing}" if how.endswith(" while ") else f"{doing} {how}"
        if what in _DOING:
            yield task, Evaluated(task.number, failure(task, reason).scores)
        else:  # One metric is to blame: the clip itself can be coded.
            failed = {**task.failed, what: Score.error(reason)}
            self._alone.appendleft(replace(task, failed=failed))

    def _take_back(self, one: Worker) -> None:
        self._waiting.extendleft(reversed(one.hand.values()))
        self._to_repeat = self._to_repeat or one.repeating
        one.hand, one.repeating = {}, ()

    def _not_started(self, one: Worker, nursery: Nursery, error: Exception) -> None:
        """Raise the error, unless it may be bad luck: where a process took tasks before, it is
        tried again, and so is one that did not get as far as the codec."""
        if not (self.was_ready or isinstance(error, StartError)):
            raise error
        if one.failed_starts + 1 < _MAX_FAILED_STARTS:
            self._replace(one, nursery, one.failed_starts + 1)
            return
        if len(self._workers) == 1:
            raise error
        self._workers.remove(one)
        left = f"{self.count - 1} of {self.count} processes go on: {error}"
        self.count -= 1
        self.remarks = (*self.remarks, left)

    def _replace(self, one: Worker, nursery: Nursery, failed_starts: int = 0) -> None:
        place = self._workers.index(one)
        self._workers[place] = self._started(nursery, failed_starts)

    def _hired(self, one: Worker, turn: said.Turn) -> Worker:
        now, done = time.monotonic(), one.num_done
        until = now + _PREPARE_LIMIT_S
        again = Worker(
            one.child, now, look_at=until, num_sent=one.num_sent, num_done=done, num_before=done
        )
        again.send(turn)
        return again

    def _started(self, nursery: Nursery, failed_starts: int = 0) -> Worker:
        child, now = self._start_one(nursery), time.monotonic()
        until = now + _PREPARE_LIMIT_S
        return Worker(child, now, look_at=until, failed_starts=failed_starts)

    def _shortest_s(self, one: Worker) -> float:
        """How soon anything that it has in hand can have taken too long."""
        if one.is_idle:
            return float("inf")
        durations_s = [task.job.clip.duration_s for task in one.hand.values()]
        return min(map(self._limit_s, durations_s or [2 * LONGEST_S]))

    def _allowed_s(self, one: Worker, tasks: Sequence[CodingTask]) -> float:
        durations_s = [task.job.clip.duration_s for task in tasks] or [2 * LONGEST_S]
        return sum(map(self._limit_s, durations_s)) * (
            1.0 if one.num_done > one.num_before else FIRST_CLIP
        )
