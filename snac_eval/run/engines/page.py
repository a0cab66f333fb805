"""A page of memory in which a process notes what it is doing, and its parent reads that.

A note costs microseconds and wakes nobody. It outlives a process that is killed, so the parent can
say at what it died. Only the standard library is imported here.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
from dataclasses import dataclass

TYPE_CHECKING = False  # Importing typing takes as long as all the rest.
if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE = 1 << 16
# A count that is odd while a note is being written, the time, and the length of what follows.
_HEAD = struct.Struct("=QdI")
_COUNT = struct.Struct("=Q")
_MOST_NUMBERS = 1024


@dataclass(frozen=True)
class Note:
    """What a process does."""

    what: str
    numbers: tuple[int, ...]
    """Of the tasks that it does it to; of very many, the first."""
    since: float
    """When it began, in time.monotonic()'s seconds, which all processes share."""


class Page:
    """One page; both processes make one over the same file."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, _SIZE)
        self._counts = [0, 0]

    def note(self, what: str, numbers: Sequence[int], place: int = 0) -> None:
        """Say what begins now, and on which tasks. A second thread has place 1."""
        start, count = place * _SIZE // 2, self._counts[place]
        said = json.dumps([what, list(numbers)[:_MOST_NUMBERS]]).encode()
        _COUNT.pack_into(self._memory, start, count + 1)
        self._memory[start + _HEAD.size : start + _HEAD.size + len(said)] = said
        _HEAD.pack_into(self._memory, start, count + 1, time.monotonic(), len(said))
        _COUNT.pack_into(self._memory, start, count + 2)
        self._counts[place] = count + 2

    def clear(self) -> None:
        """Say that nothing is being done: the next task is waited for."""
        self.note("", ())

    def read(self, place: int = 0) -> Note | None:
        """What was noted last; None where nothing is being done, or a note is just being
        written."""
        start = place * _SIZE // 2
        count, since, length = _HEAD.unpack_from(self._memory, start)
        said = self._memory[start + _HEAD.size : start + _HEAD.size + length]
        if count % 2 or not count or _COUNT.unpack_from(self._memory, start)[0] != count:
            return None
        found, numbers = json.loads(said)
        return Note(found, tuple(numbers), since) if found else None


def open_file() -> int:
    """A new file of a page's size without a name. Raises OSError."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("snac-eval", os.MFD_CLOEXEC)
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, _SIZE)
    return fd
