"""The processes of a run as their parent has them: started, talked to, ended."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from snac_eval.run.engines import nursery
from snac_eval.run.engines.page import Page, open_file

START_LIMIT_S = 60.0
_END_LIMIT_S = 3.0
_BUFFER = 1 << 17


class StartError(Exception):
    """Processes cannot be started here; the message says why."""


@dataclass(slots=True)
class Child:
    """A process of the run."""

    number: int
    connection: Connection
    page: Page
    """What it says it does."""
    exit_code: int | None = None
    """None while it lives; negative where a signal ended it."""
    start_error: int = 0
    """The error number where it could not even be started."""

    @property
    def death(self) -> str:
        """How it ended, for people."""
        if self.start_error:
            return f"could not be started: {os.strerror(self.start_error)}"
        if self.exit_code is None:
            return "was lost"
        if self.exit_code >= 0:
            return f"ended by itself with exit code {self.exit_code}"
        name = signal.Signals(-self.exit_code).name
        return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


class Nursery:
    """Starts children and hears of their ends, through the process of that name.

    ``modules`` are those that workers load. Raises StartError where there can be no processes.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._children: dict[int, Child] = {}
        self._count = 0
        self._has_loaded = False
        self._is_greeted = False
        self.is_lost = False
        """Whether the nursery itself is no more, and with it every child."""
        try:
            ours, theirs = _pair()
        except OSError as error:
            raise StartError(str(error)) from error
        self.control = ours
        with theirs:
            try:
                self._process = subprocess.Popen(
                    nursery.command(theirs.fileno(), nursery.nurse.__name__, modules),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=_standard(1),
                    stderr=_standard(2),
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                ours.close()
                raise StartError(str(error)) from error

    def start_coder(
        self, serve: Callable[..., None], arguments: tuple[Any, ...], may_use_threads: bool
    ) -> Child:
        """A new interpreter that calls ``serve`` with a connection, its page and the arguments."""
        return self._start(nursery.CODER if may_use_threads else nursery.SINGLE, serve, arguments)

    def start_worker(self, serve: Callable[..., None], arguments: tuple[Any, ...]) -> Child:
        """The same, of one thread, and with the modules loaded where that is possible."""
        if not self._has_loaded:
            self._has_loaded = True
            self._ask(nursery.LOAD, 0)
        return self._start(nursery.WORKER, serve, arguments)

    def kill(self, child: Child) -> None:
        """End a child and what it started, and wait until it has ended."""
        if child.exit_code is None and not child.start_error:
            self._ask(nursery.KILL, child.number)
            self.await_end(child)

    def await_end(self, child: Child) -> None:
        """Wait for the report of an end that is certain, but not long."""
        deadline = time.monotonic() + _END_LIMIT_S
        while child.number in self._children and time.monotonic() < deadline:
            if wait([self.control], 0.1) and not self.hear():
                break
        child.connection.close()

    def hear(self) -> bool:
        """Take in one report, when the control is readable. False: the nursery is no more."""
        try:
            data = self.control.recv(nursery.REPORT.size, socket.MSG_WAITALL)
        except OSError:
            data = b""
        if len(data) < nursery.REPORT.size:
            self.is_lost = True
            return False
        what, number, value = nursery.REPORT.unpack(data)
        self._is_greeted = True
        child = self._children.pop(number, None)
        if child is not None and what == nursery.ENDED:
            child.exit_code = value
        elif child is not None:
            child.start_error = value
        return True

    def greet(self) -> None:
        """Wait until it runs. Raises StartError where it does not within a minute."""
        if not self._is_greeted and not (wait([self.control], START_LIMIT_S) and self.hear()):
            raise StartError(f"{sys.executable or 'Python'} could not be started as a process")

    def close(self) -> None:
        """End every child."""
        self.control.close()  # which ends the nursery, and it its children
        for child in self._children.values():
            child.connection.close()
        try:
            self._process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self, what: bytes, serve: Callable[..., None], arguments: tuple[Any, ...]) -> Child:
        self._count += 1
        try:
            fd = open_file()
        except OSError as error:
            raise StartError(str(error)) from error
        try:
            ours, theirs = _pair()
            with theirs:
                with suppress(OSError):  # Its end is reported in its time.
                    socket.send_fds(ours, [b"p"], [fd])
                child = Child(self._count, Connection(ours.detach()), Page(fd))
                self._children[child.number] = child
                self._ask(what, child.number, theirs.fileno())
        except OSError as error:
            raise StartError(str(error)) from error
        finally:
            os.close(fd)
        with suppress(OSError):  # The same.
            child.connection.send((serve, arguments))
        return child

    def _ask(self, what: bytes, number: int, *fds: int) -> None:
        with suppress(OSError):  # Whoever hears finds out that it is gone.
            socket.send_fds(self.control, [nursery.REQUEST.pack(what, number)], fds)


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two ends; none of them is a standard stream's number, which may be free."""
    ends = socket.socketpair()
    for end in ends:  # What is in it at most must fit, so that nobody waits for a busy process.
        if end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < _BUFFER:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    return _moved(ends[0]), _moved(ends[1])


def _moved(end: socket.socket) -> socket.socket:
    if end.fileno() > 2:
        return end
    with end:
        return socket.socket(fileno=fcntl.fcntl(end.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))


def _standard(fd: int) -> int | None:
    """Our own stream for a child, if it is open."""
    try:
        os.fstat(fd)
    except OSError:
        return subprocess.DEVNULL
    return None
