"""Write result files whole or not at all: to a temporary name, then moved into place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from snac_eval.errors import OutputError


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary path beside ``path``, then move it there.

    Raises OutputError when the folder or the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary.exists():
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """UTF-8 text, by :func:`write_file`."""
    write_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
