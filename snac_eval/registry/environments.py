"""Environments of codecs and metrics that this interpreter cannot hold: where they lie, and which
interpreter runs what.

``snac-eval env create`` makes them; a codec's card names its own, and so does a metric. One that
was made goes before this interpreter, even where this one has the packages too. What is not made
yet is told like a missing extra.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path

from snac_eval.errors import UsageError
from snac_eval.reading.names import user_path
from snac_eval.registry.extras import MissingExtra, missing_extra
from snac_eval.types import CodecCard

FOLDER_VARIABLE = "SNAC_EVAL_ENVIRONMENTS"
"""Environment variable: the folder that holds them, instead of the user's own data folder."""
RECORD = "snac-eval.json"
"""File that is written when all else of an environment is there: without it, it is none yet."""


@dataclass(frozen=True, slots=True)
class MadeEnvironment:
    """What was made, as its record has it."""

    requirements: tuple[str, ...]
    """As they were asked for, in pip's words."""
    pip_arguments: tuple[str, ...] = ()
    made_by: str = ""
    """The interpreter that made it."""
    made_at: str = ""
    python: str = ""
    """Its version."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions by name: all that is installed there."""
    size_bytes: int = 0

    def version(self, package: str) -> str:
        """Of a package; ``absent`` where it is not installed there."""
        from packaging.utils import canonicalize_name

        return self.packages.get(canonicalize_name(package), "absent")


@dataclass(frozen=True, slots=True)
class MissingEnvironment:
    """An environment that was not made."""

    name: str

    @property
    def state(self) -> str:
        """As the lists show it."""
        return f"needs environment {self.name}"

    @property
    def remedy(self) -> str:
        """What to do, for an error message."""
        return f"an environment of its own: {self.command}"

    @property
    def command(self) -> str:
        """What makes it."""
        return f"snac-eval env create {self.name}"


def environments_folder() -> Path:
    """The folder that holds a folder for each of them; it need not be there.

    Raises UsageError where the user has no home folder and named none.
    """
    from platformdirs import user_data_path

    if given := os.environ.get(FOLDER_VARIABLE):
        return user_path(given)
    try:
        folder = user_data_path("snac-eval")
    except RuntimeError:
        folder = Path("~")
    if not folder.is_absolute():  # as older platformdirs leave it
        raise UsageError(
            f"no home folder to keep environments in; set {FOLDER_VARIABLE} to a folder"
        )
    return folder / "environments"


def made_environment(name: str) -> MadeEnvironment | None:
    """The record of an environment; None where it was not made, or not to its end."""
    try:
        found = json.loads((environments_folder() / name / RECORD).read_text(encoding="utf-8"))
        for key in ("requirements", "pip_arguments"):
            found[key] = tuple(found.get(key, ()))
        return MadeEnvironment(**found)
    except (UsageError, OSError, ValueError, TypeError, AttributeError):
        return None


def stamp_of(name: str) -> int:
    """What differs when the environment is made, made anew or removed."""
    try:
        return os.stat(environments_folder() / name / RECORD).st_mtime_ns
    except (UsageError, OSError):
        return 0


def python_of(name: str) -> Path | None:
    """The interpreter of an environment; None where it was not made, or not to its end."""
    try:
        folder = environments_folder() / name
    except UsageError:  # Then none can have been made.
        return None
    found = folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"
    return found if found.is_file() and (folder / RECORD).is_file() else None


def interpreter_of(card: CodecCard) -> str:
    """The interpreter that a card's codec runs in: the card's own, or that of its environment once
    it was made. Empty: this one."""
    made = python_of(card.environment) if card.environment else None
    return card.python or ("" if made is None else str(made))


def lacking(
    entry: EntryPoint, environment: str = "", python: str = ""
) -> MissingExtra | MissingEnvironment | None:
    """What must be made or installed before the entry point can work; None: nothing.

    Args:
        entry: whose extras count where it runs in this interpreter.
        environment: the name of its environment, empty where it has none.
        python: the interpreter that somebody named for it, empty where nobody did.
    """
    if python or (environment and python_of(environment)):
        return None
    missing = missing_extra(entry)
    if environment and (missing is not None or not entry.extras):
        return MissingEnvironment(environment)
    return missing


def require_there(what: str, entry: EntryPoint, environment: str = "", python: str = "") -> None:
    """Raise UsageError, which says what makes or installs it, unless ``what`` can work here;
    otherwise as :func:`lacking`."""
    if (missing := lacking(entry, environment, python)) is not None:
        raise UsageError(f"{what} needs {missing.remedy}")
