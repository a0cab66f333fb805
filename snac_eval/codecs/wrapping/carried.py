"""An object of one's own on its way to another process."""

from __future__ import annotations

import io
import pickle
import pickletools
from dataclasses import dataclass
from typing import Any

from snac_eval.codecs.wrapping.identity import torch_modules
from snac_eval.errors import UsageError, one_line

_MAIN = "__main__"


class StaysHere(Exception):  # noqa: N818 - a state, not a failure
    """The object can be in this process alone; the message says why."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An object as bytes, which only whoever opens the codec unpacks."""

    data: bytes


def packed(instance: object) -> Packed:
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
    return Packed(data)


def unpacked(instance: object) -> object:
    """The object itself. Raises UsageError where it cannot be had in this process."""
    if not isinstance(instance, Packed):
        return instance
    try:
        found: object = pickle.loads(instance.data)
    except Exception as error:
        raise UsageError(f"the codec cannot be unpickled: {one_line(error)}") from error
    return found


def device_of(instance: object) -> str:
    """Where an object's torch modules are, such as ``cuda``; empty where it has none."""
    for module in torch_modules(instance):
        tensors: Any = (*module.parameters(), *module.buffers())
        return str(tensors[0].device.type) if tensors else ""
    return ""
