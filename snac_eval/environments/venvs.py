"""Virtual environments: made by ``venv`` and pip, whole or not at all, and removed.

A venv cannot be moved, so it is made where it stays. What was there before waits aside until the
new one is whole, and comes back where that fails. The record is written last: without it nobody
takes the folder for an environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from snac_eval.environments.called import import_problem, installed
from snac_eval.environments.guest import LEAST_PYTHON, Guest, interpreter
from snac_eval.environments.known import KnownEnvironment
from snac_eval.errors import OutputError, SnacEvalError, UsageError, detail, readable
from snac_eval.registry.environments import (
    FOLDER_VARIABLE,
    RECORD,
    MadeEnvironment,
    environments_folder,
    made_environment,
    python_of,
)
from snac_eval.writing import write_json

MAKING = "snac-eval.making"
"""File that is in the folder of an environment until that is whole."""
_LIMIT_S = 600.0
_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
_PIP = ("-I", "-m", "pip", "--disable-pip-version-check", "--no-input")
_UNTOLD = ("ResolutionImpossible", "subprocess-exited-with-error")
_PROBE = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Making:
    """How an environment is to be made."""

    python: str = ""
    """The interpreter of which it is made; empty: this one."""
    pip_arguments: tuple[str, ...] = ()
    """What ``pip install`` gets besides: ``--index-url=...``."""
    overwrite: bool = False
    """Make it anew where it is there already."""


def create(known: KnownEnvironment, how: Making, say: Say = lambda _: None) -> bool:
    """Make an environment, unless it is there and as it should be: then nothing is done, and False
    comes back. ``say`` gets what pip says, line by line.

    Raises UsageError for an interpreter that cannot do that, and SnacEvalError with pip's own
    reason; what was there before is there still.
    """
    name = known.environment.name
    if known.problem:
        raise UsageError(f"environment {name}: {known.problem}")
    with _only_one(name):
        made = made_environment(name)
        if made and python_of(name) and not how.overwrite and not is_outdated(known, made):
            return False
        python = _maker(how.python)
        with _replaced(name) as folder:
            _make(known, how, python, folder, say)
    return True


def is_outdated(known: KnownEnvironment, made: MadeEnvironment) -> bool:
    """Whether it was made of other requirements than are asked for now."""
    return made.requirements != known.environment.requirements


def remove(name: str) -> None:
    """Remove an environment. Raises UsageError for what is none of ours."""
    folder = environments_folder() / name
    if name not in made_names():
        here = f" {folder} was not made by snac-eval" if folder.is_dir() else ""
        meant = get_close_matches(name, made_names(), n=1)
        said = f" did you mean '{meant[0]}'?" if meant else here or _there()
        raise UsageError(f"there is no environment '{readable(name)}';{said}")
    with _only_one(name), _told(folder):
        # First what says that it is whole: nobody starts a worker in half of one.
        (folder / MAKING).touch()
        (folder / RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder)


def made_names() -> list[str]:
    """Names of all that were made, or begun, sorted."""
    try:
        with os.scandir(environments_folder()) as entries:
            names = [one.name for one in entries if one.is_dir() and not one.name.startswith(".")]
    except OSError:
        return []
    root = environments_folder()
    return sorted(n for n in names if any((root / n / file).is_file() for file in (RECORD, MAKING)))


def _there() -> str:
    names = made_names()
    return f" there are {', '.join(names)}" if names else " none was made yet"


def _make(known: KnownEnvironment, how: Making, python: str, folder: Path, say: Say) -> None:
    name = known.environment.name
    say(f"making environment {name} in {folder}")
    there = _python_in(folder)
    # This interpreter's pip knows this interpreter; of another one, nobody can say.
    has_pip = not how.python and find_spec("pip") is not None
    flags = ["--without-pip"] if has_pip else []
    _run(name, "venv", [python, "-I", "-m", "venv", *flags, str(folder)], say)
    pip = [python, *_PIP, "--python", there] if has_pip else [there, *_PIP]
    install = [*pip, "install", "--progress-bar=off", *how.pip_arguments]
    _run(name, "pip", [*install, "--", *known.together], say)
    if known.alone:
        _run(name, "pip", [*install, "--no-deps", "--", *known.alone], say)
    record = _tried(known, how, python, there)
    write_json(folder / RECORD, asdict(replace(record, size_bytes=_size(folder))))
    (folder / MAKING).unlink()


def _tried(known: KnownEnvironment, how: Making, python: str, there: str) -> MadeEnvironment:
    """What the record will say, by a worker that was started there and imported what is to be."""
    name = known.environment.name
    try:
        guest = Guest(there)
        with closing(guest):
            modules = {"modules": list(known.imports)}
            problem = guest.call(_name_of(import_problem), modules, _LIMIT_S, doing="importing")
            packages = guest.call(_name_of(installed), {}, _LIMIT_S, doing="listing packages")
    except SnacEvalError as error:
        raise SnacEvalError(
            f"environment {name}: no worker serves there: {detail(error)}"
        ) from None
    if problem:
        raise SnacEvalError(
            f"environment {name}: installed, but cannot be imported: {problem}; nothing was kept"
        )
    return MadeEnvironment(
        known.environment.requirements,
        how.pip_arguments,
        made_by=python,
        made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        python=guest.hello.python,
        packages=packages,
    )


def _name_of(function: Callable[..., object]) -> str:
    return f"{function.__module__}:{function.__name__}"


def _maker(python: str) -> str:
    """The interpreter that makes it. Raises UsageError where that cannot."""
    found = interpreter(python) if python else sys.executable
    probe = [found, "-I", "-c", _PROBE]
    try:
        done = subprocess.run(
            probe, capture_output=True, text=True, check=False, env=_variables(), timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"--python {found}: cannot be started: {detail(error)}") from error
    least = ".".join(map(str, LEAST_PYTHON))
    words = done.stdout.split()
    if done.returncode or len(words) != 2 or not all(map(str.isdigit, words)):
        said = done.stderr.strip().splitlines()[-1:] or ["it is no Python"]
        raise UsageError(
            f"--python {found}: cannot make an environment ({readable(said[0])}); name a Python of"
            f" {least} or later that has venv and ensurepip (Debian: python3-venv)"
        )
    if tuple(map(int, words)) < LEAST_PYTHON:
        raise UsageError(f"--python {found}: is Python {'.'.join(words)}, {least} is needed")
    return found


@contextmanager
def _replaced(name: str) -> Iterator[Path]:
    """The folder of an environment that is to be made. Where making it fails, nothing of it is
    left, and what was there before is there again."""
    folder = environments_folder() / name
    before = folder.with_name(f".{name}.before")
    with _told(folder):
        _put_right(folder, before)
        if name in made_names():
            folder.rename(before)
        elif folder.exists():
            raise UsageError(f"{folder} was not made by snac-eval; move it away")
        folder.mkdir(parents=True)
        (folder / MAKING).touch()
    try:
        with _told(folder):
            yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if before.exists():
            before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _put_right(folder: Path, before: Path) -> None:
    """Undo what a process left that was killed while it made this environment."""
    if before.exists() and (folder / RECORD).is_file():
        shutil.rmtree(before)
    elif (folder / MAKING).is_file():
        shutil.rmtree(folder)
    if before.exists():
        before.rename(folder)


@contextmanager
def _only_one(name: str) -> Iterator[None]:
    """Two processes never make one environment together: the second waits."""
    from filelock import FileLock

    root = environments_folder()
    with _told(root):
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / f".{name}.lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder}: {error.strerror or detail(error)}; mend that, or set"
            f" {FOLDER_VARIABLE} to another folder"
        ) from error


def _run(name: str, program: str, command: Sequence[str], say: Say) -> None:
    """Run venv or pip. Raises SnacEvalError with its last line that tells an error."""
    kept: deque[str] = deque(maxlen=200)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_variables(),
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                kept.append(line.strip())
                say(line.rstrip())
        except BaseException:  # This process is to end: what it started does not go on.
            process.terminate()
            raise
    code = process.returncode
    if code:
        raise SnacEvalError(f"environment {name}: {program}: {_reason(kept)}; nothing was kept")


def _reason(lines: Sequence[str]) -> str:
    """The last line that says what went wrong. pip's very last one may only say where to read."""
    told = [line for line in lines if line.lower().startswith("error:")]
    telling = [line for line in told if not any(word in line for word in _UNTOLD)]
    last = (telling or told or [line for line in lines if line])[-1:] or ["it failed"]
    return readable(last[0][len("error:") :].strip() if told else last[0]).rstrip(".")


def _variables() -> dict[str, str]:
    """This process's own, less what makes Python look elsewhere for modules."""
    return {key: value for key, value in os.environ.items() if key not in _OURS}


def _python_in(folder: Path) -> str:
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _size(folder: Path) -> int:
    files = (os.path.join(base, one) for base, _, names in os.walk(folder) for one in names)
    return sum(os.lstat(one).st_size for one in files)
