"""Functions that a metric has computed in its environment, once that was made, else here.

A metric names them ``module:function``. The module imports nothing but the standard library, NumPy
and what the environment installs. What goes there and comes back is what JSON holds, bytes and
arrays. Each process has a worker of its own for each environment: it starts with the first
question, and ends with the process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from snac_eval.environments.called import called
from snac_eval.environments.guest import Guest
from snac_eval.errors import UsageError, detail
from snac_eval.registry.environments import python_of
from snac_eval.types import Environment

LIMIT_S, LIMIT_PER_S = 110.0, 55.0
"""What an answer may take, and what more for each second of audio: just below what a run allows a
clip, which would end the process that asks."""
_PACKAGE = __name__.partition(".")[0]
_GUESTS: dict[tuple[int, Path], Guest] = {}


def computed(
    environment: Environment | None,
    function: str,
    arguments: Mapping[str, Any],
    audio_s: float = 0.0,
) -> Any:  # noqa: ANN401 - whatever the function gives
    """What ``module:function`` gives for these arguments by name.

    Args:
        environment: where it is computed, if that was made; None: here.
        function: its module may be of any package that this interpreter finds.
        arguments: what JSON holds, bytes and arrays.
        audio_s: how many seconds of audio are among them, which bounds the time it may take.

    Raises what the function raised: where it ran elsewhere as CodecError, whose text is the same.
    Raises GuestLost where the worker ended over it, and UsageError where none can be started.
    """
    python = python_of(environment.name) if environment else None
    if environment is None or python is None:
        return called(function, "", arguments)
    guest = _guest(environment, python)
    return guest.call(
        f"{called.__module__}:{called.__name__}",
        {"function": function, "file": _file_of(function), "arguments": dict(arguments)},
        LIMIT_S + LIMIT_PER_S * audio_s,
        doing=f"computing in environment {environment.name}",
    )


def _guest(environment: Environment, python: Path) -> Guest:
    """This process's worker there, started where there is none, or none any more."""
    key = os.getpid(), python
    found = _GUESTS.get(key)
    if found is None or not found.is_alive:
        try:
            found = _GUESTS[key] = Guest(str(python))
        except UsageError as error:
            raise UsageError(
                f"environment {environment.name} is broken: {detail(error)};"
                f" snac-eval env create {environment.name} --overwrite"
            ) from error
    return found


def _file_of(function: str) -> str:
    """Where a module of another package than ours lies, which the worker does not find itself."""
    module = function.partition(":")[0]
    if module.partition(".")[0] == _PACKAGE:
        return ""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise UsageError(f"{function}: there is no such module")
    return spec.origin
