"""The same work in this process: one clip after the other, and nothing that can be stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from snac_eval.run import interrupts
from snac_eval.run.coding import Coder, CodingTask
from snac_eval.run.evaluating import Evaluated, evaluate


def work_here(coder: Coder, tasks: Iterable[CodingTask]) -> Iterator[list[Evaluated]]:
    """Code and score clip by clip. A signal whose exception got lost is raised between them."""
    for one in evaluate(coder, tasks):
        yield [one]
        interrupts.check()
