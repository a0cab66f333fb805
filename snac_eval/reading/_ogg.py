"""What the pages of an Ogg file say of its streams."""

from __future__ import annotations

import mmap
from io import FileIO

_PAGE = b"OggS\0"
_BEGINS, _ENDS = 2, 4


def num_streams(file: FileIO) -> int:
    """How many pages of an Ogg file begin a stream."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        begin, position = 0, content.find(_PAGE)
        while position >= 0 and position + 5 < len(content):
            begin += bool(content[position + 5] & _BEGINS)
            position = content.find(_PAGE, position + 5)
    return begin


def ends(file: FileIO) -> bool:
    """Whether the last page of an Ogg file says that it is the last."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        last = content.rfind(_PAGE)
        return last + 5 < len(content) and bool(content[last + 5] & _ENDS)
