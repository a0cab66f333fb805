"""How many listeners and clips a planned test needs.

Every listener rates every version of every clip, so what a clip or a listener does to all versions
alike drops out of a difference. What is left is the difference itself, how it changes from clip to
clip and from listener to listener, and the rest. Of such full tables the statistics of the test
that ``listen read`` makes (:mod:`snac_eval.results.listeners.means`) are one normal and three
chi-square variables: these are drawn, and the test is made of each draw.

ABX needs no spread: the exact binomial test of all answers has its power in closed form, for these
listeners and clips.

A pair counts as told apart where Holm's correction leaves its p-value below 0.05 although no other
pair differs; where others do, it is told apart at least as often.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.listening.shapes import Method
from snac_eval.results.stats import MIN_UNITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

ALPHA = 0.05
WANTED = 0.8
DIFFERENCES: Mapping[Method, tuple[float, ...]] = {
    "mushra": (5.0, 10.0, 20.0),
    "mos": (0.25, 0.5, 1.0),
    "abx": (0.1, 0.2, 0.3),
}
"""Points of 0 to 100; votes of 1 to 5; by how much the share of right answers passes one half."""
_DRAWS = 2000
_LISTENERS = (4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)
_CLIPS = (4, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60)
_EVERY = range(MIN_UNITS, _LISTENERS[-1] + 1)
_SHOWN_LISTENERS = (5, 10, 20, 40)


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of one version's rating, beside what its clip and its listener do to all
    versions alike."""

    clip: float
    """From clip to clip, of what all listeners share."""
    listener: float
    """From listener to listener, of what all clips share."""
    rest: float


MUSHRA = Spread(clip=10.8, listener=6.6, rest=15.7)
"""Of the ratings that Stahl, Windtner and Sontacchi published (IEEE Access 12, 2024,
doi 10.1109/ACCESS.2024.3482359; CC BY 4.0): seven codecs, 12 clips, 19 listeners.
``python -m benchmarks.listening_power`` estimated them."""
# No ratings by category are at hand. These are MUSHRA's, on a scale of 4 instead of 100 points, and
# the rounding of votes to whole numbers.
_SPREADS: Mapping[Method, Spread] = {
    "mushra": MUSHRA,
    "mos": Spread(
        clip=0.04 * MUSHRA.clip,
        listener=0.04 * MUSHRA.listener,
        rest=math.hypot(0.04 * MUSHRA.rest, math.sqrt(1 / 12)),
    ),
}
ASSUMED: Mapping[Method, str] = {
    "mushra": "ratings spread as in Stahl et al. 2024 (7 codecs, 12 clips, 19 listeners)",
    "mos": "assumed: votes spread as MUSHRA ratings do in Stahl et al. 2024, and are rounded",
    "abx": "assumed: all listeners hear equally well, and all clips are equally hard",
}


@dataclass(frozen=True, slots=True)
class Design:
    """So many listeners who all hear so many clips."""

    listeners: int
    clips: int

    @property
    def cost(self) -> int:
        """How many trials are answered in all."""
        return self.listeners * self.clips


@dataclass(frozen=True, slots=True)
class Plan:
    """A test whose size is not settled."""

    method: Method
    num_codecs: int
    repeats: int = 1
    """How often each trial of an ABX test is asked."""

    @property
    def num_tests(self) -> int:
        """Over which p-values are corrected."""
        pairs = self.num_codecs * (self.num_codecs - 1) // 2
        return self.num_codecs if self.method == "abx" else max(1, pairs)

    def power(self, design: Design, difference: float, seed: int = 0) -> float:
        """How often this difference is shown, 0..1; 0 where there are too few to test."""
        if self.method == "abx":
            return _told_apart(design.cost * self.repeats, 0.5 + difference, self.num_tests)
        if min(design.listeners, design.clips) < MIN_UNITS:
            return 0.0
        drawn = _draw(design, difference, _SPREADS[self.method], np.random.default_rng(seed))
        return float((drawn * self.num_tests < ALPHA).mean())


@dataclass(frozen=True, slots=True)
class Power:
    """What a planned test shows."""

    plan: Plan
    shares: Mapping[Design, tuple[float, ...]]
    """How often each of :data:`DIFFERENCES` is shown, 0..1."""
    needed: tuple[Design | None, ...]
    """For each difference the design with the fewest trials that shows it four times in five; None
    where none of at most 100 listeners and 60 clips does."""
    needed_here: tuple[int | None, ...]
    """For each difference the least number of listeners with the planned clips."""

    @property
    def facts(self) -> dict[str, Any]:
        """For the key's record."""
        shares = self.shares.items()
        return {
            "assumed": ASSUMED[self.plan.method],
            "differences": list(DIFFERENCES[self.plan.method]),
            "shares": [{**asdict(design), "shares": list(of)} for design, of in shares],
            "listeners_for_80_percent": list(self.needed_here),
        }


@cache
def planned_power(plan: Plan, num_clips: int) -> Power:
    """The power of a test of so many clips, for several numbers of listeners."""
    differences = DIFFERENCES[plan.method]
    shown = [Design(listeners, num_clips) for listeners in _SHOWN_LISTENERS]
    shown += [Design(listeners, 2 * num_clips) for listeners in _SHOWN_LISTENERS[1:3]]
    return Power(
        plan,
        {design: tuple(plan.power(design, one) for one in differences) for design in shown},
        tuple(_cheapest(plan, one) for one in differences),
        tuple(_least(plan, num_clips, _EVERY, one) for one in differences),
    )


def p_values(
    mean: Vector, of_clips: Vector, of_listeners: Vector, of_both: Vector, design: Design
) -> Vector:
    """The test of ``listen read`` on full tables: of the mean, its variance over clips and over
    listeners, and that of single ratings, which both contain."""
    from scipy.special import stdtr

    free_clips, free_listeners = design.clips - 1, design.listeners - 1
    whole = of_clips + of_listeners - of_both
    larger = np.maximum(of_clips, of_listeners)
    spread = of_clips**2 / free_clips + of_listeners**2 / free_listeners
    spread += of_both**2 / (free_clips * free_listeners)
    freedom = np.maximum(whole**2 / spread, min(free_clips, free_listeners))
    by_larger = np.where(of_clips >= of_listeners, free_clips, free_listeners)
    freedom = np.where(whole <= larger, by_larger, freedom)
    found: Vector = 2 * stdtr(freedom, -np.abs(mean) / np.sqrt(np.maximum(whole, larger)))
    return found


def table_lines(found: Power) -> list[str]:
    """The table and what is needed, for people."""
    method = found.plan.method
    texts = [_difference_text(method, one) for one in DIFFERENCES[method]]
    wide = max(map(len, texts)) + 2
    lines = ["listeners  clips" + "".join(text.rjust(wide) for text in texts)]
    for design, shares in found.shares.items():
        cells = "".join(f"{100 * share:.0f} %".rjust(wide) for share in shares)
        lines.append(f"{design.listeners:9}  {design.clips:5}{cells}")
    clips = next(iter(found.shares)).clips
    if method != "abx" and clips < MIN_UNITS:
        lines.append(f"nothing is tested with fewer than {MIN_UNITS} clips")
    for text, here, least in zip(texts, found.needed_here, found.needed, strict=True):
        these = f"{here} listeners" if here else f"more than {_EVERY[-1]} listeners"
        work = f"{least.listeners} listeners x {least.clips} clips" if least else "none found"
        lines.append(f"80 % for {text}: with {clips} clips {these}; fewest trials: {work}")
    return lines


def _difference_text(method: Method, difference: float) -> str:
    if method == "abx":
        return f"{100 * (0.5 + difference):.0f} % right"
    return f"{difference:g} points" if method == "mushra" else f"{difference:g} MOS"


def _cheapest(plan: Plan, difference: float) -> Design | None:
    found = []
    for clips in _CLIPS:
        least = _least(plan, clips, _LISTENERS, difference)
        found += [] if least is None else [Design(least, clips)]
    return min(found, key=lambda one: (one.cost, one.listeners), default=None)


def _least(plan: Plan, clips: int, among: Sequence[int], difference: float) -> int | None:
    """The least number of listeners among these, which ascend, that is enough."""

    def is_enough(listeners: int) -> bool:
        return plan.power(Design(listeners, clips), difference) >= WANTED

    place = bisect_left(among, True, key=is_enough)
    return among[place] if place < len(among) else None


def _told_apart(num_answers: int, share: float, num_tests: int) -> float:
    """How often the exact binomial test of ``listen read`` shows that answers are no guesses."""
    from scipy.special import bdtrc

    below = np.arange(num_answers)  # bdtrc(k, n, p): more than k of n answers are right
    shown = np.flatnonzero(bdtrc(below, num_answers, 0.5) * num_tests < ALPHA)
    return float(bdtrc(shown[0], num_answers, share)) if shown.size else 0.0


def _draw(design: Design, difference: float, one: Spread, rng: np.random.Generator) -> Vector:
    """p-values of as many tests as are drawn; ``one`` is of a version's rating."""
    spread = Spread(*(math.sqrt(2) * part for part in (one.clip, one.listener, one.rest)))
    clips, listeners = design.clips, design.listeners
    both = (clips - 1) * (listeners - 1)
    single = spread.rest**2 / (clips * listeners)
    by_clip, by_listener = spread.clip**2 / clips, spread.listener**2 / listeners
    error = math.sqrt(by_clip + by_listener + single)
    return p_values(
        rng.normal(difference, error, _DRAWS),
        (by_clip + single) * rng.chisquare(clips - 1, _DRAWS) / (clips - 1),
        (by_listener + single) * rng.chisquare(listeners - 1, _DRAWS) / (listeners - 1),
        single * rng.chisquare(both, _DRAWS) / both,
        design,
    )
