"""Everything that snac-eval raises on purpose.

Each message is one line for the user: what was wrong, where, and what to do.
The command line prints it and exits with :attr:`SnacEvalError.exit_code`.

    SnacEvalError
    ├── UsageError              a flag, a name or an option that makes no sense
    │   └── UnknownNameError    no codec, dataset or metric of that name
    ├── CardError               a TOML card that cannot be read
    ├── DatasetError            a corpus that is missing, empty or broken
    │   └── DownloadError       a download that failed or did not match its checksum
    ├── AudioError              a file or an array that is no usable audio
    ├── WeightsUnavailable      weights that are neither local, cached nor reachable
    ├── CheckpointError         weights or a configuration that cannot be loaded
    ├── CodecError              a codec that cannot do what was asked
    │   └── CodecLost           a codec that can do nothing any more
    ├── HubError                a repository of the hub that cannot be read or written
    ├── RatingsError            ratings of listeners that cannot be read
    ├── StoreError              a store that is damaged or of another version
    ├── CodesError              a file of codes that is damaged, or of another version or codec
    ├── OutputError             a place that cannot be written
    ├── SubmissionRefused       a submission that does not hold
    ├── UndefinedMetrics        a finished run without a value of a metric that was named
    └── TooManyFailures         a finished run whose failures outnumber what was allowed

:class:`Interrupted` stands apart: a signal ended the program, nothing failed.
"""

from __future__ import annotations

import os
import re
import threading
import traceback
from types import TracebackType
from unicodedata import category

_UNREADABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SECRET_NAME = r"(?:[^?&=#\s]*(?:token|secret|passw|pwd|sig|key|auth|cred|session)[^?&=#\s]*)"
_USER = re.compile(r"(?<=://)[^/?#\s]*@")
_VALUE = r"(?:[^&#\s'\"]*[^&#\s'\":;,.)])?"
_QUERY = re.compile(
    rf"([?&])(?:({_SECRET_NAME})={_VALUE}|([^?&=#\s]+)=[A-Za-z0-9+/=_%-]{{32,}})", re.IGNORECASE
)
_MOST_KEPT = 16
_MOST_CHARACTERS = 8000
_OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_LIBRARY = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")
_PACKAGES = ("site-packages", "dist-packages")
_KEPT = threading.local()
_DIRECTIONS = frozenset((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


class SnacEvalError(Exception):
    """Base of every error that is meant for the user. Exit code 2."""

    exit_code = 2
    """With which the command line ends."""
    trace = ""
    """The traceback of what caused it, where that was in another process."""


class UsageError(SnacEvalError):
    """A flag, a name or an option makes no sense."""


class UnknownNameError(UsageError):
    """No codec, dataset or metric has that name."""


class CardError(SnacEvalError):
    """A TOML card cannot be read or is incomplete."""


class DatasetError(SnacEvalError):
    """A corpus is missing, empty or broken."""


class DownloadError(DatasetError):
    """A download failed or did not match its checksum."""


class AudioError(SnacEvalError):
    """A file or an array is no usable audio."""


class WeightsUnavailable(SnacEvalError):  # noqa: N818 - reads as the state it reports
    """Weights are neither local nor cached nor reachable."""


class CheckpointError(SnacEvalError):
    """Weights or their configuration cannot be loaded."""


class CodecError(SnacEvalError):
    """A codec cannot do what was asked."""


class CodecLost(CodecError):  # noqa: N818 - reads as the state it reports
    """What a codec runs in has ended and cannot be started again: no further clip can be coded."""


class HubError(SnacEvalError):
    """A repository of the hub cannot be read or written, or is not what it should be."""


class RatingsError(SnacEvalError):
    """Ratings or answers of listeners cannot be read, or are not of this test."""


class StoreError(SnacEvalError):
    """A result store is damaged or was written by another version."""


class CodesError(SnacEvalError):
    """A file of codes is damaged, or was written by another version or another codec."""


class OutputError(SnacEvalError):
    """A result cannot be written where it was asked for."""


class SubmissionRefused(SnacEvalError):  # noqa: N818 - reads as the state it reports
    """A submitted result is broken or was tampered with. Exit code 1."""

    exit_code = 1


class UndefinedMetrics(SnacEvalError):  # noqa: N818 - reads as the state it reports
    """The run finished, but a metric that was named is undefined on every clip. Exit code 3."""

    exit_code = 3
    """No score, and nobody's error."""


class TooManyFailures(SnacEvalError):  # noqa: N818 - reads as the state it reports
    """The run finished, but more clips failed than was allowed. Exit code 4."""

    exit_code = 4
    """Scores, but too few of them."""


class Interrupted(KeyboardInterrupt):
    """A signal asked this program to end: Ctrl-C, SIGTERM or SIGHUP. Nothing but its way out may
    catch it; a KeyboardInterrupt that is none of these was raised by a plugin."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        """What a shell reports of a program that this signal ended."""


def one_line(error: BaseException) -> str:
    """An error as one line for the user: its message if it is ours, else its type and message."""
    text = readable(" ".join(str(error).split()))
    if isinstance(error, SnacEvalError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def detail(error: BaseException, limit: int = 200) -> str:
    """The message of another library's error on one line, to stand within a message of ours."""
    return readable(" ".join(str(error).split()))[:limit] or type(error).__name__


def readable(text: object) -> str:
    """Text that every file and terminal can hold, escaped where it is none.

    Bytes of a file's name that are no UTF-8, control characters, line separators and what turns
    the direction of text round are written as Python writes them: ``\\xe0``, ``\\n``, ``\\u202e``.
    Addresses lose their passwords and tokens.
    """
    whole = str(text)
    if "://" in whole:
        whole = redacted(whole)
    return whole if whole.isprintable() else "".join(map(_escaped, whole))


def redacted(text: str) -> str:
    """Text whose addresses name no user, no password and no token.

    >>> redacted("https://me:word@host/a.wav?version=2&token=abc")
    'https://***@host/a.wav?version=2&token=***'
    """
    return _QUERY.sub(
        lambda found: f"{found[1]}{found[2] or found[3]}=***", _USER.sub("***@", text)
    )


def _escaped(char: str) -> str:
    if char.isprintable() or category(char) not in _UNREADABLE:
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if category(char) == "Cf" and code not in _DIRECTIONS:
        return char
    return char.encode("unicode_escape").decode("ascii")


def plain(error: SnacEvalError) -> SnacEvalError:
    """The error without its cause, and of a class that pickles by its message."""
    kind = type(error) if type(error).__module__ == SnacEvalError.__module__ else SnacEvalError
    return kind(one_line(error))


# Tracebacks of what other people's code raised, kept beside the one line that a score says: whoever
# turns an exception into a reason keeps it, whoever sends the reason on takes what was kept.


def keep_trace(error: BaseException) -> None:
    """Keep the traceback of an exception that is not one of ours: those say all in their line."""
    text = trace_of(error)
    kept: list[str] = _KEPT.__dict__.setdefault("traces", [])
    if text and len(kept) < _MOST_KEPT:
        kept.append(text)


def kept_traces() -> tuple[str, ...]:
    """What was kept in this thread since this was last asked."""
    kept = tuple(_KEPT.__dict__.get("traces", ()))
    _KEPT.__dict__["traces"] = []
    return kept


def trace_of(error: BaseException) -> str:
    """The traceback as text, from the first line that is not ours; empty for an error of ours that
    no other one caused."""
    if isinstance(error, SnacEvalError) and error.trace:
        return error.trace
    found: BaseException | None = error
    while isinstance(found, SnacEvalError):
        found = found.__cause__
    if found is None:
        return ""
    lines = traceback.format_exception(type(found), found, _theirs(found.__traceback__))
    text = redacted("".join(lines).rstrip())
    if len(text) <= _MOST_CHARACTERS:
        return text
    half = _MOST_CHARACTERS // 2
    return f"{text[:half]}\n  ... left out ...\n{text[-half:]}"


def portable(error: SnacEvalError) -> SnacEvalError:
    """The error for another process: its traceback is text, and what was added to it is there."""
    found = plain(error)
    found.trace = trace_of(error)
    for line in getattr(error, "__notes__", ()):
        found.add_note(line)
    return found


def place(error: BaseException) -> str:
    """`` (my_codec.py, line 12)``: the last line of a person's own code that led to the error;
    empty where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if is_own(one.filename)]
    if not own:
        return ""
    return f" ({os.path.basename(own[-1].filename)}, line {own[-1].lineno})"


def is_own(file: str) -> bool:
    """Whether a file of Python is a person's own: no part of Python, of a package, or of this
    program."""
    if not file or file.startswith((_OURS, _LIBRARY, "<frozen")):
        return False
    return not any(name in _PACKAGES for name in file.split(os.sep))


def _theirs(trace: TracebackType | None) -> TracebackType | None:
    """The traceback less the frames of ours that it begins with."""
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_OURS):
        first = first.tb_next
    return first or trace
