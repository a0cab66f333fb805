"""The key of a test as a file: what each name in the published folder stands for."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.errors import UsageError, detail
from snac_eval.listening.shapes import TestKey, key_file
from snac_eval.writing import read_text, write_json

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def write_key(folder: Path, key: TestKey) -> Path:
    """Write the key beside the folder of the test. Raises OutputError where that fails."""
    path = key_file(folder)
    write_json(path, json.loads(json.dumps(asdict(key), default=dict)))
    return path


def read_key(folder: Path) -> TestKey:
    """The key of the test in this folder. Raises UsageError where there is none that can be read,
    and where the folder has no name (``.``): give its absolute path."""
    path = key_file(folder)
    try:
        return _adapter().validate_json(read_text(path))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: not there; it belongs beside the folder that `listen make` wrote"
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: no key of a listening test: {detail(error)}") from error


@cache
def _adapter() -> TypeAdapter[TestKey]:
    from pydantic import TypeAdapter

    return TypeAdapter(TestKey)
