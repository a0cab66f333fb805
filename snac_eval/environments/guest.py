"""A worker in another interpreter, as the process that started it has it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snac_eval.environments import worker
from snac_eval.environments.raised import heard, told
from snac_eval.environments.wire import PROTOCOL, Closed, Garbage, Overdue, Wire
from snac_eval.errors import CodecError, SnacEvalError, UsageError, detail, readable
from snac_eval.reading.names import user_path

LEAST_PYTHON = (3, 11)
WORKER_SAYS = worker.SAYS
START_LIMIT_S = 60.0
"""Seconds within which an interpreter must have started and imported NumPy."""
_END_LIMIT_S = 3.0
_MOST_SAID, _MOST_KEPT = 1 << 14, 1 << 22
# These make an interpreter look for modules where this one does.
_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
Answers = Mapping[str, Callable[..., Any]]


class GuestLost(SnacEvalError):  # noqa: N818 - a state that its owner turns into a reason
    """The worker ended, or was ended, before it answered; the message says how."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a worker says first."""

    python: str
    executable: str
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of NumPy, and of torch where it is there."""

    def facts(self) -> dict[str, Any]:
        """As a manifest holds it."""
        return {"python": self.python, "executable": self.executable, **self.packages}


class Guest:
    """Another interpreter that calls functions of this package.

    ``python`` is a path, or a name on PATH. ``answers`` are what its questions call, by their
    names. Raises UsageError where it is no Python that can do that, or is not ready in time.
    """

    def __init__(
        self, python: str, answers: Answers | None = None, start_limit_s: float = START_LIMIT_S
    ) -> None:
        self.python = interpreter(python)
        self._answers = answers or {}
        self._lock = threading.Lock()
        self._said = _scratch()
        weakref.finalize(self, os.close, self._said)
        self._owner = os.getpid()
        try:
            self._process, self._wire = _started(self.python, self._said)
        except OSError as error:
            raise UsageError(
                f"{self.python}: cannot be started: {error.strerror or error}"
            ) from error
        self._finalizer = weakref.finalize(self, _end, self._process, self._owner)
        self.hello = self._greeted(start_limit_s)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._owner == os.getpid() and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def call(
        self,
        function: str,
        arguments: Mapping[str, Any],
        limit_s: float,
        doing: str = "",
        answers: Answers | None = None,
    ) -> Any:  # noqa: ANN401
        """What ``module:function`` gives there, called with these arguments by name: what JSON
        holds, bytes and arrays. ``answers`` are for what it alone asks.

        Raises what that raised, as CodecError where it is no error of ours, or GuestLost, with the
        reason, once the process has ended: by itself, because it took longer than ``limit_s``
        seconds since it was asked, or since it asked, or because it wrote what is no answer.
        ``doing``, such as ``loading``, is what the reason says it was at.
        """
        doing = doing or function
        request = {"call": function, "arguments": arguments}
        with self._lock:
            try:
                answer = self._answer_to(request, limit_s, {**self._answers, **(answers or {})})
            except Overdue:
                late = f"took longer than {limit_s:g} s over {doing} and was stopped"
                raise self._lost(late) from None
            except Closed:
                raise self._lost(f"{self._death()} while {doing}") from None
            except Garbage as garbage:
                raise self._lost(f"wrote what {garbage}") from None
            except BaseException:  # half a conversation cannot be gone on with
                self.close()
                raise
        if "error" in answer:
            raise heard(answer["error"], CodecError)
        return answer.get("value")

    def close(self) -> None:
        """End it and what it started."""
        self._finalizer()

    def _answer_to(
        self, request: Mapping[str, Any], limit_s: float, answers: Answers
    ) -> dict[str, Any]:
        self._wire.send(request, deadline := time.monotonic() + limit_s)
        while "ask" in (answer := self._wire.receive(deadline)):
            said = _answered(answer, answers)  # A download has limits of its own.
            self._wire.send(said, deadline := time.monotonic() + limit_s)
        if os.fstat(self._said).st_size > _MOST_KEPT:
            os.ftruncate(self._said, 0)
        return answer

    def _greeted(self, limit_s: float) -> Hello:
        try:
            hello = self._wire.receive(time.monotonic() + limit_s)["hello"]
            there = hello["protocol"]
            found = Hello(hello["python"], hello["executable"], hello["packages"])
        except Overdue:
            why = f"was not ready after {limit_s:g} s"
        except Closed:
            why = self._death()
        except (Garbage, KeyError, TypeError):
            why = "is no Python: it wrote something else than an answer"
        else:
            if there == PROTOCOL:
                return found
            why = f"speaks version {there} of the protocol, this is version {PROTOCOL}"
        reason = self._lost(why)
        raise UsageError(
            f"{self.python}: {reason}; name a Python of"
            f" {'.'.join(map(str, LEAST_PYTHON))} or later that has NumPy"
        )

    def _death(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_LIMIT_S)
        code = self._process.returncode
        if code is None:
            return "closed its pipes"
        if code >= 0:
            return f"ended by itself with exit code {code}"
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")

    def _lost(self, how: str) -> GuestLost:
        """The reason, with what it wrote last."""
        self.close()
        said = self._last_words()
        return GuestLost(f"{how} ({said})" if said else how)

    def _last_words(self) -> str:
        fd = self._said
        size = os.fstat(fd).st_size
        text = os.pread(fd, _MOST_SAID, max(0, size - _MOST_SAID)).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        mine = [line for line in lines if line.startswith(WORKER_SAYS)]
        if mine:
            return readable(mine[-1].removeprefix(WORKER_SAYS))
        return readable(detail(Exception(lines[-1]))) if lines else ""


def _answered(asked: Mapping[str, Any], answers: Answers) -> dict[str, Any]:
    try:
        return {"value": answers[asked["ask"]](**asked["arguments"])}
    except Exception as error:  # noqa: BLE001 - it is told to whoever asked
        return {"error": told(error)}


def interpreter(python: str) -> str:
    """The path of an interpreter. Raises UsageError where there is no such file."""
    path = user_path(python)
    if os.sep not in python and not os.path.isfile(path):
        from shutil import which

        path = Path(which(python) or python)
    if not os.path.isfile(path):
        kind = "is a folder" if os.path.isdir(path) else "no such file"
        raise UsageError(f"{readable(python)}: {kind}; name an interpreter, such as DIR/bin/python")
    # A venv's is a link, and what it is found by says which venv it is: links stay.
    return os.path.abspath(path)


def _scratch() -> int:
    """A file without a name for what it prints, which can be cut off while it is being written."""
    fd, name = tempfile.mkstemp(prefix="snac-eval-worker-")
    os.unlink(name)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd


def _started(python: str, said: int) -> tuple[subprocess.Popen[bytes], Wire]:
    there, back = os.pipe(), os.pipe()
    to_it, from_it = _shared_files()
    theirs = (there[0], back[1], to_it, from_it)
    process = None
    try:
        process = subprocess.Popen(
            [python, "-c", _code(), *map(str, theirs)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=[fd for fd in theirs if fd >= 0],
            env=_environment(python),
            start_new_session=True,
        )
    finally:
        # What the worker alone has ends with it, so that its end is heard.
        _close((there[0], back[1], *(() if process else (there[1], back[0], to_it, from_it))))
    wire = Wire(back[0], there[1], from_it, to_it)
    weakref.finalize(wire, _close, (back[0], there[1], to_it, from_it))
    return process, wire


def _shared_files() -> tuple[int, int]:
    """Two files in memory that have no name, so that nothing is left of them; -1 where the system
    has no such files."""
    if not hasattr(os, "memfd_create"):
        return -1, -1
    try:
        return os.memfd_create("snac-eval-there"), os.memfd_create("snac-eval-back")
    except OSError:
        return -1, -1


def _close(fds: tuple[int, ...]) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)


def _code() -> str:
    """What the interpreter is given: any Python understands it, and says where it is too old."""
    least = ".".join(map(str, LEAST_PYTHON))
    return (
        "import sys\n"
        f"if sys.version_info < {LEAST_PYTHON}:\n"
        f"    sys.exit('{WORKER_SAYS}is Python %d.%d, {least} is needed' % sys.version_info[:2])\n"
        "pipes = [int(one) for one in sys.argv[1:]]\n"
        "sys.argv[1:], sys.path[:] = [], [one for one in sys.path if one]\n"
        f"names = {{'__name__': 'snac_eval_worker', '__file__': {worker.__file__!r}}}\n"
        "with open(names['__file__'], encoding='utf-8') as file:\n"
        "    code = compile(file.read(), names['__file__'], 'exec')\n"
        "exec(code, names)\n"
        "names['serve'](*pipes)\n"
    )


def _environment(python: str) -> dict[str, str]:
    """This process's own, less what would have Python look where this one looks; the programs of
    the other environment come first."""
    found = {key: value for key, value in os.environ.items() if key not in _OURS}
    own = os.environ.get("PATH", os.defpath)
    return found | {"PATH": os.pathsep.join((os.path.dirname(python), own))}


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:  # a fork's copy
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_LIMIT_S)
