"""A signal ends a run once, is never lost, and never comes out as a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from snac_eval.errors import Interrupted
from snac_eval.run import interrupts

FATE = "import os, signal, sys; from snac_eval.run import interrupts; interrupts.install()\n"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers = {name: signal.getsignal(getattr(signal, name)) for name in interrupts.ALL}
    yield
    for name, handler in handlers.items():
        signal.signal(getattr(signal, name), handler)
    interrupts._STATE.received = 0


def _strike(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def test_ctrl_c_is_told_from_a_plugins_exception() -> None:
    with pytest.raises(Interrupted) as raised, interrupts.catching():
        _strike()
    assert raised.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert interrupts.received() == 0


def test_signal_whose_exception_was_swallowed_is_raised_at_the_next_check() -> None:
    with interrupts.catching():
        interrupts.check()
        with suppress(BaseException):
            _strike()
        with pytest.raises(Interrupted):
            interrupts.check()


def test_held_block_ends_before_the_signal_is_raised() -> None:
    done = []

    def finish() -> None:
        with interrupts.held():
            _strike()
            done.append(True)

    with interrupts.catching(), pytest.raises(Interrupted):
        finish()
    assert done == [True]


def test_what_was_raised_before_a_held_block_is_not_raised_again() -> None:
    with interrupts.catching():
        with pytest.raises(Interrupted):
            _strike()
        with interrupts.held():
            pass


def test_ignored_signal_stays_ignored_and_other_threads_take_none() -> None:
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.catching():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, old)
    found: list[object] = []

    def look() -> None:
        with interrupts.catching():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [old]


def _fate(body: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FATE + body]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_second_signal_ends_the_program_at_once() -> None:
    later = "interrupts._STATE.since -= 1\n"
    body = (
        "try: os.kill(os.getpid(), signal.SIGTERM)\nexcept BaseException: pass\n"
        f"os.kill(os.getpid(), signal.SIGTERM); print('the same')\n{later}sys.stdout.flush()\n"
        "os.kill(os.getpid(), signal.SIGTERM); print('not reached')\n"
    )
    done = _fate(body)
    assert (done.returncode, done.stdout, done.stderr) == (143, "the same\n", "")


@pytest.mark.parametrize(
    "how",
    [
        "raise ImportError('numpy is broken') from None",
        "pass",
        "raise",
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_during_an_import_decides_the_exit_code(
    how: str, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from snac_eval import __main__
    from snac_eval.cli import main

    def imports(*_: object) -> int:
        try:
            _strike(number)
        except BaseException:
            if how == "raise":
                raise
            if how != "pass":
                raise ImportError("numpy is broken") from None
        return 0

    monkeypatch.setattr(main, "main", imports)
    monkeypatch.setattr(interrupts._STATE, "is_held", False)
    monkeypatch.setattr(interrupts._STATE, "ends_at_once", False)
    assert __main__.entry() == 128 + number
    assert capsys.readouterr().err == ""
