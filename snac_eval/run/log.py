"""``log.txt`` of a run: tracebacks of what the codec or a metric raised, and for which clips.

Each is there once, with the clips that raised it first; it is appended as results come in, so that
a run that is killed has it. Its size is bounded.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from snac_eval.errors import readable

LOG_FILE = "log.txt"
_MOST_BYTES = 1 << 20
_MOST_ENTRIES = 100
_MOST_NAMED = 50


@dataclass(slots=True)
class _Entry:
    number: int
    count: int = 0
    waiting: list[str] = field(default_factory=list)
    """Clips that are yet to be named in the file."""


class RunLog:
    """The log of one call of a run. ``say`` is given each new traceback, for the screen."""

    def __init__(self, folder: Path, say: Callable[[str], None] | None = None) -> None:
        self.path = folder / LOG_FILE
        self.problem = ""
        """Why it cannot be written, if it cannot."""
        self._say = say
        self._entries: dict[str, _Entry] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of it at the end; nothing where nothing was raised."""
        if self.problem:
            return (self.problem,)
        return (f"tracebacks of what failed are in {self.path}",) if self._entries else ()

    def clear(self) -> None:
        """Forget what earlier calls have left."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def add(self, who: str, traces: Sequence[str]) -> None:
        """Keep what a clip, or whatever ``who`` is, raised."""
        for text in traces:
            key = re.sub(r"\d+|0x[0-9a-f]+", "#", text)
            entry = self._entries.get(key)
            if entry is not None:
                entry.count += 1
                if entry.count <= _MOST_NAMED:
                    entry.waiting.append(readable(who))
            elif len(self._entries) < _MOST_ENTRIES:
                self._entries[key] = entry = _Entry(len(self._entries) + 1, 1)
                now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                self._write(f"{now} #{entry.number} {readable(who)}\n{text}\n\n")
                if self._say is not None:
                    self._say(f"{readable(who)}\n{text}")

    def flush(self) -> None:
        """Name the clips that raised again what is there."""
        for entry in self._entries.values():
            if entry.waiting:
                self._write(f"#{entry.number} again: {', '.join(entry.waiting)}\n")
                entry.waiting = []

    def close(self) -> None:
        """Say of how many clips each is, where they are too many to be named."""
        self.flush()
        for entry in self._entries.values():
            if entry.count > _MOST_NAMED:
                self._write(f"#{entry.number}: {entry.count} clips in all\n")

    def _write(self, text: str) -> None:
        """In one piece, so that no entry is cut where the program is killed."""
        if self.problem:
            return
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            descriptor = os.open(self.path, flags, 0o666)
            try:
                if os.fstat(descriptor).st_size + len(text) > _MOST_BYTES:
                    self.problem = f"{self.path} is full; remove it to have further tracebacks"
                    return
                os.write(descriptor, text.encode("utf-8", "backslashreplace"))
            finally:
                os.close(descriptor)
        except OSError as error:
            self.problem = f"{self.path}: cannot be written: {error.strerror}"
