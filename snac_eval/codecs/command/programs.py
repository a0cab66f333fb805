"""Programs: found, run to their end or to a limit, and told apart."""

from __future__ import annotations

import hashlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from snac_eval import audio
from snac_eval.errors import CodecError, readable

_TAIL = 1 << 13
_SHOWN = 300
_LAST_LINES = 2
_POLL_S = 0.05
_VERSION_LIMIT_S = 20.0
# Of this process and not of the programs: its own settings, its Python's, what is secret.
_OWN = ("SNAC_EVAL_", "PYTHON", "PYTEST_", "COV_")
_SECRET = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "ACCESS_KEY")


def found(program: str) -> str:
    """The program's file. Empty where there is none; a name with a slash is a path."""
    if os.sep not in program:
        return shutil.which(program) or ""
    path = Path(program).expanduser().absolute()
    return str(path) if path.is_file() and os.access(path, os.X_OK) else ""


def lacking(programs: Iterable[str]) -> str:
    """What is missing of the programs, in a few words; empty where all are there."""
    for program in programs:
        if not found(program):
            is_there = os.sep in program and Path(program).expanduser().exists()
            reason = " (no program: chmod +x it, or name its interpreter)" if is_there else ""
            return f"needs program {readable(program)}{reason}"
    return ""


def own_files(words: Sequence[str]) -> list[str]:
    """The words, each that names a file made absolute: a program runs in another folder."""
    program, *rest = words
    files = (_file_of(word) for word in rest)
    return [
        found(program) or program,
        *(file or word for file, word in zip(files, rest, strict=True)),
    ]


def _file_of(word: str) -> str:
    """The path of the file that a word names; empty where it names none. A bare word, such as 12,
    is never one."""
    path = Path(word)
    if os.sep not in word and not path.suffix[1:2].isalpha():
        return ""
    with suppress(OSError, ValueError):
        return str(path.absolute()) if path.is_file() else ""
    return ""


def digests(words: Sequence[str], but: Collection[str]) -> Iterator[str]:
    """The words that name a program or another file, scripts and weights among them, with the
    beginning of its digest; not the program where it is one of ``but``."""
    files = ["" if words[0] in but else found(words[0]), *map(_file_of, words[1:])]
    for word, file in zip(words, files, strict=True):
        if file:
            yield f"{word}={audio.file_sha256(Path(file))[:16]}"


def version_of(who: str, words: Sequence[str], folder: Path) -> str:
    """The first line that a program prints, and a digest of all where there are more.

    Raises CodecError where it cannot be run.
    """
    said = run(who, own_files(words), folder, _VERSION_LIMIT_S, 0).strip()
    lines = said.splitlines()
    if not lines:
        raise CodecError(f"{who}: {' '.join(words)} prints no version; leave 'version' out")
    rest = f" {hashlib.sha256(said.encode()).hexdigest()[:16]}" if len(lines) > 1 else ""
    return f"{readable(lines[0].strip())}{rest}"


def run(who: str, words: Sequence[str], folder: Path, time_limit_s: float, num_threads: int) -> str:
    """What a program prints, at most its last few thousand characters.

    It runs in ``folder``, with no input and in a process group of its own. The group is ended with
    it, at the limit, and where an exception (Ctrl-C) ends the wait. Raises CodecError, which says
    the last lines of its standard error, where it cannot be started, fails or takes too long.
    """
    name = readable(os.path.basename(words[0]))
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=_environment(folder, num_threads),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        raise CodecError(f"{who}: {name} cannot be started: {reason}") from error
    with process:
        try:
            printed, complaints = _listened(process, time.monotonic() + time_limit_s)
            ended = process.returncode is not None
        finally:
            _end(process)
    last = _last_lines(complaints or printed)
    if not ended:
        raise CodecError(
            f"{who}: {name} took more than {time_limit_s:g} s (time_limit_s) and was ended{last}"
        )
    if process.returncode:
        raise CodecError(f"{who}: {name} {_how(process.returncode)}{last}")
    return (printed or complaints).decode(errors="replace")


def _listened(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
    """The ends of standard output and error, once the process has ended or the time is up.

    What it left running may keep them open: nobody waits for that.
    """
    tails = {process.stdout: b"", process.stderr: b""}
    with selectors.DefaultSelector() as waiting:
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map() and (left := deadline - time.monotonic()) > 0:
            ready = waiting.select(min(left, _POLL_S))
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                tails[key.fileobj] = (tails[key.fileobj] + data)[-_TAIL:]  # type: ignore[index]
                if not data:
                    waiting.unregister(key.fileobj)
            if not ready and process.poll() is not None:
                break
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))
    return tails[process.stdout], tails[process.stderr]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started and left in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _environment(folder: Path, num_threads: int) -> Mapping[str, str]:
    """Ours, without what is no concern of a codec, in a language whose numbers have a point."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OWN) and not any(word in name.upper() for word in _SECRET)
    }
    threads = {"OMP_NUM_THREADS": str(num_threads)} if num_threads else {}
    return {**kept, **threads, "LC_ALL": "C.UTF-8", "TMPDIR": str(folder)}


def _how(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _last_lines(printed: bytes) -> str:
    lines = [" ".join(line.split()) for line in printed.decode(errors="replace").splitlines()]
    last = " / ".join(list(filter(None, lines))[-_LAST_LINES:])
    return f": {readable(last)[-_SHOWN:]}" if last else ""
