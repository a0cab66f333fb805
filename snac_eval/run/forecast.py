"""How long what is left of a study will take: from how long it took before, else from its first
clips."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from snac_eval.errors import SnacEvalError, one_line
from snac_eval.run.coding import Coder, CodingTask, prepare
from snac_eval.run.evaluating import evaluate
from snac_eval.run.manifest import PACE
from snac_eval.run.plan import Job, Plan
from snac_eval.run.sealed import read_manifest
from snac_eval.run.study import Pair

# Metrics are not defined on much less, and a process is done with it soon.
_SHORTEST_S = 2.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is left of a pair."""

    pair: Pair
    num_clips: int = 0
    num_left: int = 0
    audio_s: float = 0.0
    """Of the clips that are left."""
    seconds: float = math.nan
    """That they will take; NaN where that cannot be said."""
    source: str = ""
    """What this was found from, or why it was not."""


def forecast(pair: Pair) -> Forecast:
    """Look at what is there; where nothing is, code and score two clips here, and keep nothing."""
    plan = pair.plan
    if plan is None:
        return Forecast(pair, source=pair.problem)
    try:
        jobs = pair.jobs()
        audio_s = sum(job.clip.duration_s for job in jobs)
        factor, source = _factor(plan, jobs) if jobs else (0.0, "done")
    except SnacEvalError as error:
        num_clips = len(plan.clips)
        return Forecast(pair, num_clips, num_clips, source=one_line(error))
    return Forecast(pair, len(plan.clips), len(jobs), audio_s, factor * audio_s, source)


def _factor(plan: Plan, jobs: Sequence[Job]) -> tuple[float, str]:
    """Seconds for each second of audio, and what says so."""
    pace = {} if plan.config.overwrite else read_manifest(plan.config.output).get(PACE) or {}
    if pace.get("audio_s"):
        return pace["seconds"] / pace["audio_s"], f"its last {pace['clips']} clips"
    audible = [job for job in jobs if not job.clip.problem]
    longer = sorted(
        audible, key=lambda job: (job.clip.duration_s < _SHORTEST_S, job.clip.duration_s)
    )
    if not longer:
        return math.nan, "none of its clips can be read"
    prepare(plan.codec)
    coder = Coder(plan.config, plan.codec, plan.metrics)
    # The first pays for what is loaded and compiled.
    tried = (longer * 2)[:2]
    for number, job in enumerate(tried):
        start = time.perf_counter()
        list(evaluate(coder, [CodingTask(number, job)]))
        seconds = time.perf_counter() - start
    width = 1 if plan.codec.device != "cpu" else max(1, min(plan.config.num_workers, len(jobs)))
    return seconds / tried[-1].clip.duration_s / width, "its first clips, tried now"
