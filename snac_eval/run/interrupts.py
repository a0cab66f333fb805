"""Signals that ask this program to end: Ctrl-C, SIGTERM, SIGHUP.

Each is raised once, as :class:`snac_eval.errors.Interrupted`, in the main thread. What a plugin
raises itself is a plain KeyboardInterrupt, so the two cannot be taken for each other. Only the
standard library is imported here: the command line installs these before it imports anything else.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager

from snac_eval.errors import Interrupted

TYPE_CHECKING = False  # Importing typing takes as long as all the rest.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

ALL = ("SIGINT", "SIGTERM", "SIGHUP")
_SAME_S = 0.3


class _State:
    """One for the process, as the signals' handlers are."""

    received = 0
    since = 0.0
    ends_at_once = False
    is_held = False


_STATE = _State()


def install() -> None:
    """Take all three for the rest of this process; a second one ends it at once, by its number.

    A signal that the process was started to ignore (``nohup``) stays ignored.
    """
    _STATE.ends_at_once = True
    for name in ALL:
        _take(name)


@contextmanager
def catching() -> Iterator[None]:
    """Take Ctrl-C while the block runs, if this is the main thread and nobody here has it yet."""
    old = _take("SIGINT")
    try:
        yield
    finally:
        if old is not None:
            signal.signal(signal.SIGINT, old)
            _STATE.received = 0


@contextmanager
def held() -> Iterator[None]:
    """Let the block end before a signal that comes in it is raised."""
    before, was_held = _STATE.received, _STATE.is_held
    _STATE.is_held = True
    try:
        yield
    finally:
        _STATE.is_held = was_held
    if _STATE.received != before and not was_held:
        raise Interrupted(_STATE.received)


def hold() -> None:
    """Raise nothing from now on: the program is about to end. A second signal still ends it."""
    _STATE.is_held = True


def received() -> int:
    """The signal that came, 0 where none did."""
    return _STATE.received


def check() -> None:
    """Raise a signal whose exception was lost in code that swallows every exception."""
    if _STATE.received:
        raise Interrupted(_STATE.received)


def _take(name: str) -> Any:  # noqa: ANN401 - whatever handled the signal until now
    """The handler that was there; None where the signal is not ours to take."""
    number = getattr(signal, name, None)
    if number is None or threading.current_thread() is not threading.main_thread():
        return None
    old = signal.getsignal(number)
    if old in (None, signal.SIG_IGN, _handle):
        return None
    signal.signal(number, _handle)
    return old


def _handle(number: int, _: FrameType | None) -> None:
    now = time.monotonic()
    if _STATE.received and now - _STATE.since < _SAME_S:
        return  # Whatever started us passes on what the terminal had sent us already.
    if _STATE.received and _STATE.ends_at_once:
        os._exit(128 + number)
    _STATE.received, _STATE.since = number, now
    if not _STATE.is_held:
        raise Interrupted(number)
