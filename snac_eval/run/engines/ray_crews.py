"""Who works in a cluster: tasks on its cores, actors on its GPUs.

Each launch is one stream of messages (:mod:`~snac_eval.run.engines.ray_tasks`) that Ray gives back
as they are said.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from snac_eval.errors import UsageError
from snac_eval.run.coding import CodingTask
from snac_eval.run.engines import ray_tasks
from snac_eval.run.engines.ray_cluster import Cluster
from snac_eval.run.engines.ray_tasks import Half, Handle
from snac_eval.run.plan import Job

# A worker that Ray ends after so many is replaced: against leaks of what it calls.
_TASKS_PER_PROCESS = 250
PREPARE_LIMIT_S = 3600.0
# Two for each worker: the next lies there when the last ends, and Ray sees that it needs more.
_IN_HAND = 2
_BATCHES = 4
_MOST_CLIPS = 32
_STREAMING = {"num_returns": "streaming", "num_cpus": 1, "max_retries": 0}


class Launched:
    """Whoever launches something, and ends it."""

    def end(self, stream: Handle) -> None:
        """Let nothing go on of what was launched, whatever it does."""
        import ray

        ray.cancel(stream, force=True)

    def ended(self, stream: Handle) -> None:
        """It came to its end by itself."""


@dataclass(slots=True)
class Flight:
    """What was launched and did not come to its end."""

    crew: Launched
    tasks: dict[int, CodingTask]
    """Those that did not come back, by number."""
    to_repeat: tuple[Job, ...] = ()
    half: Half | None = None
    node: str = ""
    """Where it was begun; empty before that."""
    since: float = 0.0
    """When it was last heard of, in time.monotonic()'s seconds."""
    look_at: float = math.inf
    """When what it does may have taken too long."""
    limit_s: float = PREPARE_LIMIT_S
    is_ready: bool = False

    @property
    def alone(self) -> CodingTask | None:
        """Its one clip, where that is in it because it may end the worker."""
        return next((task for task in self.tasks.values() if task.is_alone), None)


class Crew(Launched, ABC):
    """Workers that take tasks."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many launches may be in work or lie ready at a time."""

    @abstractmethod
    def num_clips(self, share: int, in_time: int) -> int:
        """How many a launch should hold, where ``share`` would give each worker as many of what is
        left, and ``in_time`` not take too long."""

    @abstractmethod
    def launch(
        self, orders: Handle, tasks: Sequence[CodingTask], to_repeat: Sequence[Job], desk: Handle
    ) -> Handle:
        """Have these clips worked on: Ray's stream of messages. ``orders`` is a reference."""


class Cores(Crew):
    """Takes clips from file to scores on every core of the cluster, or on ``limit`` of them."""

    def __init__(self, cluster: Cluster, limit: int | None) -> None:
        import ray

        self._cluster, self._limit = cluster, limit
        task = ray.remote(max_calls=_TASKS_PER_PROCESS, **_STREAMING, **cluster.options)
        self._work = task(ray_tasks.work)

    @property
    def width(self) -> int:
        width = _IN_HAND * self._cluster.num_cores
        return width if self._limit is None else min(width, self._limit)

    def num_clips(self, share: int, in_time: int) -> int:
        return max(1, min(_MOST_CLIPS, share, in_time))

    def launch(
        self, orders: Handle, tasks: Sequence[CodingTask], to_repeat: Sequence[Job], desk: Handle
    ) -> Handle:
        return self._work.remote(orders, tasks, to_repeat, desk)


@dataclass(slots=True)
class _Gpu:
    actor: Handle
    streams: list[Handle] = field(default_factory=list)
    """What it was given and did not end."""


class Gpus(Crew):
    """Codes clips on every GPU of the cluster."""

    def __init__(self, cluster: Cluster, batch_size: int) -> None:
        import ray

        self._cluster, self._batch_size = cluster, batch_size
        if not cluster.num_gpus:
            raise UsageError(
                "--engine ray: the codec computes on a GPU, and no node of the cluster has one;"
                " start Ray where there are GPUs, or use --device cpu"
            )
        actor = ray.remote(num_gpus=1, num_cpus=0, max_restarts=0, **cluster.options)
        self._make = actor(ray_tasks.Coding).remote
        self._gpus: list[_Gpu] = []

    @property
    def width(self) -> int:
        # One waits for a GPU where there is none any more: so Ray knows what is needed.
        while len(self._gpus) < max(1, self._cluster.num_gpus):
            self._gpus.append(_Gpu(self._make()))
        return _IN_HAND * len(self._gpus)

    def num_clips(self, share: int, in_time: int) -> int:
        return _BATCHES * self._batch_size

    def launch(
        self, orders: Handle, tasks: Sequence[CodingTask], to_repeat: Sequence[Job], desk: Handle
    ) -> Handle:
        assert self.width
        gpu = min(self._gpus, key=lambda one: len(one.streams))
        stream = gpu.actor.work.options(num_returns="streaming").remote(
            orders, tasks, to_repeat, desk
        )
        gpu.streams.append(stream)
        return stream

    def end(self, stream: Handle) -> None:
        """What else its actor had in hand ends with it; another takes its place while there is a
        GPU for it."""
        import ray

        for gpu in self._gpus:
            if stream in gpu.streams:
                ray.kill(gpu.actor)
                self._gpus.remove(gpu)
                self._cluster.look_again()
                return

    def ended(self, stream: Handle) -> None:
        for gpu in self._gpus:
            if stream in gpu.streams:
                gpu.streams.remove(stream)


class Scorers(Launched):
    """Score clips on the nodes where they were coded."""

    def __init__(self, cluster: Cluster) -> None:
        import ray

        task = ray.remote(max_calls=_TASKS_PER_PROCESS, **_STREAMING, **cluster.options)
        self._score = task(ray_tasks.score)

    def launch(
        self, orders: Handle, task: CodingTask, half: Half, node: str, desk: Handle
    ) -> Handle:
        """Score this clip, whose audio lies on that node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return self._score.options(scheduling_strategy=there).remote(orders, task, half.coded, desk)


def desk_here() -> Handle:
    """A :class:`~snac_eval.run.engines.ray_tasks.Desk` beside this process."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)
    return actor(ray_tasks.Desk).remote()


def is_node_lost(node: str, error: Exception) -> bool:
    """Whether what was launched is not to blame for this end, but the machine that it was on."""
    import ray

    if isinstance(error, ray.exceptions.RayActorError):
        return node not in {one["NodeID"] for one in ray.nodes() if one["Alive"]}
    crashed = ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError
    return not isinstance(error, (*crashed, ray.exceptions.RayTaskError))
