"""Standard output and error that lose text rather than a run.

A reader that stops listening, a full disk, a stream that was closed before the program began or one
that cannot carry a character: none of them ends a command. What is lost is told at the end.
"""

from __future__ import annotations

import codecs
import errno
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO, cast

from snac_eval.writing import printable

_PLAIN = {
    "–": "-",
    "—": "-",
    "−": "-",
    "±": "+/-",
    "×": "x",
    "→": "->",
    "↑": "^",
    "↓": "v",
    "≠": "!=",
    "≤": "<=",
    "≥": ">=",
    "…": "...",
    "·": ".",
    "µ": "u",
    "μ": "u",
    "†": "#",
    "─": "-",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "\N{NO-BREAK SPACE}": " ",
}
"""What stands for our own signs where the stream cannot carry them."""


class Guarded:
    """A text stream that never raises. The first write that fails is its last."""

    def __init__(self, stream: TextIO, data_is_escaped: bool) -> None:
        """``data_is_escaped``: show control characters as text; a bar needs them as they are."""
        self.stream = stream
        self.problem: OSError | None = None
        self._escapes = data_is_escaped

    @property
    def lost(self) -> str:
        """Why text was lost; empty where all arrived, or the reader wanted no more."""
        if self.problem is None or self.problem.errno == errno.EPIPE:
            return ""
        return self.problem.strerror or str(self.problem)

    def write(self, text: str) -> int:
        """Write what the stream can carry of the text. Gives its length."""
        if self.problem is None:
            try:
                self.stream.write(self._carried(printable(text) if self._escapes else text))
            except OSError as error:
                self._give_up(error)
        return len(text)

    def write_styled(self, text: str) -> None:
        """Write text whose control characters are ours: whoever made it escaped every name."""
        escapes, self._escapes = self._escapes, False
        try:
            self.write(text)
        finally:
            self._escapes = escapes

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Send what is buffered."""
        if self.problem is None:
            try:
                self.stream.flush()
            except OSError as error:
                self._give_up(error)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a stream
        return getattr(self.stream, name)

    def _carried(self, text: str) -> str:
        encoding = self.stream.encoding or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            return text.encode(encoding, _ERRORS).decode(encoding)
        return text

    def _give_up(self, error: OSError) -> None:
        self.problem = error
        try:
            # What is buffered would fail again, with a message, when Python ends.
            _to_nowhere(self.stream.fileno())
        except (OSError, ValueError):
            return  # not a file of the system: nothing is buffered there


@dataclass(frozen=True, slots=True)
class Screen:
    """What standard output can show."""

    width: int
    """In columns: the terminal's, else $COLUMNS, else 120."""
    is_terminal: bool
    colour: bool
    """Whether it is a terminal that shows bold; never under $NO_COLOR."""


def screen() -> Screen:
    """What standard output is."""
    is_terminal = sys.stdout.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Screen(
        shutil.get_terminal_size((120, 24)).columns, is_terminal, is_terminal and not plain
    )


def print_styled(text: str) -> None:
    """Print text whose control characters are ours, such as a table with bold in it."""
    output = sys.stdout
    write = output.write_styled if isinstance(output, Guarded) else output.write
    write(text)


@contextmanager
def guarded() -> Iterator[Guarded]:
    """Guard ``sys.stdout`` and ``sys.stderr`` meanwhile. Yields the former."""
    _fill_closed()
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        # Python has None for a stream that was closed when it started.
        output = Guarded(cast("TextIO | None", sys.stdout) or nowhere, data_is_escaped=True)
        errors = Guarded(cast("TextIO | None", sys.stderr) or nowhere, data_is_escaped=False)
        sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
        try:
            yield output
        finally:
            output.flush()
            errors.flush()
            sys.stdout, sys.stderr = before


def _fill_closed() -> None:
    """Open the null device where a standard stream is closed: else the next file that is opened
    gets its number, and a library's message lands in a store."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(opened, True)


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _plain_signs(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or _spelled(sign) for sign in lost), error.end


def _spelled(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode("ascii")


_ERRORS = "snac_eval.plain_signs"
codecs.register_error(_ERRORS, _plain_signs)
