"""The protocol between this interpreter and a worker in another one: frames over two pipes.

A frame is four bytes ``SNEV``, the length of its header (4 bytes, unsigned, little-endian), the
length of its body (8 bytes, the same), the header, which is JSON in UTF-8, and the body. The body
holds arrays one after the other, each at a multiple of 64 bytes. A large body lies in shared memory
instead, from its first byte on, where both sides have that. docs/environments.md says what the
headers hold. Nothing that comes over a pipe is run: there is no pickle.
"""

from __future__ import annotations

import json
import math
import os
import select
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROTOCOL = 1
"""Version of the protocol: raised whenever a side of the older version would not understand."""
_PREFIX = struct.Struct("<4sIQ")
_MAGIC = b"SNEV"
_ALIGNED = 64
_SHARED_FROM = 1 << 15
_LARGEST_HEADER = 1 << 28
_LARGEST_BODY = 1 << 36
_KEPT_SHARED = 1 << 26
_AT_ONCE = 1 << 20
_KINDS = "biuf"

_Array = NDArray[Any]


class Closed(Exception):  # noqa: N818 - a state, not a failure
    """The other side is gone."""


class Overdue(Exception):  # noqa: N818 - the same
    """The other side did not answer in time."""


class Garbage(Exception):  # noqa: N818 - the same
    """What came is no frame; the message says what it is."""


class Wire:
    """One side of the pipes. ``shared_in`` and ``shared_out`` are files in memory that the other
    side writes and reads; -1: everything goes through the pipes."""

    def __init__(
        self, pipe_in: int, pipe_out: int, shared_in: int = -1, shared_out: int = -1
    ) -> None:
        self._in, self._out = pipe_in, pipe_out
        self._shared_in, self._shared_out = shared_in, shared_out
        for pipe in (pipe_in, pipe_out):
            os.set_blocking(pipe, False)

    def send(self, message: Mapping[str, Any], deadline: float = math.inf) -> None:
        """Write a frame. Values may hold arrays and bytes. Raises Closed, or Overdue where the
        other side does not read by ``deadline`` (time.monotonic()'s seconds)."""
        arrays: list[_Array] = []
        header: dict[str, Any] = {"message": packed(message, arrays)}
        header["arrays"] = [[one.dtype.str, list(one.shape)] for one in arrays]
        size = sum(_padded(one.nbytes) for one in arrays)
        is_shared = self._shared_out >= 0 and size >= _SHARED_FROM
        header["shared"] = is_shared
        data = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        if is_shared:
            self._share(arrays)
        parts: list[memoryview | bytes] = [_PREFIX.pack(_MAGIC, len(data), size), data]
        for one in () if is_shared else arrays:
            parts += [_bytes(one), bytes(_padded(one.nbytes) - one.nbytes)]
        for part in parts:
            self._write(memoryview(part), deadline)

    def receive(self, deadline: float = math.inf) -> dict[str, Any]:
        """The next frame's message. Raises Closed, Garbage, or Overdue."""
        magic, header_size, body_size = _PREFIX.unpack(self._first(deadline))
        if magic != _MAGIC or header_size > _LARGEST_HEADER or body_size > _LARGEST_BODY:
            raise Garbage("is no frame")
        text = bytes(self._read(header_size, deadline))
        try:
            header = json.loads(text)
            body = self._body(body_size, bool(header["shared"]), deadline)
            arrays = _split(body, header["arrays"])
            message = unpacked(header["message"], arrays)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            raise Garbage(f"is a broken frame ({type(error).__name__}: {error})") from error
        if not isinstance(message, dict):
            raise Garbage("is a frame without a message")
        return message

    def _share(self, arrays: Sequence[_Array]) -> None:
        offset = 0
        for one in arrays:
            left = _bytes(one)
            while left:
                written = os.pwrite(self._shared_out, left, offset)
                left, offset = left[written:], offset + written
            offset = -(-offset // _ALIGNED) * _ALIGNED

    def _body(self, size: int, is_shared: bool, deadline: float) -> _Array:
        if not is_shared:
            return self._read(size, deadline)
        body = np.empty(size, np.uint8)
        left, offset = body.data, 0
        while left:
            count = os.preadv(self._shared_in, [left], offset)
            if not count:  # What pads the last array was not written.
                left[:] = bytes(len(left))
                break
            left, offset = left[count:], offset + count
        if size > _KEPT_SHARED:
            os.ftruncate(self._shared_in, 0)
        return body

    def _first(self, deadline: float) -> bytes:
        """A frame's first bytes. What is no frame may be too short to have so many."""
        found = bytearray()
        while len(found) < _PREFIX.size:
            try:
                found += self._some(_PREFIX.size - len(found), deadline)
            except (Closed, Overdue):
                if found:
                    break
                raise
            if not _MAGIC.startswith(bytes(found[: len(_MAGIC)])):
                break
        if len(found) < _PREFIX.size or not found.startswith(_MAGIC):
            raise Garbage(f"begins with {bytes(found)!r}")
        return bytes(found)

    def _read(self, size: int, deadline: float) -> _Array:
        whole = np.empty(size, np.uint8)
        left = whole.data
        while left:
            some = self._some(min(len(left), _AT_ONCE), deadline)
            left[: len(some)] = some
            left = left[len(some) :]
        return whole

    def _some(self, size: int, deadline: float) -> bytes:
        while True:
            try:
                some = os.read(self._in, size)
            except BlockingIOError:
                _wait(self._in, select.POLLIN, deadline)
                continue
            except OSError as error:
                raise Closed from error
            if not some:
                raise Closed
            return some

    def _write(self, data: memoryview, deadline: float) -> None:
        while data:
            try:
                data = data[os.write(self._out, data[:_AT_ONCE]) :]
            except BlockingIOError:
                _wait(self._out, select.POLLOUT, deadline)
            except OSError as error:
                raise Closed from error


def _wait(fd: int, what: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(fd, what)
    while True:
        left_s = min(deadline - time.monotonic(), 3600.0)
        if left_s <= 0:
            raise Overdue
        if poll.poll(math.ceil(left_s * 1000)):
            return


def packed(value: Any, arrays: list[_Array]) -> Any:  # noqa: ANN401
    """The value as JSON holds it, and its arrays beside it.

    An object with one key that begins with ``$`` stands for what JSON has not: ``$array`` and
    ``$bytes`` for an array of the body, by its place; ``$number`` for ``nan``, ``inf`` and
    ``-inf``; ``$object`` for the pairs of an object that itself has such a key. Raises TypeError.
    """
    if value is None or isinstance(value, bool | int | str):
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$number": str(float(value))}
    if isinstance(value, bytes | bytearray):
        arrays.append(np.frombuffer(value, np.uint8))
        return {"$bytes": len(arrays) - 1}
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _KINDS:
            raise TypeError(f"an array of {value.dtype} cannot be sent")
        plain = np.ascontiguousarray(value, value.dtype.newbyteorder("<")).reshape(value.shape)
        arrays.append(plain)
        return {"$array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return packed(value.item(), arrays)
    if isinstance(value, Mapping):
        return _packed_object(value, arrays)
    if isinstance(value, list | tuple | set | frozenset):
        return [packed(one, arrays) for one in value]
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def _packed_object(value: Mapping[Any, Any], arrays: list[_Array]) -> dict[str, Any]:
    if any(not isinstance(key, str) for key in value):
        raise TypeError("an object whose keys are no text cannot be sent")
    if any(key.startswith("$") for key in value):
        return {"$object": [[key, packed(one, arrays)] for key, one in value.items()]}
    return {key: packed(one, arrays) for key, one in value.items()}


def unpacked(value: Any, arrays: Sequence[_Array]) -> Any:  # noqa: ANN401
    """What :func:`packed` was given; lists for every kind of sequence."""
    if isinstance(value, list):
        return [unpacked(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key in _SPECIAL:
            return _SPECIAL[key](inner, arrays)
    return {key: unpacked(one, arrays) for key, one in value.items()}


_SPECIAL: dict[str, Callable[[Any, Sequence[_Array]], Any]] = {
    "$array": lambda place, arrays: arrays[place],
    "$bytes": lambda place, arrays: arrays[place].tobytes(),
    "$number": lambda text, _: float(text),
    "$object": lambda pairs, arrays: {key: unpacked(one, arrays) for key, one in pairs},
}


def _split(body: _Array, described: Sequence[Any]) -> list[_Array]:
    arrays: list[_Array] = []
    offset = 0
    for name, shape in described:
        kind = np.dtype(name)
        if kind.kind not in _KINDS:
            raise TypeError(f"an array of {name}")
        size = kind.itemsize * math.prod(shape)
        part = body[offset : offset + size]
        if part.size != size:
            raise ValueError("arrays that are longer than their body")
        arrays.append(part.view(kind).reshape(shape))
        offset += _padded(size)
    return arrays


def _padded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _bytes(array: _Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
