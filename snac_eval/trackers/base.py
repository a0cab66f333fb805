"""What trackers share: a run is opened where it is logged with the first clip that is heard of it,
or with its end, and closed with that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

from snac_eval.trackers.content import content_digest
from snac_eval.trackers.memory import Memory, begins_anew
from snac_eval.types import ClipDone, RunDone, RunFacts


class OpenRun(Protocol):
    """A run that is open where it is logged."""

    name: str
    """By which it is found there again."""

    def clip(self, done: ClipDone) -> None:
        """Log the scores of a clip."""

    def end(self, done: RunDone) -> None:
        """Log all that is known at the end, in place of what an earlier end has logged; close."""


class Tracker(ABC):
    """A callback that logs each run once to a ``place``, which need not be on this machine."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._open: dict[Path, tuple[Memory, OpenRun]] = {}

    @abstractmethod
    def begin(self, run: RunFacts, name: str) -> OpenRun:
        """Open a run, that of this name where it is not empty and there is one."""

    def has(self, name: str) -> bool:
        """Whether a run of this name is still there."""
        return True

    def on_clip(self, done: ClipDone) -> None:
        """As in :class:`snac_eval.types.Callback`."""
        self._opened(done.run)[1].clip(done)

    def on_run(self, done: RunDone) -> None:
        """As in :class:`snac_eval.types.Callback`; nothing where all of it was logged before."""
        digest, folder = content_digest(done), done.run.folder
        if folder not in self._open:
            known = Memory(done.run, self.place).known
            if known.logged == digest and self.has(known.name):
                return
        memory, opened = self._opened(done.run)
        del self._open[folder]
        opened.end(done)
        memory.keep(logged=digest)

    def _opened(self, run: RunFacts) -> tuple[Memory, OpenRun]:
        if run.folder not in self._open:
            memory = Memory(run, self.place, begins_anew(run))
            opened = self.begin(run, memory.known.name)
            memory.keep(name=opened.name, logged="")
            self._open[run.folder] = (memory, opened)
        return self._open[run.folder]
