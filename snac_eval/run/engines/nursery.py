"""A process that starts the others, watches them, and ends them with itself.

It does nothing else, so it hears at once that a child ended or that its own parent is gone. Workers
fork from it on Linux, after it has loaded what they need, unless that started a thread; elsewhere,
and for a codec that has a process to itself, a new interpreter is started. Only the standard
library is imported here.

Why not multiprocessing: its children run the user's script once more, and need named semaphores, a
short TMPDIR and a parent that is no daemon; and they share one pipe, which a killed one can leave
half written.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from snac_eval.run.engines.page import Page

REQUEST = struct.Struct("!cI")
REPORT = struct.Struct("!cIi")
CODER, SINGLE, WORKER, KILL, LOAD = b"c", b"s", b"w", b"k", b"l"
HELLO, ENDED, FAILED = b"h", b"e", b"f"
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_FORKS = sys.platform == "linux"
_SET_DEATH_SIGNAL = 1


def command(fd: int, serves: str, arguments: Sequence[str] = ()) -> list[str]:
    """Arguments that start an interpreter in which ``serves``, a function here, gets ``fd``.

    It finds modules where this process finds them.
    """
    # Where not even this can be imported, its end says so, and nobody reads a traceback.
    code = (
        f"import os, sys; sys.path[:] = {sys.path!r}\n"
        f"try: from {__name__} import {serves} as serve\n"
        "except BaseException: os._exit(1)\n"
        f"serve({fd}, {os.getpid()}, {list(arguments)!r})"
    )
    # -P: no module of the current folder stands before those of sys.path.
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [_python(), *flags, "-P", "-c", code]


def _python() -> str:
    from multiprocessing import spawn

    # Programs that embed Python say there which interpreter to use.
    return os.fsdecode(spawn.get_executable() or "")


def nurse(fd: int, parent: int, modules: Sequence[str]) -> NoReturn:
    """What the nursery runs, from its start to its end."""
    own_environment = dict(os.environ)
    # Read when numpy and numba are imported, which happens after this.
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    with socket.socket(fileno=fd) as control:
        _Nursery(control, modules, own_environment).run(parent)
    os._exit(0)


class _Nursery:
    def __init__(
        self, control: socket.socket, modules: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self._control = control
        self._modules = modules
        self._environment = environment
        self._children: dict[int, int] = {}
        self._woken, self._wake = socket.socketpair()

    def run(self, parent: int) -> None:
        """Serve until the parent is gone or asks to end."""
        for name in ("SIGINT", "SIGHUP"):
            signal.signal(getattr(signal, name), _ignore)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGTERM, self._end)
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        die_with(parent, signal.SIGTERM)
        self._report(HELLO, 0, os.getpid())
        while True:
            ready, _, _ = select.select([self._control, self._woken], [], [])
            if self._woken in ready:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            self._reap()
            if self._control in ready and not self._serve_one():
                self._end()

    def _serve_one(self) -> bool:
        try:
            data, fds, _, _ = socket.recv_fds(self._control, REQUEST.size, 1)
        except OSError:
            return False
        if len(data) < REQUEST.size:
            return False
        what, number = REQUEST.unpack(data)
        if what == KILL:
            for pid in [pid for pid, one in self._children.items() if one == number]:
                kill_tree(pid)
        elif what == LOAD:
            load(self._modules if _FORKS else ())
        else:
            self._start(what, number, fds[0])
        return True

    def _start(self, what: bytes, number: int, fd: int) -> None:
        try:
            if what == WORKER and _FORKS and _has_one_thread():
                pid = self._fork(fd)
            else:
                pid = self._spawn(fd, self._environment if what == CODER else dict(os.environ))
        except OSError as error:
            self._report(FAILED, number, error.errno or 0)
        else:
            self._children[pid] = number
        finally:
            os.close(fd)

    def _fork(self, fd: int) -> int:
        parent = os.getpid()
        if pid := os.fork():
            return pid
        try:
            signal.set_wakeup_fd(-1)
            for one in (self._control, self._wake, self._woken):
                one.close()
            be_a_child(fd, parent)
        finally:
            os._exit(1)

    def _spawn(self, fd: int, environment: Mapping[str, str]) -> int:
        os.set_inheritable(fd, True)
        arguments = command(fd, be_a_child.__name__)
        return os.posix_spawn(arguments[0], arguments, environment)

    def _reap(self) -> None:
        for pid, code in _ended(self._children):
            self._report(ENDED, self._children.pop(pid), code)

    def _report(self, what: bytes, number: int, value: int) -> None:
        with suppress(OSError):
            self._control.sendall(REPORT.pack(what, number, value))

    def _end(self, *_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, _ignore)
        for pid in self._children:
            kill_tree(pid)
        deadline = time.monotonic() + 1
        while self._children and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.002)
        os._exit(0)


def _has_one_thread() -> bool:
    """Whether nothing that was loaded started a thread: a fork would be without it."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return threading.active_count() == 1


def _ended(pids: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Those that ended, with their exit codes (negative: the signal), and nothing left of them."""
    for pid in list(pids):
        if hasattr(os, "waitid"):  # A child whose number is still taken: its group is surely its.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            kill_tree(pid)
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            yield pid, os.waitstatus_to_exitcode(status)


def kill_tree(pid: int) -> None:
    """End a child of this process and what it started in turn, groups of their own among it: a
    program that encodes a clip has one."""
    for one in (pid, *_descendants(pid)):
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                kill(one, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """Processes that this one started, and those that they did (Linux; none elsewhere)."""
    children: dict[int, list[int]] = {}
    with suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found = list(children.get(pid, ()))
    for one in found:
        found += children.get(one, ())
    return found


def be_a_child(fd: int, parent: int, _: Sequence[str] = ()) -> NoReturn:
    """Do what comes over the socket ``fd``: a page's file, a function and its arguments."""
    from multiprocessing.connection import Connection

    # A group of its own, so that what it starts ends with it. The parent alone decides when.
    with suppress(OSError):
        os.setsid()
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD"):
        number = getattr(signal, name)
        signal.signal(number, signal.SIG_DFL if name == "SIGCHLD" else _ignore)
    die_with(parent, signal.SIGKILL)
    os.set_inheritable(fd, False)
    code = 1
    try:
        page = _received(fd)
        connection = Connection(fd)
        serve, arguments = connection.recv()
        serve(connection, page, *arguments)
        code = 0
    except (EOFError, ConnectionError):
        pass  # The parent wants no more.
    except BaseException as error:  # noqa: BLE001 - its exit code says that it failed
        print(f"snac-eval: a process of the run failed: {error!r}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)


def _received(fd: int) -> Page:
    ours = socket.socket(fileno=fd)
    try:
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    finally:
        ours.detach()
    if not fds:
        raise EOFError
    page = Page(fds[0])
    os.close(fds[0])
    return page


def load(modules: Sequence[str]) -> None:
    """Import what work needs. What is missing, or fails, says so itself in every score."""
    for module in modules:
        with suppress(Exception, SystemExit, KeyboardInterrupt):
            importlib.import_module(module)


def die_with(parent: int, how: signal.Signals) -> None:
    """Get this signal when the parent ends (Linux), or end within a second (elsewhere)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, how, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def _ignore(_: int, __: FrameType | None) -> None:
    """Unlike SIG_IGN, not handed on to programs that a plugin starts."""
