"""What a run asks of whoever does its work: :class:`Engine`, and nothing about processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from snac_eval.run.coding import CodingTask
from snac_eval.run.evaluating import Evaluated
from snac_eval.run.plan import Job


def nothing() -> None:
    """For whoever has nothing to do meanwhile, or has done it."""


class Engine(AbstractContextManager["Engine"], Protocol):
    """Works tasks off while the caller stores what comes.

    Nothing is started before it is entered, and nothing is left of it once it is exited, whatever
    raised. The caller is the only one that writes the store.
    """

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the numbers must know of how the work was done."""

    @property
    def repeated(self) -> Mapping[str, Any]:
        """What :func:`snac_eval.run.coding.repeated` found; empty where no clip was to be repeated,
        or none could be."""

    def prepare(self) -> tuple[str, ...]:
        """Wait until the codec is prepared somewhere; what it says of itself then.

        Raises SnacEvalError for what the user must mend.
        """

    def work(
        self,
        tasks: Iterator[CodingTask],
        to_repeat: Sequence[Job] = (),
        meanwhile: Callable[[], None] = nothing,
    ) -> Iterator[list[Evaluated]]:
        """What came of every task, each once, in lists of what is there at one time.

        A list is not held back: what is in it is lost to a kill until the caller has stored it.
        ``tasks`` is asked for the next when somebody is about to have nothing to do. At the end one
        clip ``to_repeat`` is coded twice. ``meanwhile`` is called once, while the last clips are in
        work. A signal is raised as :class:`~snac_eval.errors.Interrupted`.
        """
