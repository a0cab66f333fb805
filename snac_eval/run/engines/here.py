"""The same work in this process: one clip after the other, and nothing that can be stopped."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping

from snac_eval.metrics.opening import OpenMetric
from snac_eval.run import interrupts
from snac_eval.run.coding import Coder, CodingTask
from snac_eval.run.engines.scorers import Scored, ScoringTask
from snac_eval.run.evaluating import Evaluated, evaluate
from snac_eval.run.scoring import score_audio
from snac_eval.types import Reconstruction


def work_here(coder: Coder, tasks: Iterable[CodingTask]) -> Iterator[list[Evaluated]]:
    """Code and score clip by clip. A signal whose exception got lost is raised between them."""
    for one in evaluate(coder, tasks):
        yield [one]
        interrupts.check()


def score_here(metrics: Mapping[str, OpenMetric], task: ScoringTask) -> Scored:
    """What a scoring process was to do."""
    made: Reconstruction = pickle.loads(task.audio)
    asked = {name: metrics[name] for name in task.left}
    return Scored(task.number, task.scores | score_audio(asked, made))
