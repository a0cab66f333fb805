"""The same work in this process: one clip after the other, and nothing that can be stopped."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence

from snac_eval.metrics.opening import OpenMetric
from snac_eval.run import interrupts
from snac_eval.run.coding import Coded, Coder, CodingTask, code
from snac_eval.run.engines.scorers import Scored, ScoringTask
from snac_eval.run.scoring import score_audio
from snac_eval.types import Reconstruction


def work_here(coder: Coder, tasks: Iterable[CodingTask]) -> Iterator[Coded | Scored]:
    """Code and score clip by clip. A signal whose exception got lost is raised between them."""
    for coded in code(coder, tasks):
        yield coded
        if coded.reconstruction is not None:
            metrics = _chosen(coder.metrics, coded.remaining)
            yield Scored(coded.number, score_audio(metrics, coded.reconstruction))
        interrupts.check()


def score_here(metrics: Mapping[str, OpenMetric], task: ScoringTask) -> Scored:
    """What a scoring process was to do."""
    made: Reconstruction = pickle.loads(task.audio)
    return Scored(task.number, task.scores | score_audio(_chosen(metrics, task.left), made))


def _chosen(metrics: Mapping[str, OpenMetric], names: Sequence[str]) -> dict[str, OpenMetric]:
    return {name: metrics[name] for name in names}
