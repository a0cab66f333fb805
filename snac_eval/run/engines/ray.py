"""Where a run's work is done in a cluster: by Ray's tasks and actors, on whatever nodes there are.

This process plans, and alone writes the store; a launch of some clips goes out, and scores come
back. Ray places the work, notices what is lost, and ends what is told to end. Why it does not
repeat clips by itself (``max_retries``): one that ends its worker would end worker after worker,
and the clips beside it with them. So clips in flight on a node that is lost are begun again here, a
few times at most; those of a worker that ended are begun again each on its own, and one that ends a
worker then gets an error row.
"""

from __future__ import annotations

import math
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from snac_eval.codecs.repeats import LONGEST_S, Repeat
from snac_eval.errors import CodecError, SnacEvalError, UsageError, detail
from snac_eval.machine import resolve_device
from snac_eval.run import interrupts
from snac_eval.run.coding import (
    CODING,
    PASSING,
    READING,
    Coder,
    CodingTask,
    failure,
    repeatable,
)
from snac_eval.run.engines.base import Engine, nothing
from snac_eval.run.engines.ray_cluster import Cluster, environment, read_environment
from snac_eval.run.engines.ray_crews import (
    PREPARE_LIMIT_S,
    Cores,
    Crew,
    Flight,
    Gpus,
    Scorers,
    desk_here,
    is_node_lost,
)
from snac_eval.run.engines.ray_tasks import (
    Begun,
    Half,
    Handle,
    Orders,
    Ready,
    Said,
    program_digest,
)
from snac_eval.run.engines.worker import Refused, Repeated
from snac_eval.run.evaluating import Evaluated
from snac_eval.run.plan import Job
from snac_eval.types import Score

_FIRST_CLIP = 3.0
"""How many times longer the first clip of a process may take, for what it loads or compiles."""
_LONGEST_WAIT_S = 5.0
_LAUNCH_S = 2.0
"""How long a launch of short clips should take: what is lost with a node is no more."""
_MOST_CODED = 4
"""How many coded clips may wait in memory for each core."""
_LONG_S = 60.0
_WAITING = (
    "the Ray cluster has no worker for this run yet; 'ray status' there says what it waits for"
)
_MAX_LOST = 5
_MAX_FAILED_STARTS = 3
_NO_TASK = -1
_DOING = {
    READING: "reading this clip",
    CODING: "coding this clip",
    PASSING: "taking over the coded clip",
}


class RayEngine(Engine):
    """Does the work in a cluster.

    ``coder`` has the metrics that will be asked for; ``num_jobs`` is how many tasks will come. A
    ``cluster`` that is entered already stays so. Raises UsageError where Ray is not installed.
    """

    def __init__(self, coder: Coder, num_jobs: int, cluster: Cluster | None = None) -> None:
        config = coder.config
        if coder.codec.device not in ("cpu", "cuda"):
            raise UsageError(f"--engine ray computes on cpu or cuda, not on {coder.codec.device}")
        self._coder, self._num_left = coder, num_jobs
        own = environment(read_environment(config.runtime_env))
        self._cluster = cluster or Cluster(config.address, config.num_workers, own)
        self._is_shared = cluster is not None
        self._stack = ExitStack()
        self._source: Iterator[CodingTask] = iter(())
        self._waiting: deque[CodingTask] = deque()
        self._alone: deque[CodingTask] = deque()
        self._half: deque[tuple[CodingTask, Half, str]] = deque()
        self._flights: dict[Handle, Flight] = {}
        self._to_repeat: tuple[Job, ...] = ()
        self._lost: Counter[int] = Counter()
        self._failed_starts = 0
        self._clip_s = _LAUNCH_S
        self._notes: tuple[str, ...] | None = None
        self._nodes: dict[str, str] = {}
        self._desk: Handle = None
        self._repeated: dict[str, Any] = {}
        self._refused: SnacEvalError | None = None
        self._told_at = math.inf

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the numbers must know of how the work was done."""
        nodes, kinds = len(self._nodes), ", ".join(sorted(set(self._nodes.values())))
        if nodes < 2:
            return ()
        return (f"clips were coded, and timed, on {nodes} machines ({kinds})",)

    @property
    def repeated(self) -> dict[str, Any]:
        """Whether the codec gave the same answer twice, and to which clip."""
        return self._repeated

    def __enter__(self) -> RayEngine:
        if not self._num_left:
            return self
        with ExitStack() as stack:
            if not self._is_shared:
                stack.enter_context(self._cluster)
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with interrupts.held():
            self._flights.clear()
            self._stack.close()

    def prepare(self) -> tuple[str, ...]:
        """Wait until the codec is prepared somewhere; what it says of itself then."""
        self._told_at = time.monotonic() + _LONG_S
        while self._notes is None:
            if not self._flights:
                self._launch(self._crew, ())
            for _ in self._step():
                pass
        return self._notes

    def work(
        self,
        tasks: Iterator[CodingTask],
        to_repeat: Sequence[Job] = (),
        meanwhile: Callable[[], None] = nothing,
    ) -> Iterator[list[Evaluated]]:
        """What came of every task."""
        self._source, self._to_repeat = tasks, tuple(repeatable(to_repeat))
        while self._fill():
            if not self._num_left and not self._waiting:
                meanwhile()
                meanwhile = nothing
            yield from self._step()
        meanwhile()

    def _start(self) -> None:
        import ray

        config, codec = self._coder.config, self._coder.codec
        metrics = {name: str(one.info.fingerprint) for name, one in self._coder.metrics.items()}
        # Of a device that was named, a worker finds out whether it is there.
        device = resolve_device("auto") if config.device == "auto" else config.device
        theirs = replace(config, engine="local", address="", runtime_env=None, device=device)
        run, program = secrets.token_hex(8), program_digest()
        self._orders = ray.put(Orders(run, theirs, program, codec.fingerprint, metrics))
        self._scorers = Scorers(self._cluster)
        self._crew: Crew
        if codec.device == "cpu":
            is_limited = not self._cluster.is_own and config.workers >= 0
            self._crew = Cores(self._cluster, max(1, config.workers) if is_limited else None)
        else:
            self._crew = Gpus(self._cluster, self._coder.batch_size)
        if not self._cluster.is_own:
            self._have_desk()

    def _have_desk(self) -> Handle:
        """Started where it is first needed, for it is a process."""
        self._desk = self._desk or desk_here()
        return self._desk

    def _fill(self) -> bool:
        """Launch what there is room for. False: nothing is left to wait for."""
        while self._half:
            self._score(*self._half.popleft())
        scoring = sum(flight.half is not None for flight in self._flights.values())
        room = self._crew.width - (len(self._flights) - scoring)
        if scoring >= _MOST_CODED * self._cluster.num_cores:
            room = 0
        while room > 0 and (tasks := self._next()):
            self._launch(self._crew, tasks)
            room -= 1
        if self._to_repeat and not self._num_left and not self._waiting:
            jobs, self._to_repeat = self._to_repeat, ()
            self._launch(self._crew, (), jobs)
        return bool(self._flights)

    def _next(self) -> list[CodingTask]:
        """The clips of the next launch: many where they are short, few where few are left."""
        if self._alone:
            return [replace(self._alone.popleft(), is_alone=True)]
        left = self._num_left + len(self._waiting)
        share = math.ceil(left / self._crew.width)
        in_time = max(1, int(_LAUNCH_S / self._clip_s))
        size = self._crew.num_clips(share, in_time)
        tasks = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
        new = list(islice(self._source, size - len(tasks)))
        self._num_left = max(0, self._num_left - len(new))
        if len(tasks) + len(new) < size:
            self._num_left = 0
        return [*tasks, *new]

    def _launch(self, crew: Crew, tasks: Sequence[CodingTask], jobs: Sequence[Job] = ()) -> None:
        desk = self._have_desk() if any(task.is_alone for task in tasks) else self._desk
        stream = crew.launch(self._orders, list(tasks), tuple(jobs), desk)
        flight = Flight(crew, {task.number: task for task in tasks}, tuple(jobs))
        self._flights[stream] = flight

    def _score(self, task: CodingTask, half: Half, node: str) -> None:
        desk = self._have_desk() if task.is_alone else self._desk
        stream = self._scorers.launch(self._orders, task, half, node, desk)
        self._flights[stream] = Flight(self._scorers, {task.number: task}, half=half)

    def _step(self) -> Iterator[list[Evaluated]]:
        """Wait until something comes or is overdue, and take it in."""
        import ray

        streams = [*self._flights]
        due = min(flight.look_at for flight in self._flights.values()) - time.monotonic()
        timeout = min(max(due, 0.0), _LONGEST_WAIT_S)
        heard, _ = ray.wait(streams, num_returns=1, timeout=timeout, fetch_local=False)
        interrupts.check()
        if heard:
            heard, _ = ray.wait(streams, num_returns=len(streams), timeout=0, fetch_local=False)
        results: list[Evaluated] = []
        for stream in heard:
            results += self._heard(stream, self._flights[stream])
        silent = self._flights.keys() - set(heard)
        for stream in silent:
            if self._flights[stream].look_at <= time.monotonic():
                results += self._overdue(stream, self._flights[stream])
        if results:
            yield results
        if self._refused is not None:
            raise self._refused
        if not self._nodes:
            self._say_waiting()

    def _say_waiting(self) -> None:
        if time.monotonic() > self._told_at:
            self._told_at = math.inf
            with suppress(OSError, AttributeError, ValueError):  # Nobody need be there to read it.
                print("snac-eval: note: " + _WAITING, file=sys.stderr, flush=True)

    def _heard(self, stream: Handle, flight: Flight) -> list[Evaluated]:
        """Take in what a stream has to say."""
        import ray

        try:
            said: Said = ray.get(next(stream))
        except StopIteration:
            flight.crew.ended(stream)
            del self._flights[stream]
            return (
                self._begin_again(flight, "it said nothing of some clips") if flight.tasks else []
            )
        except ray.exceptions.RayError as error:
            del self._flights[stream]
            flight.crew.end(stream)
            return self._failed(flight, error)
        return self._taken(said, flight)

    def _taken(self, said: Said, flight: Flight) -> list[Evaluated]:
        now = time.monotonic()
        elapsed_s, flight.since = now - flight.since, now
        results: list[Evaluated] = []
        match said:
            case Begun():
                flight.node = said.node
                if flight.half is None:
                    self._nodes[said.node] = said.hardware
            case Refused():
                self._refused = said.error
            case Ready():
                flight.is_ready, self._failed_starts = True, 0
                self._notes = said.notes if self._notes is None else self._notes
                flight.limit_s = self._limit_s(flight) * (_FIRST_CLIP if said.is_first else 1.0)
            case Repeated():
                self._repeated, flight.to_repeat = said.facts, ()
            case _:
                if isinstance(flight.crew, Cores) and not flight.alone:
                    self._clip_s += 0.2 * (elapsed_s / len(said) - self._clip_s)
                for one in said:
                    task = flight.tasks.pop(one.number)
                    if isinstance(one, Half):
                        self._half.append((task, one, flight.node))
                    else:
                        results.append(one)
                flight.limit_s = self._limit_s(flight)
        flight.look_at = now + flight.limit_s
        return results

    def _limit_s(self, flight: Flight) -> float:
        """How long the next clip of it, or a step of a clip that is alone, may take."""
        durations_s = [task.job.clip.duration_s for task in flight.tasks.values()]
        return max(map(self._coder.config.clip_limit_s, durations_s or [2 * LONGEST_S]))

    def _failed(self, flight: Flight, error: Exception) -> list[Evaluated]:
        """What becomes of a launch that Ray says is lost."""
        import ray

        if isinstance(error, ray.exceptions.RuntimeEnvSetupError):
            raise UsageError(f"--engine ray: the workers' environment fails: {detail(error)}")
        if is_node_lost(flight.node, error):
            return self._begin_again(flight, detail(error))
        if isinstance(error, ray.exceptions.RayTaskError):
            return self._blamed(flight, f"the worker failed ({_cause(error)})", " while ")
        out_of_memory = isinstance(error, ray.exceptions.OutOfMemoryError)
        how = (
            "was ended, for its node ran out of memory" if out_of_memory else "ended or was killed"
        )
        if not flight.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS:
                raise CodecError(f"a worker {how} while the codec loaded, again and again")
            return self._begin_again(flight, how)
        return self._blamed(flight, f"the worker {how}", " while ")

    def _begin_again(self, flight: Flight, why: str) -> list[Evaluated]:
        """Do what is left of it once more, if it was not lost too often."""
        self._to_repeat = self._to_repeat or flight.to_repeat
        if not flight.tasks:
            self._lost[_NO_TASK] += 1
            if self._lost[_NO_TASK] >= _MAX_LOST:
                raise CodecError(f"--engine ray: a worker was lost, {_MAX_LOST} times: {why}")
        results = []
        for task in reversed(flight.tasks.values()):
            self._lost[task.number] += 1
            if self._lost[task.number] < _MAX_LOST:
                (self._alone if task.is_alone else self._waiting).appendleft(task)
            else:
                reason = f"where this clip was in work was lost, {_MAX_LOST} times: {why}"
                results.append(Evaluated(task.number, failure(task, reason).scores))
        return results

    def _overdue(self, stream: Handle, flight: Flight) -> list[Evaluated]:
        """Stop what takes too long."""
        import ray

        if (task := flight.alone) is not None and flight.is_ready:
            step = ray.get(self._desk.step.remote(task.number))
            age_s = step[1] if step else math.inf
            flight.look_at = time.monotonic() + flight.limit_s - age_s
            if age_s < flight.limit_s:
                return []
        del self._flights[stream]
        flight.crew.end(stream)
        if not flight.is_ready:
            raise CodecError(f"the codec was not ready after {PREPARE_LIMIT_S:.0f} s")
        late = f"took longer than {flight.limit_s:g} s and was stopped"
        return self._blamed(flight, late, "")

    def _blamed(self, flight: Flight, how: str, before: str) -> list[Evaluated]:
        """What becomes of a launch that ended its worker, or had to be ended. ``how`` reads on to
        what it did where something stands ``before`` that, else back to it."""
        import ray

        if flight.to_repeat:
            clip, problem = flight.to_repeat[0].clip, how if before else f"it {how}"
            self._repeated = {"clip": clip.id, **Repeat(problem=problem).facts()}
        task = flight.alone
        if task is None:
            self._alone.extend(flight.tasks.values())
            return []
        step = ray.get(self._desk.step.remote(task.number))
        what = step[0] if step else READING
        doing = _DOING.get(what, f"scoring this clip by {what}")
        reason = f"{how}{before}{doing}" if before else f"{doing} {how}"
        if what in _DOING:
            return [Evaluated(task.number, failure(task, reason).scores)]
        # One metric is to blame: the clip itself can be coded.
        failed = {**task.failed, what: Score.error(reason)}
        self._alone.appendleft(replace(task, failed=failed))
        return []


def _cause(error: Exception) -> str:
    return detail(getattr(error, "cause", None) or error)
