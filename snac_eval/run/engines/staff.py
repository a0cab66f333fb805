"""Processes of this machine that outlive a run: the next run of a study takes them over, so that
what they imported and compiled is paid for once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from snac_eval.run.coding import CodingTask
from snac_eval.run.engines.processes import Child, Nursery
from snac_eval.run.plan import Job

_CLIPS_PER_PROCESS = 500


@dataclass(slots=True)
class Worker:
    """A process as its pool has it."""

    child: Child
    since: float
    """When it was started."""
    is_open: bool = False
    is_ready: bool = False
    is_renewed: bool = True
    """Whether it is ended after so many clips."""
    is_waiting: bool = False
    """Whether it does nothing until it is sent something."""
    repeating: tuple[Job, ...] = ()
    """Clips one of which it codes twice once its hand is empty."""
    hand: dict[int, CodingTask] = field(default_factory=dict)
    """What it was given and did not give back, by number."""
    look_at: float = float("inf")
    """When what it does may have taken too long."""
    num_sent: int = 0
    num_done: int = 0
    num_before: int = 0
    """How many it had done when it was taken over."""
    failed_starts: int = 0
    """How often in a row processes in its place got nothing done."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to come from it."""
        return not self.hand and not self.repeating

    @property
    def is_spent(self) -> bool:
        """Whether it did as many clips as one process does."""
        return self.is_renewed and self.num_done + len(self.hand) >= _CLIPS_PER_PROCESS

    def send(self, message: object) -> None:
        """Its end is heard of elsewhere, and what it has in hand begun again."""
        self.num_sent += 1
        self.is_waiting = False
        with suppress(OSError):
            self.child.connection.send(message)


class Staff:
    """Processes that wait for work. ``modules`` are those that workers load."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._nursery: Nursery | None = None
        self._idle: dict[str, list[Worker]] = {}
        self._num_turns = 0

    @property
    def nursery(self) -> Nursery:
        """What starts them, itself started where it is not there. Raises StartError."""
        if self._nursery is None:
            self._nursery = Nursery(self._modules)
        return self._nursery

    def next_turn(self) -> int:
        """The number of the next run's turn."""
        self._num_turns += 1
        return self._num_turns

    def take(self, kind: str, count: int) -> list[Worker]:
        """At most ``count`` that wait, of those that do this kind of work."""
        waiting = self._idle.pop(kind, [])
        self._idle[kind] = waiting[count:]
        return waiting[:count]

    def keep(self, kind: str, workers: Sequence[Worker]) -> None:
        """Have these wait for the next run, or get ready for it."""
        self._idle.setdefault(kind, []).extend(workers)

    def close(self) -> None:
        """End every process."""
        self._idle.clear()
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None
