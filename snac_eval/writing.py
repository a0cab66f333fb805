"""Files that are written whole or not at all: to a temporary name, then moved into place.

Files that are read only if they are files, too, and text that does nothing where it is shown.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snac_eval.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

_CONTROL = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F)]
_CONTROL += range(0x2066, 0x206A)  # as those before: they turn the direction of what follows
_ESCAPED = {code: ascii(chr(code))[1:-1] for code in _CONTROL if chr(code) not in "\n\t"}
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)"
_NUMBERS = re.compile(rf"{_NUMBER}(?: (?:to|±) {_NUMBER})*")
_TEMPORARY = re.compile(r"\..+\.([0-9]{1,9})\.tmp")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of a file. Raises OSError as :func:`require_file` does, ValueError for other bytes.

    Line breaks stay as they are.
    """
    require_file(path)
    return path.read_bytes().decode(encoding)


def require_file(path: Path) -> None:
    """Raise OSError unless this is a file: to read a pipe or a device could last for ever."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:
        raise OSError(errno.EINVAL, "a name with a null byte in it", str(path)) from error
    if stat.S_ISREG(mode):
        return
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
    raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary path beside ``path``, then move it there.

    Once this returns, the file outlives a power cut. A link stays, and the file behind it is
    written. A device or a pipe (``/dev/stdout``) stays too, and gets the content. Raises
    OutputError when the folder or the file cannot be written.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            _write_into(path, write)
        else:
            _write_whole(Path(os.path.realpath(path)), write)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        _to_disk(temporary)
        temporary.replace(path)
        _to_disk(path.parent)
    finally:
        if temporary.exists():
            temporary.unlink()


def _write_into(path: Path, write: Callable[[Path], object]) -> None:
    """What is no file is not moved away: as root, that would replace the device."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        write(whole)
        # A pipe that nobody reads is an error, and not waited for.
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.set_blocking(descriptor, True)
        with open(descriptor, "wb") as stream:
            stream.write(whole.read_bytes())


def clear_temporaries(folder: Path, others_write: bool = False) -> None:
    """Remove what writers that were killed left of :func:`write_file`. Unless ``others_write``,
    nobody else may be writing in this folder; else what processes of this machine that still run
    are writing stays. Raises OutputError where that fails."""
    for path in folder.glob(".*.tmp"):
        found = _TEMPORARY.fullmatch(path.name)
        if found is None or (others_write and _runs(int(found[1]))):
            continue
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed: {error.strerror}") from error


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _to_disk(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows keeps folders by itself, and opens none
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """UTF-8 text, by :func:`write_file`."""
    write_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON for people to read and to diff. Raises OutputError where that fails."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """A table for people's spreadsheets, by :func:`write_file`."""
    safe = frame.map(spreadsheet_text)
    write_file(path, lambda temporary: safe.to_csv(temporary, index=False))


def jsonable(value: Any) -> Any:  # noqa: ANN401 - any dataclass field
    """Plain JSON values of what a dataclass holds: NaN becomes None, paths become text."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def printable(text: str) -> str:
    """Text with its control characters spelled, ``\\x1b``, all but line breaks and tabs.

    A name out of a file can then neither colour, overwrite nor reorder what a terminal shows.
    """
    return text.translate(_ESCAPED)


def spreadsheet_text(value: object) -> object:
    """A cell of CSV: text that a spreadsheet would run as a formula gets an apostrophe before it.

    Numbers stay numbers, whether or not they are text, and so do ranges such as ``-2 to -1``.
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA) or _is_number(value):
        return value
    return f"'{value}"


def _is_number(text: str) -> bool:
    return _NUMBERS.fullmatch(text) is not None
