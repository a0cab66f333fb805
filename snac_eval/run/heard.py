"""Clips as the codecs of a study hear them, kept in memory so that each is read and resampled once.

Every process of the study reads and writes the same folder, which lies in the machine's memory and
is removed when the last codec had the dataset. What is there is whole: a file is moved into place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from snac_eval.types import Clip, Waveform

_MEMORY = Path("/dev/shm")
_SHARE = 8
_MOST_BYTES = 4 << 30


@contextmanager
def room_for(num_bytes: int) -> Iterator[Path | None]:
    """A folder in memory for so much, removed at the end; None where it would take too much."""
    if not 0 < num_bytes <= _most_bytes():
        yield None
        return
    try:
        folder = tempfile.mkdtemp(prefix="snac-eval-", dir=_MEMORY)
    except OSError:
        yield None
        return
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def num_bytes(clips: Iterable[Clip], kinds: Iterable[tuple[int, int]]) -> int:
    """What these clips take, each in these kinds: rate (0: the clip's own) and channels (0: its
    own)."""
    kept = list(kinds)
    return sum(
        4 * int(clip.duration_s * (rate or clip.sample_rate)) * (channels or clip.num_channels)
        for clip in clips
        for rate, channels in kept
    )


def once(folder: Path | None, name: str, rate: int, read: Callable[[], Waveform]) -> Waveform:
    """What ``read`` gives, or what it gave before under this name; not kept where its rate is not
    ``rate``, in Hz."""
    if folder is None:
        return read()
    path = folder / f"{name}-{rate}.npy"
    with suppress(OSError, ValueError):
        # Copied when it is written to: a codec may do as it likes with what it is given.
        return Waveform(np.load(path, mmap_mode="c"), rate)
    made = read()
    if made.sample_rate == rate:
        with suppress(OSError):
            _put(path, made)
    return made


def _put(path: Path, made: Waveform) -> None:
    fd, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            np.save(file, made.samples)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _most_bytes() -> int:
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        there = shutil.disk_usage(_MEMORY).free
    except (OSError, ValueError):
        return 0
    return min(_MOST_BYTES, free // _SHARE, there // 2)
