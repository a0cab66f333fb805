"""What is exactly so of the very clips at hand, whatever holds for others.

A test over few speakers shows little of other speakers. That each of six clips fell, and by how
much at least, needs no test: a codec that answers alike has not been unlucky with them. Where all
clips fell, the exact sign test over their units says how likely that is where a speaker (or clip)
rises as often as it falls: a half to the power of their number. It is not corrected for the number
of metrics, so a check takes it for a regression only where every clip fell by more than *twice* the
tolerance, and of at least ``MIN_UNANIMOUS`` units. ``benchmarks/gate_simulation.py`` measures what
that costs in false alarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_UNANIMOUS = 6
"""The fewest speakers or clips of which a unanimous fall is a regression."""
_KEPT = 20


@dataclass(frozen=True, slots=True)
class ClipFall:
    """A clip that is worse than in the baseline."""

    clip: str
    baseline: float
    run: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Which way the clips of one metric went. Falls are on the tolerance's scale, above zero where
    the run is worse."""

    n: int
    """Clips."""
    size: float
    """The tolerance, on its scale."""
    fell: int
    """How many fell by more than the tolerance."""
    rose: int
    """How many rose by more than the tolerance."""
    not_worse: int
    """How many did not fall at all, but for rounding."""
    least: float
    """The smallest fall."""
    most: float
    """The largest fall."""
    worst: tuple[ClipFall, ...]
    """Clips that fell, the largest fall first; of many the first few."""

    @property
    def all_fell(self) -> bool:
        """Whether every clip fell by more than the tolerance."""
        return self.fell == self.n > 0

    def is_unanimous(self, num_units: int, alpha: float) -> bool:
        """Whether every clip fell by more than twice the tolerance, on units enough to say so."""
        few = num_units < MIN_UNANIMOUS or sign_p_value(num_units) > alpha
        return not few and self.least > 2 * self.size

    def none_fell(self, num_units: int, min_units: int) -> bool:
        """Whether no clip fell, of ``min_units`` or more; of two or more, whether each rose by more
        than the tolerance."""
        if num_units >= min_units:
            return self.not_worse == self.n
        return num_units > 1 and self.rose == self.n


def tally(
    clips: Sequence[str],
    baseline: NDArray[np.float64],
    run: NDArray[np.float64],
    drops: NDArray[np.float64],
    size: float,
    rounding: float,
) -> Tally:
    """Count clips by which way they went; ``drops`` are on the scale of ``size``, the tolerance,
    and those up to ``rounding`` are none. All arrays ``[clips]``, at least one."""
    order = np.argsort(-drops, kind="stable")[:_KEPT]
    return Tally(
        n=len(drops),
        size=size,
        fell=int((drops > size).sum()),
        rose=int((drops < -size).sum()),
        not_worse=int((drops <= rounding).sum()),
        least=float(drops.min()),
        most=float(drops.max()),
        worst=tuple(
            ClipFall(clips[index], float(baseline[index]), float(run[index]))
            for index in order.tolist()
            if drops[index] > rounding
        ),
    )


def sign_p_value(num_units: int) -> float:
    """How likely all of so many units fall where each rises as often as it falls: the exact
    one-sided sign test."""
    return float(0.5**num_units)
