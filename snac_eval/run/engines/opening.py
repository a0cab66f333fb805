"""Which engine does a run's work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from snac_eval.codecs.wrapping.carried import StaysHere, packed
from snac_eval.errors import UsageError
from snac_eval.run.coding import Coder
from snac_eval.run.config import RunConfig
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

        return RayEngine(replace(coder, config=_portable(plan.config)), len(jobs))
    num_workers = min(plan.config.num_workers, len(jobs))
    is_apart = plan.codec.device != "cpu" or len(jobs) < _WORTH_WORKERS
    return LocalEngine(coder, num_workers, is_apart)


def _portable(config: RunConfig) -> RunConfig:
    """With the codec as bytes, where it is an object. Raises UsageError where it has none."""
    if config.instance is None:
        return config
    try:
        return replace(config, instance=packed(config.instance))
    except StaysHere as stays:
        raise UsageError(
            f"--engine ray: the codec {config.model} {stays}; put its class into a module that the"
            " cluster's machines have"
        ) from stays
