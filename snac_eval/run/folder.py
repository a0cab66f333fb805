"""Whose turn it is to write in a run's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from snac_eval.errors import OutputError, SnacEvalError, UsageError, one_line
from snac_eval.writing import clear_temporaries

LOCK_FILE = ".lock"


@contextmanager
def writing_aside(folder: Path) -> Iterator[str]:
    """Hold the folder of a run that may be written in; else give the reason why it may not.

    Raises nothing: what is asked of a reader needs no folder that can be written.
    """
    with ExitStack() as stack:
        problem = ""
        try:
            stack.enter_context(only_writer(folder))
        except SnacEvalError as error:
            problem = one_line(error)
        yield problem


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made where it is not there, and clear what killed writers left.

    The system lets go of it when this process dies. Raises UsageError where another process holds
    it, OutputError where it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise UsageError(
            f"{folder}: another run is writing here; wait for its end, or choose another --output"
        ) from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot write here: {error.strerror}") from error
    try:
        clear_temporaries(folder)
        yield
    finally:
        # Removed before it is let go: whoever has opened it by then sees that it is gone.
        with suppress(OSError):
            (folder / LOCK_FILE).unlink()
        lock.release()
