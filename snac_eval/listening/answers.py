"""The file that answers are collected in: a line for each answered trial, whole or not there.

Whoever got 200 for an answer finds it in the file once, whatever happens to this process later, and
however often the page sends it again.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from snac_eval.errors import OutputError, UsageError, readable
from snac_eval.results.listeners.answers import Key, KeyTrial
from snac_eval.writing import require_file

MAX_POST_BYTES = 64 * 1024
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_ANSWERS_PER_TRIAL = 40
"""Of one listener: repeats of ABX, and some who begin anew."""
_RANGES = {"mushra": (0.0, 100.0), "mos": (1.0, 5.0), "abx": (0.0, 0.0)}
_START = b'{"id": "'  # of every line
_BLOCK = 65536

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{6,64}$")]
_Text = Annotated[str, StringConstraints(max_length=200)]


class PostedAnswer(BaseModel):
    """What the page posts: an :class:`~snac_eval.listening.shapes.Answer` with a name of its own,
    by which one that comes twice is known."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    id: _Name
    test: _Text
    listener: _Name
    trial: _Text
    ratings: dict[_Text, float]
    chosen: _Text = ""
    correct: bool | None = None
    seconds: float = Field(ge=0, le=1e6)
    place: int = Field(ge=1, le=100_000)


@dataclass(frozen=True, slots=True)
class Reply:
    """How a post is answered: a status of HTTP, and why."""

    status: int
    words: str


class AnswersFile:
    """The file, open for this process alone; see :func:`collecting`. Safe among threads."""

    def __init__(self, path: Path, key: Key, descriptor: int) -> None:
        self._path, self._key, self._descriptor = path, key, descriptor
        self._trials = {name: one for name, one in key.trials.items() if not one.is_training}
        self._most = MAX_ANSWERS_PER_TRIAL * len(self._trials)
        self._known: dict[str, PostedAnswer] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._size = 0
        self.on_change: Callable[[], object] = lambda: None

    @property
    def num_answers(self) -> int:
        """Answered trials in the file."""
        return len(self._known)

    @property
    def num_listeners(self) -> int:
        """Who gave them."""
        return len(self._counts)

    def keep(self, body: bytes) -> Reply:
        """Write what was posted, and return when the disk has it: 200. Else why not."""
        try:
            answer = PostedAnswer.model_validate_json(body)
        except ValidationError as error:
            return Reply(400, _first(error))
        if problem := self._problem(answer):
            return Reply(400, problem)
        with self._lock:
            return self._keep(answer)

    def _problem(self, answer: PostedAnswer) -> str:
        """What does not fit the key; empty if all does."""
        if answer.test != self._key.test:
            return "test: these are answers to another test"
        trial = self._trials.get(answer.trial)
        if trial is None:
            return f"trial: {answer.trial!r} is no trial of this test that counts"
        if self._key.method == "abx":
            return _abx_problem(answer, trial)
        if answer.chosen or answer.correct is not None:
            return "chosen, correct: only an ABX test has them"
        return _ratings_problem(answer, trial, *_RANGES[self._key.method])

    def _keep(self, answer: PostedAnswer) -> Reply:
        known = self._known.get(answer.id)
        if known is not None:
            same = known == answer
            return Reply(200, "kept") if same else Reply(409, "id: another answer has it")
        if self._counts[answer.listener] >= self._most:
            return Reply(400, "listener: this one has answered too often")
        line = _line(answer)
        if self._size + len(line) > MAX_FILE_BYTES:
            return Reply(507, "the file of answers is full")
        if problem := self._append(line):
            return Reply(503, f"the answer could not be written: {problem}")
        self._note(answer)
        self.on_change()
        return Reply(200, "kept")

    def _note(self, answer: PostedAnswer) -> None:
        self._known[answer.id] = answer
        self._counts[answer.listener] += 1

    def _append(self, line: bytes) -> str:
        """Why the line could not be written; then nothing of it is there."""
        try:
            if not os.fstat(self._descriptor).st_nlink:
                return "its file was removed"
            if os.write(self._descriptor, line) != len(line):
                raise OSError("the disk is full")
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            return error.strerror or str(error)
        self._size += len(line)
        return ""

    def read(self) -> None:
        """Take over what is there. A last line that a crash tore is cut off: nobody was told that
        it is kept. Raises UsageError for a line that is no answer to this test."""
        content = b"".join(_blocks(self._descriptor))
        end = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:end].splitlines(), 1):
            self._note(self._taken(line, f"{self._path}, line {number}"))
        if end < len(content):
            if not content[end:].startswith(_START[: len(content) - end]):
                self._taken(content[end:], f"{self._path}, its last line")
            os.ftruncate(self._descriptor, end)
            os.fsync(self._descriptor)
        self._size = end

    def _taken(self, line: bytes, where: str) -> PostedAnswer:
        advice = "name another file by --answers"
        try:
            content = json.loads(line)
            content.pop("received", None)
            answer = PostedAnswer.model_validate(content)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(f"{where}: no answer to a listening test; {advice}") from error
        if answer.test != self._key.test:
            raise UsageError(f"{where}: an answer to another test; {advice}")
        return answer


@contextmanager
def collecting(path: Path, key: Key) -> Iterator[AnswersFile]:
    """Hold the file of answers to this test, which is made where it is not there.

    The system lets go of it when this process dies. Raises UsageError where another process holds
    it or it holds something else, OutputError where it cannot be written.
    """
    lock_file = path.with_name(f".{path.name}.lock")
    lock = FileLock(lock_file)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise UsageError(f"{path}: another server is writing this file; stop that first") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with _opened(path) as descriptor:
            answers = AnswersFile(path, key, descriptor)
            answers.read()
            yield answers
    finally:
        with suppress(OSError):
            lock_file.unlink()
        lock.release()


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    try:
        if path.exists():
            require_file(path)
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _blocks(descriptor: int) -> Iterator[bytes]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    while block := os.read(descriptor, _BLOCK):
        yield block


def _line(answer: PostedAnswer) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps(answer.model_dump() | {"received": now}, ensure_ascii=True)
    return text.encode("ascii") + b"\n"


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, found["loc"]))
    return readable(f"{place}: {found['msg']}" if place else str(found["msg"]))[:300]


def _abx_problem(answer: PostedAnswer, trial: KeyTrial) -> str:
    if answer.ratings:
        return "ratings: an ABX test has none"
    if answer.chosen not in trial.stimuli:
        return "chosen: no sound of this trial"
    return "" if answer.correct is not None else "correct: true or false is missing"


def _ratings_problem(answer: PostedAnswer, trial: KeyTrial, lowest: float, highest: float) -> str:
    names = trial.stimuli.keys()
    if unknown := sorted(answer.ratings.keys() - names):
        return readable(f"ratings: {unknown[0]!r} is no sound of this trial")
    if missing := sorted(names - answer.ratings.keys()):
        return f"ratings: {missing[0]!r} has none"
    for name, value in answer.ratings.items():
        if not lowest <= value <= highest:
            return f"ratings: {value:g} of {name!r} is not within {lowest:g} to {highest:g}"
    return ""
