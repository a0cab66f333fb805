"""What a worker is asked that serves no codec: to call a function, to import, to say what is
installed. The standard library is all that it takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module, metadata
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any


def called(function: str, file: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """What ``module:function`` gives in this interpreter. ``file``: take the module from there, for
    its package is not installed here; empty: import it."""
    module, _, name = function.partition(":")
    found = _from_file(module, file) if file else import_module(module)
    return getattr(found, name)(**arguments)


def import_problem(modules: Sequence[str]) -> str:
    """Import the modules in this interpreter: what the first one raises that fails; empty: none."""
    for module in modules:
        try:
            import_module(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises
            return f"{module}: {type(error).__name__}: {' '.join(str(error).split())}"
    return ""


def installed() -> dict[str, str]:
    """Versions of all that is installed in this interpreter, by normalised name (PEP 503)."""
    found: dict[str, str] = {}
    for one in metadata.distributions():
        if name := one.metadata["Name"]:
            # What is found first is what is imported.
            found.setdefault(re.sub("[-_.]+", "-", name).lower(), one.version)
    return found


@cache
def _from_file(module: str, file: str) -> ModuleType:
    spec = spec_from_file_location(module, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python module")
    found = module_from_spec(spec)
    sys.modules[module] = found
    spec.loader.exec_module(found)
    return found
