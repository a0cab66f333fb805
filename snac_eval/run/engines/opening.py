"""Which engine does a run's work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from snac_eval.codecs.wrapping.carried import StaysHere, carried
from snac_eval.errors import UsageError
from snac_eval.run.coding import Coder
from snac_eval.run.engines.base import Engine
from snac_eval.run.engines.local import LocalEngine
from snac_eval.run.plan import Job, Plan

# Fewer clips are done sooner where their codec and their metrics load at the same time.
_WORTH_WORKERS = 4


def open_engine(plan: Plan, jobs: Sequence[Job]) -> Engine:
    """The engine that the run's configuration names, not yet entered."""
    names = {name for job in jobs for name in job.metrics}
    coder = Coder(plan.config, plan.codec, {name: plan.metrics[name] for name in names})
    if plan.config.engine == "ray":
        # Imported here, for Ray need not be installed.
        from snac_eval.run.engines.ray import RayEngine

        return RayEngine(_portable(coder), len(jobs))
    num_workers = min(plan.config.num_workers, len(jobs))
    is_apart = plan.codec.device != "cpu" or len(jobs) < _WORTH_WORKERS
    return LocalEngine(coder, num_workers, is_apart)


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
