"""Which engine does a run's work, and what the runs of a study share of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from snac_eval.codecs.wrapping.carried import StaysHere, carried
from snac_eval.errors import UsageError
from snac_eval.run.coding import Coder
from snac_eval.run.engines.base import Engine
from snac_eval.run.engines.local import LocalEngine, modules_of
from snac_eval.run.engines.staff import Staff
from snac_eval.run.plan import Job, Plan

if TYPE_CHECKING:
    from snac_eval.run.engines.ray_cluster import Cluster

# Fewer clips are done sooner where their codec and their metrics load at the same time.
_WORTH_WORKERS = 4


class Engines(AbstractContextManager["Engines"]):
    """Engines of these plans, one after the other: what one of them started, the next takes over.

    Nothing is started before an engine is entered, and nothing is left once this is exited.
    """

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = plans
        self._stack = ExitStack()
        self._staff: Staff | None = None
        self._cluster: Cluster | None = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def open(self, plan: Plan, jobs: Sequence[Job]) -> Engine:
        """The engine that the plan's configuration names, not yet entered."""
        names = {name for job in jobs for name in job.metrics}
        # Whoever follows the run is in this process, and stays here.
        config = replace(plan.config, callbacks=(), track=())
        coder = Coder(config, plan.codec, {name: plan.metrics[name] for name in names})
        if plan.config.engine == "ray":
            # Imported here, for Ray need not be installed.
            from snac_eval.run.engines.ray import RayEngine

            return RayEngine(_portable(coder), len(jobs), self._joined_by(plan) if jobs else None)
        is_apart = plan.codec.device != "cpu" or (
            len(self._plans) == 1 and len(jobs) < _WORTH_WORKERS
        )
        num_workers = min(plan.config.num_workers, len(jobs))
        return LocalEngine(coder, num_workers, is_apart, self._shared_staff(coder, is_apart))

    def _shared_staff(self, coder: Coder, is_apart: bool) -> Staff:
        if self._staff is None:
            needed = list(modules_of(coder, is_apart))
            for one in self._plans[1:]:
                theirs = Coder(one.config, one.codec, one.metrics)
                needed += modules_of(theirs, one.codec.device != "cpu")
            self._staff = Staff(tuple(dict.fromkeys(needed)))
            self._stack.callback(self._staff.close)
        return self._staff

    def _joined_by(self, plan: Plan) -> Cluster:
        from snac_eval.run.engines.ray_cluster import Cluster, environment, read_environment

        if self._cluster is None:
            config = plan.config
            own = environment(read_environment(config.runtime_env))
            self._cluster = Cluster(config.address, config.num_workers, own)
            self._stack.enter_context(self._cluster)
        return self._cluster


def _portable(coder: Coder) -> Coder:
    """With the codec as bytes, where it is an object. Raises UsageError where it has none."""
    try:
        instance = carried(coder.config.instance, coder.codec)
    except StaysHere as stays:
        raise UsageError(
            f"--engine ray: the codec {coder.config.model} {stays}; put its class into a module"
            " that the cluster's machines have"
        ) from stays
    return replace(coder, config=replace(coder.config, instance=instance))
