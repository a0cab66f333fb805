"""A clip from its file to its scores, in the process that asks: read, coded and scored there.

What goes in is a task, some hundred bytes; what comes out is an :class:`Evaluated`, a few thousand.
No waveform leaves the process. A worker of this machine, an actor of a cluster and a run without
processes all call :func:`evaluate`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from snac_eval.errors import keep_trace, kept_traces, one_line
from snac_eval.machine import tiny_numbers_kept
from snac_eval.metrics.opening import OpenMetric, open_metric
from snac_eval.run.coding import Coded, Coder, CodingTask, Watch, code, watch_nothing
from snac_eval.run.config import RunConfig
from snac_eval.run.plan import open_codec
from snac_eval.run.rows import PackedCodes
from snac_eval.run.scoring import each_score
from snac_eval.types import Score


@dataclass(frozen=True, slots=True)
class Evaluated:
    """All that came of a task."""

    number: int
    """The task's."""
    scores: Mapping[str, Score]
    """By metric: each that the job lacked."""
    codes: PackedCodes | None = None
    """What the store does not have yet, as it keeps it."""
    traces: tuple[str, ...] = ()
    """Tracebacks of what the codec or a metric raised; no store has them."""
    excess: int | None = None
    """As in :class:`~snac_eval.run.coding.Coded`."""


def opened(config: RunConfig, names: Collection[str]) -> Coder:
    """The codec of a run, not yet prepared, and the metrics of these names, in this process.

    Raises SnacEvalError for a name that is not known here.
    """
    return Coder(config, open_codec(config), {name: open_metric(name) for name in names})


def evaluate(
    coder: Coder, tasks: Iterable[CodingTask], watch: Watch = watch_nothing
) -> Iterator[Evaluated]:
    """Every task once, as soon as its clip is scored; the next is read meanwhile.

    ``coder`` is prepared and has every metric that a task may ask for.
    """
    for coded in code(coder, tasks, watch):
        yield evaluated(coder.metrics, coded, watch)


def evaluated(
    metrics: Mapping[str, OpenMetric], coded: Coded, watch: Watch = watch_nothing
) -> Evaluated:
    """The rest of the way of a clip that was coded; ``metrics`` are those that it remains to ask,
    at least."""
    scores = dict(coded.scores)
    if coded.reconstruction is not None:
        asked = {name: metrics[name] for name in coded.remaining}
        numbers = [coded.number]
        # The codec may have set this thread up for itself; a score is the same wherever it is made.
        with tiny_numbers_kept():
            scores |= each_score(asked, coded.reconstruction, lambda name: watch(name, numbers))
    try:
        codes = None if coded.new_codes is None else coded.new_codes.packed()
    except Exception as error:  # noqa: BLE001 - a codec's codes may hold whatever it likes
        keep_trace(error)
        reason = f"the codes cannot be kept: {one_line(error)}"
        scores, codes = dict.fromkeys(scores, Score.error(reason)), None
    traces = (*coded.traces, *kept_traces())
    return Evaluated(coded.number, scores, codes, traces, coded.excess)
