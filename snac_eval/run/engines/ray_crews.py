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
_STREAMING = {"num_returns": "streaming", "max_retries": 0}


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

    most_clips: int
    """How many clips a launch should hold at most."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many launches may be in work or lie ready at a time."""

    @abstractmethod
    def launch(
        self, orders: Handle, tasks: Sequence[CodingTask], to_repeat: Sequence[Job], desk: Handle
    ) -> Handle:
        """Have these clips worked on: Ray's stream of messages. ``orders`` is a reference."""


class Cores(Crew):
    """Takes clips from file to scores on every core of the cluster, or on ``limit`` of them."""

    most_clips = 32

    def __init__(self, cluster: Cluster, limit: int | None) -> None:
        import ray

        self._cluster, self._limit = cluster, limit
        self._work = ray.remote(num_cpus=1, max_calls=_TASKS_PER_PROCESS, **_STREAMING)(
            ray_tasks.work
        )

    @property
    def width(self) -> int:
        width = _IN_HAND * self._cluster.num_cores
        return width if self._limit is None else min(width, self._limit)

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

        self.most_clips = _BATCHES * batch_size
        self._make = ray.remote(num_gpus=1, num_cpus=0, max_restarts=0)(ray_tasks.Coding).remote
        if not cluster.num_gpus:
            raise UsageError(
                "--engine ray: the codec computes on a GPU, and no node of the cluster has one;"
                " start Ray where there are GPUs, or use --device cpu"
            )
        self._gpus = [_Gpu(self._make()) for _ in range(cluster.num_gpus)]

    @property
    def width(self) -> int:
        return _IN_HAND * len(self._gpus)

    def launch(
        self, orders: Handle, tasks: Sequence[CodingTask], to_repeat: Sequence[Job], desk: Handle
    ) -> Handle:
        gpu = min(self._gpus, key=lambda one: len(one.streams))
        stream = gpu.actor.work.options(num_returns="streaming").remote(
            orders, tasks, to_repeat, desk
        )
        gpu.streams.append(stream)
        return stream

    def end(self, stream: Handle) -> None:
        """A new actor takes the place of one that is ended in its work; what else that had in hand
        ends with it."""
        import ray

        for gpu in self._gpus:
            if stream in gpu.streams:
                ray.kill(gpu.actor)
                gpu.actor, gpu.streams = self._make(), []

    def ended(self, stream: Handle) -> None:
        for gpu in self._gpus:
            if stream in gpu.streams:
                gpu.streams.remove(stream)


class Scorers(Launched):
    """Score clips on the nodes where they were coded."""

    def __init__(self) -> None:
        import ray

        self._score = ray.remote(num_cpus=1, max_calls=_TASKS_PER_PROCESS, **_STREAMING)(
            ray_tasks.score
        )

    def launch(
        self, orders: Handle, task: CodingTask, half: Half, node: str, desk: Handle
    ) -> Handle:
        """Score this clip, whose audio lies on that node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return self._score.options(scheduling_strategy=there).remote(orders, task, half.coded, desk)
