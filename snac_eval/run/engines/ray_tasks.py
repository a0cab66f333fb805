"""What the workers of a cluster do, and what they and the driver say to each other.

A worker is a process of Ray's, which does one thing at a time and keeps the codec from one task to
the next. It takes clips from file to scores where it is. Where the codec computes on a GPU, one
actor per GPU codes, and workers on the same node score what it leaves in that node's memory.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from snac_eval import audio
from snac_eval.errors import SnacEvalError, UsageError, one_line, portable
from snac_eval.machine import hardware
from snac_eval.metrics.opening import open_metric
from snac_eval.run import coding
from snac_eval.run.coding import Coded, Coder, CodingTask, Watch
from snac_eval.run.config import RunConfig
from snac_eval.run.engines.worker import Refused, Repeated
from snac_eval.run.evaluating import Evaluated, evaluate, evaluated, opened
from snac_eval.run.plan import Job
from snac_eval.types import Clip

Handle = Any
"""What Ray made: an actor, a reference to an object, a stream of them."""

_HELD_BACK_S = 0.2


@dataclass(frozen=True, slots=True)
class Orders:
    """What a run tells every worker."""

    run: str
    """Names the run: a process keeps what it opened for it."""
    config: RunConfig
    program: str
    """What :func:`program_digest` says where the driver is."""
    codec: str
    """The fingerprint of the codec there."""
    metrics: Mapping[str, str]
    """Those of the metrics there, by their names."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A worker turns to the task."""

    node: str
    """Ray's id of the machine."""
    hardware: str
    """The GPU of a codec that computes on one, else the processor."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The codec is prepared, and the clips are begun."""

    is_first: bool
    """Whether these are the first clips of the process."""
    notes: tuple[str, ...] = ()
    """What the codec says of itself."""


@dataclass(frozen=True, slots=True)
class Half:
    """A clip that was coded and whose audio is yet to be scored."""

    number: int
    coded: Handle
    """Ray's reference to the :class:`Coded`, which lies in the memory of the node."""


Said = Begun | Ready | Refused | Repeated | Sequence[Evaluated | Half]


class Desk:
    """An actor beside the driver: notes what a worker does that may not live to tell, and hands out
    files that only the driver's machine has."""

    def __init__(self) -> None:
        self._steps: dict[int, tuple[str, float]] = {}

    def note(self, number: int, what: str) -> None:
        """Keep what is being done to the clip of this task."""
        self._steps[number] = (what, time.monotonic())

    def step(self, number: int) -> tuple[str, float] | None:
        """What was noted last, and how many seconds ago."""
        found = self._steps.get(number)
        return found and (found[0], time.monotonic() - found[1])

    def read(self, path: str) -> bytes | None:
        """A file's content; None where there is none here either."""
        try:
            return Path(path).read_bytes()
        except OSError:
            return None


_OPEN: dict[str, tuple[Coder, tuple[str, ...]]] = {}
"""What this process has opened, by the run."""


def work(
    orders: Orders, tasks: Sequence[CodingTask], to_repeat: Sequence[Job] = (), desk: Handle = None
) -> Iterator[Said]:
    """Take clips from file to scores, or code one of ``to_repeat`` twice. With neither, prepare
    the codec."""
    coder = yield from _begun(orders)
    if coder is None:
        return
    with tempfile.TemporaryDirectory(prefix="snac-eval-") as folder:
        if to_repeat:
            jobs = [replace(job, clip=_at_hand(job.clip, desk, Path(folder))) for job in to_repeat]
            yield Repeated(coding.repeated(coder, jobs))
        here = _all_at_hand(tasks, desk, Path(folder))
        yield from _in_time(evaluate(coder, here, _watch(desk, tasks)))


class Coding:
    """An actor with a GPU."""

    def work(
        self,
        orders: Orders,
        tasks: Sequence[CodingTask],
        to_repeat: Sequence[Job] = (),
        desk: Handle = None,
    ) -> Iterator[Said]:
        """Code clips, and leave those whose audio is to be scored in this node's memory."""
        if to_repeat:
            yield from work(orders, (), to_repeat, desk)
            return
        coder = yield from _begun(orders)
        if coder is None:
            return
        with tempfile.TemporaryDirectory(prefix="snac-eval-") as folder:
            here = _all_at_hand(tasks, desk, Path(folder))
            watch = _watch(desk, tasks)
            for coded in coding.code(coder, here, watch):
                yield [_half(coder, coded, watch)]


def score(orders: Orders, task: CodingTask, coded: Coded, desk: Handle = None) -> Iterator[Said]:
    """Score a clip that was coded on this node."""
    yield Begun(node_id(), _hardware(orders.config.device))
    yield Ready(is_first=orders.run not in _OPEN)
    watch = _watch(desk, [task])
    left = tuple(name for name in coded.remaining if name not in task.failed)
    metrics = {name: open_metric(name) for name in left}
    known = {**coded.scores, **task.failed}
    yield [evaluated(metrics, replace(coded, scores=known, remaining=left), watch)]


def node_id() -> str:
    """Ray's name for the machine that this runs on."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


@cache
def program_digest() -> str:
    """SHA-256 of this program's source, as it is installed where this is asked."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def _hardware(device: str) -> str:
    found = hardware(device)
    return str(found.get("gpu") or found["cpu"])


def _begun(orders: Orders) -> Generator[Said, None, Coder | None]:
    """The codec of this process; None where it cannot do this run's work."""
    yield Begun(node_id(), _hardware(orders.config.device))
    try:
        coder, ready = _coder(orders)
    except SnacEvalError as error:
        yield Refused(portable(error))
        return None
    yield ready
    return coder


def _half(coder: Coder, coded: Coded, watch: Watch) -> Half | Evaluated:
    import ray

    if not coded.remaining:
        return evaluated(coder.metrics, coded, watch)
    return Half(coded.number, ray.put(coded))


def _coder(orders: Orders) -> tuple[Coder, Ready]:
    """The codec of this process, prepared. Raises SnacEvalError where it is not the driver's."""
    if orders.run in _OPEN:
        coder, notes = _OPEN[orders.run]
        return coder, Ready(is_first=False, notes=notes)
    if program_digest() != orders.program:
        raise UsageError(
            f"{_here()}: snac-eval {version('snac-eval')} there is not the program that the driver"
            " runs; install the same version on every node"
        )
    try:
        coder = opened(orders.config, orders.metrics)
        found = coder.codec.fingerprint
    except SnacEvalError as error:
        raise UsageError(f"{_here()}: {one_line(error)}") from error
    except BaseException as error:  # a plugin's module may raise whatever it likes
        reason = f"the codec cannot be opened there ({one_line(error)})"
        raise UsageError(f"{_here()}: {reason}") from error
    _require_same("the codec", orders.codec, found)
    for name, expected in orders.metrics.items():
        _require_same(name, expected, str(coder.metrics[name].info.fingerprint))
    notes = coding.prepare(coder.codec)
    _OPEN.clear()
    _OPEN[orders.run] = (coder, notes)
    return coder, Ready(is_first=True, notes=notes)


def _require_same(what: str, expected: str, found: str) -> None:
    if found != expected:
        raise UsageError(
            f"{_here()}: {what} there is {found}, and {expected} where the run was started; install"
            " the same packages and weights on every node"
        )


def _here() -> str:
    import ray

    return f"Ray node {ray.util.get_node_ip_address()}"


def _all_at_hand(tasks: Iterable[CodingTask], desk: Handle, folder: Path) -> Iterator[CodingTask]:
    """The tasks, each with a file that can be read here."""
    for task in tasks:
        clip = _at_hand(task.job.clip, desk, folder)
        yield task if clip is task.job.clip else replace(task, job=replace(task.job, clip=clip))


def _at_hand(clip: Clip, desk: Handle, folder: Path) -> Clip:
    """The clip, its file fetched from the driver's machine where this one has none, or another.

    An address is read from here as from anywhere. A file that neither machine has stays missing,
    which reading it says.
    """
    path = clip.path
    if desk is None or clip.problem or not isinstance(path, Path) or _is_same(clip, path):
        return clip
    import ray

    data: bytes | None = ray.get(desk.read.remote(os.fspath(path)))
    if data is None:
        return clip
    fetched = folder / f"{clip.sha256}{path.suffix}"
    fetched.write_bytes(data)
    return replace(clip, path=fetched)


def _is_same(clip: Clip, path: Path) -> bool:
    """Whether this machine has the very file that the run listed."""
    try:
        digest = audio.file_sha256(path)
    except OSError:
        return False
    whole = clip.start_s == 0 and clip.length_s is None
    return clip.sha256 == (
        digest if whole else audio.excerpt_digest(digest, clip.start_s, clip.length_s)
    )


def _in_time(results: Iterable[Evaluated]) -> Iterator[list[Evaluated]]:
    """In lists, lest a message cost more than a short clip; a list is not held back for long."""
    batch: list[Evaluated] = []
    since = time.monotonic()
    for one in results:
        batch.append(one)
        if time.monotonic() - since >= _HELD_BACK_S:
            yield batch
            batch, since = [], time.monotonic()
    if batch:
        yield batch


def _watch(desk: Handle, tasks: Sequence[CodingTask]) -> Watch:
    """Where a clip is alone because it may end the process: each step is noted before it is
    taken."""
    if desk is None or not any(task.is_alone for task in tasks):
        return coding.watch_nothing
    import ray

    def watch(what: str, numbers: Sequence[int]) -> None:
        for number in numbers if what != coding.AHEAD else ():
            ray.get(desk.note.remote(number, what))

    return watch
