"""What encode gave as codes that the store keeps, and back: the same structure, for decode.

Integers become streams. What else decode is given beside them (scales, latents) is sent too: it is
side information, and its bits count. The header says how all of it was put together: containers,
shapes and types, nothing else.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snac_eval.codecs.wrapping.shapes import Form
from snac_eval.errors import CodecError, detail

_NAMES = ("audio_codes", "codes", "tokens", "indices", "code", "token_ids", "units", "codes_list")
_AUDIO = ("audio_values", "audio", "waveform", "wav", "samples", "reconstruction", "recon", "y")
_Node = list[Any]


@dataclass(frozen=True, slots=True)
class Named:
    """What decode is given by the names of its arguments."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """An encoded clip in the parts that :class:`~snac_eval.types.Codes` has."""

    streams: tuple[Any, ...]
    packets: tuple[bytes, ...]
    side_info: bytes
    header: bytes
    beside: tuple[str, ...]
    """What was sent beside the codes, for people."""


def is_array(value: object) -> bool:
    """Whether it is a NumPy array or a torch tensor."""
    torch = sys.modules.get("torch")
    return isinstance(value, np.ndarray) or (torch is not None and isinstance(value, torch.Tensor))


def holds_integers(value: object) -> bool:
    """Whether it is an array of integers with at least one axis, or one of bytes' kind."""
    return isinstance(value, bytes) or (
        is_array(value) and value.ndim > 0 and _host(value).dtype.kind in "iu"  # type: ignore[attr-defined]
    )


def codes_in(value: Any) -> Any:  # noqa: ANN401 - whatever encode gave
    """The part of it that holds the codes; None where nothing in it is an integer.

    In a mapping or an object, what is called codes; else the first that holds any. In a tuple the
    first, and with it those beside it of as many axes. In a list all.
    """
    if holds_integers(value):
        return value
    if (fields := _fields(value)) is not None:
        named = [fields[name] for name in _NAMES if name in fields]
        found = (codes_in(one) for one in (*named, *fields.values()))
        return next((one for one in found if one is not None), None)
    if not isinstance(value, list | tuple):
        return None
    having = [one for one in value if codes_in(one) is not None]
    if not having:
        return None
    if isinstance(value, list) or all(map(_is_alike(having[0]), value)):
        return value
    alike = tuple(filter(_is_alike(having[0]), having))
    return alike if len(alike) > 1 else codes_in(having[0])


def arrays_in(value: Any) -> list[Any]:  # noqa: ANN401
    """The arrays (or packets) of codes, in order, of what :func:`codes_in` gave."""
    if holds_integers(value):
        return [value]
    inside = value if isinstance(value, list | tuple) else (codes_in(value),)
    parts = (one if holds_integers(one) else codes_in(one) for one in inside if one is not None)
    return [array for part in parts if part is not None for array in arrays_in(part)]


def decodable(value: Any, names: Mapping[str, bool]) -> Any:  # noqa: ANN401
    """What decode is given of it: itself, but of an object that is no plain container its codes,
    and what decode needs beside them by name.

    ``names`` are decode's arguments, and whether each must be given.
    """
    fields = None if type(value) in (dict, list, tuple, bytes) else _fields(value)
    if fields is None:
        return value
    name = next((one for one in _NAMES if fields.get(one) is not None), "")
    needed = {one: fields[one] for one, must in names.items() if must and one in fields}
    if name in names:
        return Named({**needed, name: fields[name]})
    return codes_in(value)


def taken_apart(given: Any, form: Form | None, keep: int = 0) -> Parts:  # noqa: ANN401
    """What decode is given, as parts. ``form`` is that of its arrays of codes; None: they are
    packets. ``keep``: only so many streams; 0: all. Raises CodecError."""
    value = tuple(given.fields.values()) if isinstance(given, Named) else given
    codes = arrays_in(value if holds_integers(value) else codes_in(value))
    if form is not None and not form.is_pieces and len(codes) != form.num_arrays:
        raise CodecError(f"encode gave {len(codes)} arrays of codes, {form.num_arrays} before")
    taker = _Taker(codes, form, keep)
    names = list(given.fields) if isinstance(given, Named) else None
    tree = taker.node(value)
    facts = {"names": names, "tree": tree, "axes": form.axes if form else "", "keep": keep}
    header = json.dumps(facts, separators=(",", ":")).encode()
    streams, packets, side = taker.streams(), tuple(taker.packets), b"".join(taker.side)
    return Parts(streams, packets, side, header, tuple(dict.fromkeys(taker.beside)))


class _Taker:
    def __init__(self, codes: Sequence[Any], form: Form | None, keep: int) -> None:
        self._place = {id(one): index for index, one in enumerate(codes)}
        self._form, self._keep = form, keep
        self._pieces: list[Any] = []
        self.packets: list[bytes] = []
        self.side: list[bytes] = []
        self.beside: list[str] = []

    def streams(self) -> tuple[Any, ...]:
        form = self._form
        if form is None:
            return ()
        rows = self._pieces if not form.is_pieces else [np.concatenate(self._pieces, axis=1)]
        return tuple(row.astype(np.int32) for piece in rows for row in piece)

    def node(self, value: Any) -> _Node | None:  # noqa: ANN401
        """The value's place in the tree; None where it is a stream that is not sent."""
        if value is None or isinstance(value, bool):
            return ["value", value]
        if id(value) in self._place and (isinstance(value, bytes) or is_array(value)):
            return self._codes(value)
        if is_array(value):
            return self._array(value)
        if isinstance(value, int | float | np.integer | np.floating):
            return self._number(value)
        if isinstance(value, str | bytes):
            data = value if isinstance(value, bytes) else value.encode()
            self._send(data, f"{len(data)} bytes")
            return ["text" if isinstance(value, str) else "bytes", len(data)]
        if isinstance(value, list | tuple):
            nodes = [one for one in map(self.node, value) if one is not None]
            return ["list" if isinstance(value, list) else "tuple", nodes]
        if type(value) is dict and all(isinstance(key, str | int) for key in value):
            return ["dict", [[key, self.node(one)] for key, one in value.items()]]
        raise CodecError(
            f"encode gave a {type(value).__name__}, which cannot be kept; give tensors, arrays and"
            " numbers in lists, tuples and dicts, or declare decode_takes = 'codes'"
        )

    def _codes(self, value: Any) -> _Node | None:  # noqa: ANN401
        if isinstance(value, bytes):
            self.packets.append(value)
            return ["packet"]
        form = self._form
        assert form is not None
        place = self._place.pop(id(value))  # What comes again is sent again, beside.
        if self._keep and form.num_arrays > 1 and place >= self._keep:
            return None
        array = _host(value)
        streams = form.streams_of(array)
        shape = list(array.shape)
        if self._keep and form.num_arrays < 2 and "K" in form.axes:
            streams = streams[: self._keep]
            shape[form.axes.index("K")] = len(streams)
        if streams.size and not -(1 << 31) <= int(streams.min()) <= int(streams.max()) < 1 << 31:
            raise CodecError("encode gave codes of more than 31 bits")
        self._pieces.append(streams)
        return ["codes", _type(value), shape]

    def _array(self, value: Any) -> _Node:  # noqa: ANN401
        name = _type(value)
        self._send(_bytes(value), f"{name[1]} {list(value.shape)}")
        return ["array", name, list(value.shape)]

    def _number(self, value: Any) -> _Node:  # noqa: ANN401
        if isinstance(value, int | np.integer):
            self._send(int(value).to_bytes(8, "little", signed=True), "a number")
            return ["int"]
        self._send(struct.pack("<d", value), "a number")
        return ["float"]

    def _send(self, data: bytes, what: str) -> None:
        self.side.append(data)
        self.beside.append(what)


def put_together(parts: Parts, device: str) -> Any:  # noqa: ANN401 - whatever encode gave
    """What decode is given: the value, or :class:`Named`. Raises CodecError for parts that nothing
    here made."""
    try:
        facts = json.loads(parts.header)
        value = _Giver(parts, facts["axes"], device).value(facts["tree"])
        names = facts["names"]
        return value if names is None else Named(dict(zip(names, value, strict=True)))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise CodecError(f"no codes of this codec ({detail(error)})") from error


class _Giver:
    def __init__(self, parts: Parts, axes: str, device: str) -> None:
        self._streams, self._packets = parts.streams, iter(parts.packets)
        self._side, self._at = parts.side_info, 0
        self._axes, self._device = axes, device
        self._row, self._time, self._last = 0, 0, 0

    def value(self, node: _Node) -> Any:  # noqa: ANN401
        match node:
            case ["value", value]:
                return value
            case ["packet"]:
                return next(self._packets)
            case ["codes", kind, shape]:
                return _array(self._codes(shape), kind, shape, self._device)
            case ["array", kind, shape]:
                size = _itemsize(kind) * int(np.prod(shape, dtype=np.int64))
                return _array(self._take(size), kind, shape, self._device)
            case ["int"]:
                return int.from_bytes(self._take(8), "little", signed=True)
            case ["float"]:
                return struct.unpack("<d", self._take(8))[0]
            case ["text", length]:
                return self._take(length).decode()
            case ["bytes", length]:
                return self._take(length)
            case ["list", nodes]:
                return [self.value(one) for one in nodes]
            case ["tuple", nodes]:
                return tuple(self.value(one) for one in nodes)
            case ["dict", items]:
                return {key: self.value(one) for key, one in items}
        raise ValueError("an unknown part")

    def _codes(self, shape: Sequence[int]) -> Any:  # noqa: ANN401
        """The next array's streams: the next rows of all, or the next part of every row."""
        sizes = dict(zip(self._axes, shape, strict=True))
        count, length = sizes.get("K", 1), sizes["T"]
        if self._row == len(self._streams):  # Pieces in time: on with the first row.
            self._row, self._time = 0, self._time + self._last
        rows = self._streams[self._row : self._row + count]
        self._row, self._last = self._row + count, length
        streams = np.stack([row[self._time : self._time + length] for row in rows])
        return Form(self._axes, count, 1).array_of(streams, shape)

    def _take(self, size: int) -> bytes:
        data = self._side[self._at : self._at + size]
        if len(data) != size:
            raise ValueError("side information ends too early")
        self._at += size
        return data


def audio_in(value: Any) -> Any:  # noqa: ANN401 - whatever decode gave
    """The array of audio in it; None where there is none."""
    if is_array(value):
        return value
    fields = _fields(value)
    if fields is not None:
        named = [fields[name] for name in _AUDIO if fields.get(name) is not None]
        inside: Iterator[Any] = iter((*named, *fields.values()))
    elif isinstance(value, list | tuple):
        inside = iter(value)
    else:
        return None
    return next((one for one in map(audio_in, inside) if one is not None), None)


def samples_of(value: Any, num_channels: int) -> Any:  # noqa: ANN401
    """float32 ``[channels, time]`` of what decode gave. Raises CodecError."""
    found = audio_in(value)
    if found is None:
        raise CodecError(f"decode gave a {type(value).__name__} without audio; give [1, C, T]")
    array = _host(found)
    if array.dtype.kind != "f":
        raise CodecError(f"decode gave {array.dtype} samples; give floats, full scale at -1..1")
    shape = [size for size in array.shape[:-1] if size != 1]
    wanted = [num_channels] if num_channels > 1 else []
    if not array.ndim or shape != wanted:
        raise CodecError(
            f"decode gave audio of shape {list(array.shape)}; give [1, {num_channels}, time]"
        )
    return np.ascontiguousarray(array.reshape(num_channels, array.shape[-1]), dtype=np.float32)


def _fields(value: Any) -> dict[str, Any] | None:  # noqa: ANN401
    """What a mapping or an object has by name; None for other things."""
    if isinstance(value, Mapping):
        return {str(key): one for key, one in value.items()}
    if isinstance(value, list) or type(value) is tuple or value is None or is_array(value):
        return None
    if isinstance(value, tuple):
        names = getattr(value, "_fields", ())
        return dict(zip(names, value, strict=True)) if names else None
    return dict(getattr(value, "__dict__", {})) or None


def _is_alike(first: Any) -> Any:  # noqa: ANN401
    def alike(other: Any) -> bool:  # noqa: ANN401
        if isinstance(first, bytes):
            return isinstance(other, bytes)
        return holds_integers(first) and holds_integers(other) and first.ndim == other.ndim

    return alike


def _host(value: Any) -> Any:  # noqa: ANN401
    """As a NumPy array."""
    if isinstance(value, np.ndarray):
        return value
    value = value.detach().cpu()
    return (value.float() if _type(value)[1] == "bfloat16" else value).numpy()


def _type(value: Any) -> tuple[str, str]:  # noqa: ANN401
    if isinstance(value, np.ndarray):
        return "numpy", value.dtype.name
    return "torch", str(value.dtype).removeprefix("torch.")


def _bytes(value: Any) -> bytes:  # noqa: ANN401
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value).tobytes()
    import torch

    whole = value.detach().cpu().contiguous().reshape(-1)
    return bytes(whole.view(torch.uint8).numpy().tobytes())


def _itemsize(kind: Sequence[str]) -> int:
    if kind[0] == "numpy":
        return np.dtype(kind[1]).itemsize
    import torch

    dtype: torch.dtype = getattr(torch, kind[1])
    return dtype.itemsize


def _array(data: Any, kind: Sequence[str], shape: Sequence[int], device: str) -> Any:  # noqa: ANN401
    """An array or a tensor of this type, of bytes or of integers."""
    if kind[0] == "numpy":
        whole = np.frombuffer(data, kind[1]) if isinstance(data, bytes) else data.astype(kind[1])
        return whole.reshape(shape).copy()
    import torch

    dtype = getattr(torch, kind[1])
    if isinstance(data, bytes):
        return torch.frombuffer(bytearray(data), dtype=dtype).reshape(list(shape)).to(device)
    return torch.from_numpy(np.ascontiguousarray(data)).to(device=device, dtype=dtype)
