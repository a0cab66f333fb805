"""Import a package without what it imports and does not use for coding, and without its sighs."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore what torch tells a package's authors: that they build layers in an old way."""
    with warnings.catch_warnings():
        for kind in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", kind)
        yield


def import_without(name: str, unused: Mapping[str, Sequence[str]]) -> ModuleType:
    """The module ``name``, imported while empty modules stand in for those in ``unused``.

    ``unused`` are modules that training or a command line needs, with what is imported from each:
    None stands for it. A module that is there already is left alone; the stand-ins are gone
    afterwards, so that anyone else who imports one gets the real thing, or its ImportError.
    """
    stand_ins = {one: ModuleType(one) for one in unused if one not in sys.modules}
    for one, module in stand_ins.items():
        vars(module).update(dict.fromkeys(unused[one]))
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module(name)
    finally:
        for one, module in stand_ins.items():
            if sys.modules.get(one) is module:
                del sys.modules[one]
