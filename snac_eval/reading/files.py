"""Lengths, samples and levels of audio files, in bounded memory.

A length is measured: counted in decoded samples, or proved by the size of the file. The first bytes
say which decoder goes first; where it fails, the other one tries. Whatever a decoder raises becomes
an AudioError that names the file.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from snac_eval.errors import AudioError, UsageError, detail, readable
from snac_eval.locations import Location, Url
from snac_eval.reading import _pyav, _soundfile, remote
from snac_eval.reading.source import DAMAGED, Source, UnknownFormat
from snac_eval.types import Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Used = TypeVar("_Used")
_SOUNDFILE_FIRST = (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"riff", b"caff", b"NIST", b"OggS")
_RATES = (100, 1_000_000)
"""Sample rates in Hz that audio can have."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file holds."""

    duration_s: float
    """As far as it was measured."""
    sample_rate: int
    """In Hz."""
    num_channels: int
    complete: bool
    """Whether it was measured to its end."""
    remarks: tuple[str, ...]
    """What is odd about it, as the end of a sentence: ``have damaged parts: ...``."""
    sha256: str = ""
    """Digest of the content, where all of it was fetched anyway."""


def measure(path: Location, at_most_s: float = math.inf) -> Facts:
    """What a file holds; beyond ``at_most_s`` it is not measured where that means decoding it.

    Raises AudioError when the file is missing or no audio.
    """
    return _measure(path, at_most_s, _stamp(path))


def samples(path: Location, start_s: float = 0.0, length_s: float | None = None) -> Waveform:
    """Samples of a file, or of an excerpt of it; none where it ends before ``start_s``.

    Raises AudioError when the file is missing, no audio, or does not fit the memory.
    """
    with _opened(path) as file:
        return _try_decoders(file, lambda source: _collect(source, start_s, length_s), start_s)


def powers(path: Location, hop_s: float, start_s: float, length_s: float | None) -> list[float]:
    """Mean square of each ``hop_s`` seconds, over all channels. Raises AudioError."""
    with _opened(path) as file:
        return _try_decoders(file, lambda source: _powers(source, hop_s, length_s), start_s)


def through(path: Location, use: Callable[[Source], _Used]) -> _Used:
    """What ``use`` makes of a file block by block, in memory that does not grow with its length.

    ``use`` takes the blocks once. It is asked again, from the file's start, where a decoder fails
    and there is another one. Raises AudioError as :func:`samples` does, and what ``use`` raises
    itself.
    """

    def attempt(source: Source) -> _Used | _Failed:
        try:
            return use(replace(source, blocks=_marked(source.blocks)))
        except _Unread as unread:
            raise unread.error from unread
        except Exception as error:  # noqa: BLE001 - no other decoder would do better
            return _Failed(error)

    with _opened(path) as file:
        made = _try_decoders(file, attempt, 0.0)
    if isinstance(made, _Failed):
        raise made.error
    return made


@dataclass(frozen=True, slots=True)
class _Failed:
    """What was raised by whoever used the blocks."""

    error: Exception


class _Unread(Exception):  # noqa: N818 - carries an error through whoever uses the blocks
    """What a decoder raised."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _marked(blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    try:
        yield from blocks
    except Exception as error:
        raise _Unread(error) from error


@lru_cache(maxsize=4096)
def _measure(path: Location, at_most_s: float, _stamp: str) -> Facts:
    with _opened(path) as file:
        facts = _try_decoders(file, lambda source: _facts(source, at_most_s), 0.0)
        if isinstance(path, Path):
            return facts
        file.seek(0)
        return replace(facts, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _facts(source: Source, at_most_s: float) -> Facts:
    total, complete, most = source.num_samples, True, at_most_s * source.sample_rate
    if total is None:
        total = 0
        for block in source.blocks:
            total += block.shape[1]
            if total > most:
                complete = False
                break
    duration_s = total / source.sample_rate
    remarks = tuple(dict.fromkeys(source.remarks))
    return Facts(duration_s, source.sample_rate, source.num_channels, complete, remarks)


def _collect(source: Source, start_s: float, length_s: float | None) -> Waveform:
    rate = source.sample_rate
    wanted = math.inf if length_s is None else round(length_s * rate)
    blocks = _up_to(source.blocks, wanted)
    if source.num_samples is not None:
        size = min(wanted, max(0, source.num_samples - round(start_s * rate)))
    else:
        taken = list(blocks)
        size = sum(block.shape[1] for block in taken)
        taken.reverse()
        blocks = _freed(taken)
    joined = np.empty((source.num_channels, int(size)), dtype=np.float32)
    end = 0
    for block in blocks:
        joined[:, end : end + block.shape[1]] = block
        end += block.shape[1]
    return Waveform(joined[:, :end], rate)


def _freed(blocks: list[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """From the last to the first; each is forgotten, so that a clip is not in memory twice."""
    while blocks:
        yield blocks.pop()


def _up_to(blocks: Iterator[NDArray[np.float32]], wanted: float) -> Iterator[NDArray[np.float32]]:
    """So many samples of each channel, as far as there are."""
    while wanted > 0 and (block := next(blocks, None)) is not None:
        yield block[:, : int(min(wanted, block.shape[1]))]
        wanted -= block.shape[1]


def _powers(source: Source, hop_s: float, length_s: float | None) -> list[float]:
    rate = source.sample_rate
    hop = max(1, round(hop_s * rate))
    wanted = math.inf if length_s is None else round(length_s * rate)
    found: list[float] = []
    rest = np.empty((source.num_channels, 0), dtype=np.float32)
    for block in _up_to(source.blocks, wanted):
        rest = np.concatenate([rest, block], axis=1)
        whole = rest.shape[1] // hop
        with np.errstate(invalid="ignore"):  # NaN is the caller's to find
            squares = np.square(rest[:, : whole * hop], dtype=np.float64)
        found += squares.reshape(len(rest), whole, hop).mean(axis=(0, 2)).tolist()
        rest = rest[:, whole * hop :]
    if rest.shape[1]:
        found.append(float(np.square(rest, dtype=np.float64).mean()))
    return found


# Which decoder.


def _stamp(path: Location) -> str:
    """What changes with the file's content. Raises AudioError."""
    if isinstance(path, Url):
        return remote.stamp_of(path)
    status = _status(path)
    return f"{status.st_mtime_ns}:{status.st_size}"


def _status(path: Path) -> os.stat_result:
    """What the system says of the file; to open a pipe could last for ever. Raises AudioError."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise AudioError(_unreadable(path, error)) from error
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        what = "is empty" if stat.S_ISREG(status.st_mode) else "is no file"
        raise AudioError(f"{readable(path)}: {what}; repair or remove it")
    return status


@contextmanager
def _opened(path: Location) -> Iterator[FileIO]:
    """The file, fetched where it lies elsewhere. What goes wrong in the block is an AudioError."""
    if isinstance(path, Path):
        _status(path)
    try:
        # Unbuffered: libsndfile goes on where the descriptor stands.
        with (
            remote.fetched(path) if isinstance(path, Url) else open(path, "rb", buffering=0) as file
        ):
            yield file
    except Exception as error:
        raise AudioError(_unreadable(path, error)) from error


def _try_decoders(file: FileIO, use: Callable[[Source], _Used], start_s: float) -> _Used:
    head = file.read(4)
    decoders = [_pyav.opened, _soundfile.opened]
    if head in _SOUNDFILE_FIRST:
        decoders.reverse()
    elif head[:3] == b"ID3" or head[:1] == b"\xff":
        decoders.pop()  # libsndfile's MP3 decoder writes to the terminal
    failures: list[Exception] = []
    for opened in decoders:
        try:
            with opened(file, start_s) as source:
                _check_rate(source)
                if source.coding.startswith("pcm_") and not _is_unknown(failures):
                    source.remarks.append(DAMAGED)
                return use(source)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - the next decoder may do better
            failures.append(error)
    raise next((one for one in failures if not isinstance(one, UnknownFormat)), failures[0])


def _is_unknown(failures: list[Exception]) -> bool:
    """Whether no decoder called the file damaged."""
    return all(isinstance(one, UnknownFormat) for one in failures)


def _check_rate(source: Source) -> None:
    low, high = _RATES
    if source.num_channels < 1 or not low <= source.sample_rate <= high:
        raise ValueError(
            f"it claims a sample rate of {source.sample_rate} Hz, {source.num_channels} channels"
        )


def _unreadable(path: Location, error: Exception) -> str:
    name = readable(path)
    if isinstance(error, MemoryError):
        return f"{name}: does not fit the memory; cut it with a manifest (start, duration)"
    if isinstance(error, UsageError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"{name}: no such file"
    why = error.strerror if isinstance(error, OSError) and error.strerror else detail(error)
    if isinstance(path, Url):
        why = remote.why(error)
    return f"{name}: cannot be read as audio ({readable(why)}); repair or remove it"
