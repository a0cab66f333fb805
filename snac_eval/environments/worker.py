"""What another interpreter runs: calls functions of this package, and answers over its pipes.

The protocol is docs/environments.md's. The pipes are file descriptors of their own, so that nothing
that a codec prints gets among the frames. The package itself is imported from where this file lies,
and nothing else of the interpreter that started this one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib import import_module, metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any, NoReturn

_TYPE_CHECKING = False
if _TYPE_CHECKING:
    from snac_eval.environments.wire import Wire

SAYS = "snac-eval worker: "
_PACKAGE = "snac_eval"
_CONSTRAINTS = ("Ge", "Gt", "Le", "Len", "Lt", "MaxLen", "MinLen", "MultipleOf", "Predicate")
_TOLD = ("numpy", "torch")


def serve(*pipes: int) -> NoReturn:
    """What an interpreter does from its start to its end: ``pipes`` are the file descriptors that
    it reads and writes, and those in memory, -1 where there are none."""
    for fd in pipes:
        if fd >= 0:  # What a codec starts would keep them open.
            os.set_inheritable(fd, False)
    for name in ("SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        import numpy as np
    except Exception as error:  # noqa: BLE001 - a NumPy of another Python fails in its own ways
        _leave(
            f"cannot import NumPy ({type(error).__name__}: {str(error).strip().splitlines()[0]})"
        )
    sys.meta_path.insert(0, _Finder(Path(__file__).resolve().parents[1]))
    if find_spec("annotated_types") is None:
        sys.modules["annotated_types"] = _constraints()
    from snac_eval.environments.wire import PROTOCOL, Closed, Wire

    wire = Wire(*pipes)
    hello = {"protocol": PROTOCOL, "python": sys.version.split()[0], "executable": sys.executable}
    try:
        wire.send({"hello": hello | {"packages": _versions() | {"numpy": np.__version__}}})
        _Served(wire).run()
    except Closed:
        _end()


class _Served:
    def __init__(self, wire: Wire) -> None:
        from snac_eval.registry.asking import answer_by

        self._wire = wire
        self._came: SimpleQueue[dict[str, Any]] = SimpleQueue()
        answer_by(self._ask)

    def run(self) -> NoReturn:
        """Answer what comes."""
        threading.Thread(target=self._read, daemon=True).start()
        from snac_eval.environments.raised import told

        while True:
            answer = self._answer(self._came.get())
            try:
                self._wire.send(answer)
            except (TypeError, ValueError) as error:  # It holds what cannot be sent.
                self._wire.send({"error": told(error)})

    def _read(self) -> None:
        # A thread of its own hears at once that the parent is gone, whatever is being computed.
        try:
            while True:
                self._came.put(self._wire.receive())
        finally:
            _end()

    def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        from snac_eval.environments.raised import told

        try:
            module, _, name = request["call"].partition(":")
            return {"value": getattr(import_module(module), name)(**request["arguments"])}
        except BaseException as error:  # noqa: BLE001 - whatever a codec raises is its answer
            return {"error": told(error)}

    def _ask(self, question: str, said: Mapping[str, Any]) -> Any:  # noqa: ANN401
        from snac_eval.environments.raised import heard
        from snac_eval.errors import CodecError

        self._wire.send({"ask": question, "arguments": dict(said)})
        answer = self._came.get()
        if "error" in answer:
            raise heard(answer["error"], CodecError)
        return answer["value"]


class _Finder(MetaPathFinder):
    """Finds one package, and of that only what lies in its own folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:  # noqa: ANN401
        """The package itself; its modules are found by way of it."""
        if fullname != _PACKAGE:
            return None
        where = [str(self._folder)]
        start = self._folder / "__init__.py"
        return spec_from_file_location(fullname, start, submodule_search_locations=where)


def _constraints() -> ModuleType:
    """Stands for a package of annotations, which nothing looks at here."""
    module = ModuleType("annotated_types")
    for name in _CONSTRAINTS:
        setattr(module, name, lambda *_, **__: None)
    return module


def _versions() -> dict[str, str]:
    found = {}
    for name in _TOLD:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _leave(why: str) -> NoReturn:
    print(f"{SAYS}{why}", file=sys.stderr, flush=True)
    os._exit(1)


def _end() -> NoReturn:
    """End this process and what it started, which are a group of their own."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
