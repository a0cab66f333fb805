"""What the kernels of a run cost alone: codec and metrics as ``snac-eval run`` uses them.

``python -m benchmarks.bare_kernels MODEL MANIFEST FIRST STEP RESULT`` takes every STEP-th clip from
FIRST on through codec and default metrics and writes the CPU seconds that these took, after one
clip of warm-up on one thread: without imports, loading of models, reading, or anything in between.
As many of these at once as there are cores say what the machine can do at best.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from snac_eval.run import coding
from snac_eval.run.coding import Coded, Coder, CodingTask, Loaded
from snac_eval.run.config import RunConfig
from snac_eval.run.evaluating import evaluated, opened
from snac_eval.run.plan import Job, make_plan
from snac_eval.run.store import Settled


def kernels_s(model: str, manifest: Path, first: int, step: int) -> float:
    """CPU seconds of codec and metrics over these clips."""
    config = RunConfig(model, f"manifest:{manifest}", manifest.parent / "none", workers=0)
    plan = make_plan(config)
    jobs = plan.pending([Settled(frozenset(), has_codes=False)] * len(plan.clips))
    coder = opened(config, tuple(plan.metrics))
    coding.prepare(coder.codec)
    mine = jobs[first::step]
    _cost_s(coder, mine[:1])
    return _cost_s(coder, mine)


def _cost_s(coder: Coder, jobs: Sequence[Job]) -> float:
    total_s = 0.0
    for number, job in enumerate(jobs):
        loaded = coding.load(coder, CodingTask(number, job))
        assert isinstance(loaded, Loaded), loaded
        start = time.process_time()
        (coded,) = coding._code_batch(coder, [loaded], coding.watch_nothing)
        assert isinstance(coded, Coded)
        evaluated(coder.metrics, coded)
        total_s += time.process_time() - start
    return total_s


if __name__ == "__main__":
    name, path, start_at, every, result = sys.argv[1:]
    Path(result).write_text(str(kernels_s(name, Path(path), int(start_at), int(every))))
