"""ABX: whether listeners tell a codec from the reference.

Who hears no difference is right in half of the answers, whoever it is. So the exact binomial test
of all answers together is valid for these listeners and clips; Holm's correction is over the
codecs. The interval of the share that is right is for other listeners: they are its units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from snac_eval.results.listeners.answers import Given, Key
from snac_eval.results.stats import Interval, holm, mean_interval

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Told:
    """One codec, or anchor, against the reference."""

    codec: str
    num_right: int
    num_answers: int
    num_listeners: int
    num_alone: int
    """Listeners whose own answers would show it, by the same test, uncorrected."""
    interval: Interval
    """95 % interval of the share that is right, for other listeners."""
    p_value: float
    """That all answers are guesses: the exact binomial test, to the right alone."""
    p_holm: float = math.nan

    @property
    def share(self) -> float:
        """Of the answers, those that are right."""
        return self.num_right / self.num_answers

    @property
    def verdict(self) -> str:
        """``told apart`` or ``no difference shown``."""
        return "told apart" if self.p_holm < ALPHA else "no difference shown"


def told(given: Iterable[Given], key: Key) -> Iterator[Told]:
    """What these answers to an ABX test say of each codec, in their order."""
    by_codec: dict[str, dict[str, list[bool]]] = {}
    for one in given:
        if one.correct is None:
            continue
        trial = key.trials[one.trial]
        names = [codec for codec, role in trial.stimuli.values() if role != "reference"]
        for codec in names:
            by_codec.setdefault(codec, {}).setdefault(one.listener, []).append(one.correct)
    found = [_told(codec, answers) for codec, answers in by_codec.items()]
    corrected = holm([one.p_value for one in found])
    yield from (replace(one, p_holm=p) for one, p in zip(found, corrected, strict=True))


def _told(codec: str, answers: dict[str, list[bool]]) -> Told:
    every = [(float(one), listener) for listener, each in answers.items() for one in each]
    values, listeners = zip(*every, strict=True)
    alone = sum(_guessed(sum(each), len(each)) < ALPHA for each in answers.values())
    return Told(
        codec=codec,
        num_right=int(sum(values)),
        num_answers=len(values),
        num_listeners=len(answers),
        num_alone=alone,
        # One listener's answers would be units of their own, which says nothing of others.
        interval=mean_interval(values, listeners, (0.0, 1.0))
        if len(answers) > 1
        else Interval(math.nan, math.nan, "clip", 1, "too few"),
        p_value=_guessed(int(sum(values)), len(values)),
    )


def _guessed(right: int, number: int) -> float:
    """How often guesses are right as often as this, or more often."""
    from scipy.special import bdtrc

    return float(bdtrc(right - 1, number, 0.5)) if right else 1.0
