"""The process in which the codec runs, and what becomes of clips that end it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from snac_eval.codecs.repeats import LONGEST_S, Repeat
from snac_eval.errors import CodecError
from snac_eval.run.coding import CODING, READING, REPEATING, Coded, CodingTask, failure, repeatable
from snac_eval.run.engines.processes import Child, Nursery, StartError
from snac_eval.run.engines.scorers import FIRST_CLIP
from snac_eval.run.engines.worker import (
    Last,
    Opened,
    Ready,
    Refused,
    Repeated,
    Step,
    Unopened,
    Wanted,
    serve_coder,
)
from snac_eval.run.plan import Job, RunConfig
from snac_eval.types import Score

_PREPARE_LIMIT_S = 3600.0
_MAX_FAILED_STARTS = 3
_DOING = {READING: "reading this clip", CODING: "coding this clip"}


class OnlyHere(Exception):  # noqa: N818 - a state, not a failure
    """The codec opens in this process and in no other; the message says why."""


@dataclass(slots=True)
class _Now:
    what: str
    tasks: list[CodingTask]
    since: float


class CoderProcess:
    """Gives every task to a process and its result back, each once, whatever becomes of it.

    A clip that was alone in the process when it ended is to blame. Where several were (the next is
    read while one is coded), each is tried again alone.
    """

    def __init__(self, config: RunConfig, metrics: Sequence[str]) -> None:
        self._config = config
        self._metrics = tuple(metrics)
        self._source: Iterator[CodingTask] = iter(())
        self._again: deque[CodingTask] = deque()
        self._alone: deque[CodingTask] = deque()
        self._in_hand: dict[int, CodingTask] = {}
        self._child: Child | None = None
        self._now: _Now | None = None
        self._since = 0.0
        self._has_coded = False
        self._is_fed = False
        self._failed_starts = 0
        self._to_repeat: tuple[Job, ...] = ()
        self._is_open = False
        self._was_ready = False
        self.is_ready = False
        self.notes: tuple[str, ...] = ()
        self.repeated: dict[str, Any] = {}

    @property
    def child(self) -> Child:
        """The process, once it is started."""
        assert self._child is not None
        return self._child

    @property
    def is_finished(self) -> bool:
        """Whether every task is done."""
        return self._is_fed and not self._in_hand and not self._to_repeat

    @property
    def deadline(self) -> float:
        """When what it does will have taken too long, in time.monotonic()'s seconds."""
        if not self.is_ready:
            return self._since + _PREPARE_LIMIT_S
        return self._now.since + self._limit_s(self._now) if self._now else float("inf")

    def feed(self, tasks: Iterator[CodingTask], to_repeat: Sequence[Job]) -> None:
        """Take tasks from here from now on, and code one of these clips twice at the end."""
        self._source = tasks
        self._to_repeat = tuple(repeatable(to_repeat))

    def start(self, nursery: Nursery) -> None:
        """Start the process in this nursery; tasks in hand are begun again."""
        self._again.extendleft(reversed(self._in_hand.values()))
        self._in_hand, self._now = {}, None
        self.is_ready = self._is_open = self._has_coded = self._is_fed = False
        self._since = time.monotonic()
        self._child = nursery.start_coder(serve_coder, self._config, self._metrics)

    def take_all(self) -> Iterator[CodingTask]:
        """Every task that is not done, for whoever does it otherwise."""
        yield from [*self._in_hand.values(), *self._alone, *self._again]
        yield from self._source

    def receive(self, nursery: Nursery) -> Iterator[tuple[Coded, bytes]]:
        """Take in what the process says, when its connection is readable: a result with the
        reconstruction's bytes, if it is one.

        Raises OnlyHere, and SnacEvalError where the codec cannot be prepared.
        """
        try:
            message = self.child.connection.recv()
            audio = self.child.connection.recv_bytes() if _has_audio(message) else b""
        except Exception:  # noqa: BLE001 - an end, or what no codec of ours would send
            nursery.kill(self.child)
            yield from self._ended(nursery)
            return
        match message:
            case Unopened():
                raise OnlyHere(message.reason)
            case Opened():
                self._is_open = True
            case Refused():
                self._not_started(message.error)
                self.start(nursery)
            case Ready():
                self.is_ready = self._was_ready = True
                self.notes = message.notes
            case Repeated():
                self.repeated, self._to_repeat = message.facts, ()
            case Wanted():
                self._give()
            case Step():
                tasks = [self._in_hand[number] for number in message.numbers]
                self._now = _Now(message.what, tasks, time.monotonic())
            case Coded():
                self._in_hand.pop(message.number)
                self._has_coded, self._failed_starts = True, 0
                yield message, audio

    def expire(self, nursery: Nursery) -> Iterator[tuple[Coded, bytes]]:
        """End the process if it took too long. To be asked when it has nothing to say."""
        now = self._now
        if self.deadline > time.monotonic():
            return
        nursery.kill(self.child)
        if not self.is_ready or now is None:
            raise CodecError(f"the codec was not ready after {_PREPARE_LIMIT_S:.0f} s")
        late = f"took longer than {self._limit_s(now):g} s and was stopped"
        if now.what == REPEATING:
            self._give_up_repeating(f"it {late}")
            return
        suspects = [task for task in now.tasks if self._in_hand.pop(task.number, None)]
        if len(suspects) == 1:
            yield from self._blame(now.what, suspects[0], f"{_doing(now.what)} {late}")
        else:
            self._alone.extend(suspects)
        self.start(nursery)

    def _give(self) -> None:
        self._now = None
        if self._alone:
            task = replace(self._alone.popleft(), is_alone=True)
        else:
            found = self._again.popleft() if self._again else next(self._source, None)
            if found is None:
                self._is_fed = True
                with suppress(OSError):
                    self.child.connection.send(Last(self._to_repeat))
                return
            task = found
        self._in_hand[task.number] = task
        with suppress(OSError):  # Its end is heard of, and the task begun again.
            self.child.connection.send(task)

    def _ended(self, nursery: Nursery) -> Iterator[tuple[Coded, bytes]]:
        if nursery.is_lost or self.is_finished:
            return
        if not self.is_ready:
            died = f"the codec's process {self.child.death}"
            self._not_started(
                CodecError(f"{died} while the codec loaded") if self._is_open else StartError(died)
            )
        elif self._is_fed and not self._in_hand:
            self._give_up_repeating(f"the codec's process {self.child.death}")
            return
        elif not self._in_hand:
            self._not_started(CodecError(f"the codec's process {self.child.death} without a clip"))
        # Where nothing is said to be done, a clip is being read ahead.
        what = self._now.what if self._now else READING
        first = [task.number for task in self._now.tasks] if self._now else []
        suspects, self._in_hand = list(self._in_hand.values()), {}
        if len(suspects) == 1:
            reason = f"the codec's process {self.child.death} while {_doing(what)}"
            yield from self._blame(what, suspects[0], reason)
        else:
            self._alone.extend(sorted(suspects, key=lambda task: task.number not in first))
        self.start(nursery)

    def _give_up_repeating(self, problem: str) -> None:
        clip = self._to_repeat[0].clip
        self.repeated = {"clip": clip.id, **Repeat(problem=problem).facts()}
        self._to_repeat = ()

    def _not_started(self, error: Exception) -> None:
        """Raise the error, unless it may be bad luck: a process that took tasks before is tried
        again, and so is one that did not get as far as the codec."""
        self._failed_starts += 1
        is_known_to_work = self._was_ready or isinstance(error, StartError)
        if not is_known_to_work or self._failed_starts >= _MAX_FAILED_STARTS:
            raise error

    def _blame(self, what: str, task: CodingTask, reason: str) -> Iterator[tuple[Coded, bytes]]:
        if what in _DOING:
            yield failure(task, reason), b""
        else:  # One metric is to blame: the clip itself can be coded.
            failed = {**task.failed, what: Score.error(reason)}
            self._alone.appendleft(replace(task, failed=failed))

    def _limit_s(self, now: _Now) -> float:
        durations_s = [task.job.clip.duration_s for task in now.tasks] or [2 * LONGEST_S]
        return sum(map(self._config.clip_limit_s, durations_s)) * (
            1.0 if self._has_coded else FIRST_CLIP
        )


def _doing(what: str) -> str:
    return _DOING.get(what, f"scoring this clip by {what}")


def _has_audio(message: object) -> bool:
    return isinstance(message, Coded) and bool(message.remaining)
