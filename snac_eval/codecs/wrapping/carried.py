"""A codec of one's own on its way to another process, where it must be the same codec."""

from __future__ import annotations

import io
import pickle
import pickletools
from dataclasses import dataclass
from typing import Any

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.wrapping.identity import torch_modules
from snac_eval.errors import CodecError, UsageError, one_line

_MAIN = "__main__"


class StaysHere(Exception):  # noqa: N818 - a state, not a failure
    """The object can be in this process alone; the message says why."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An object as bytes, which only whoever opens the codec unpacks."""

    data: bytes
    fingerprint: str = ""
    """What the codec says of itself where it was packed."""


@dataclass(frozen=True, slots=True)
class Made:
    """Stands for a codec that is made anew by its name."""

    fingerprint: str
    """What it says of itself where it was made first."""


def carried(instance: object, codec: OpenCodec) -> object:
    """What stands for the opened codec, which is ``instance`` unless that is None, on its way to
    another process; None for codecs that are no one's own. Raises StaysHere."""
    if instance is not None:
        return packed(instance, codec.fingerprint)
    return Made(codec.fingerprint) if codec.takes_one_clip else None


def packed(instance: object, fingerprint: str = "") -> Packed:
    """The object, packed. Raises StaysHere for what has no bytes, or is made of what only the
    caller's ``__main__`` has: a script from a pipe, a notebook."""
    buffer = io.BytesIO()
    try:
        pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(instance)
    except Exception as error:
        raise StaysHere(f"cannot be pickled ({one_line(error)})") from error
    data = buffer.getvalue()
    if any(argument == _MAIN for _, argument, _ in pickletools.genops(data)):
        raise StaysHere("is defined in __main__, not in a module")
    return Packed(data, fingerprint)


def unpacked(instance: object) -> object:
    """The object itself; None where it is made by its name. Raises UsageError where it cannot be
    had in this process."""
    if not isinstance(instance, Packed):
        return None if isinstance(instance, Made) else instance
    try:
        found: object = pickle.loads(instance.data)
    except Exception as error:
        raise UsageError(f"the codec cannot be unpickled: {one_line(error)}") from error
    return found


def require_same(instance: object, found: str) -> None:
    """Raise CodecError where the codec of this fingerprint is not the one that was sent."""
    if isinstance(instance, Packed | Made) and instance.fingerprint not in ("", found):
        raise CodecError(
            "each process would have another one: what its constructor draws or reads is not the"
            " same twice"
        )


def device_of(instance: object) -> str:
    """Where an object's torch modules are, such as ``cuda``; empty where it has none."""
    for module in torch_modules(instance):
        tensors: Any = (*module.parameters(), *module.buffers())
        return str(tensors[0].device.type) if tensors else ""
    return ""
