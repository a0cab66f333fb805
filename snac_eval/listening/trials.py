"""What listeners are shown of a clip's versions, under names that tell nothing."""

from __future__ import annotations

import random
import string
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.listening.choosing import Candidate
from snac_eval.listening.shapes import Method, Stimulus, Trial
from snac_eval.listening.sounding import REFERENCE, Side, SoundedClip

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_STIMULI = 12
"""On one screen, after ITU-R BS.1534."""
_LENGTH = 12
_SHORTEST_WORD = 3


class Names:
    """Draws names that are a letter and eleven letters or digits, none twice. From the names of one
    test nobody can tell those of another, nor what any of them stands for."""

    def __init__(self, secret: str, taboo: Collection[str]) -> None:
        """``secret`` is what the names are drawn from; no name holds a word of ``taboo``."""
        self._rng = random.Random(secret)
        self._taboo = [word.lower() for word in taboo if len(word) >= _SHORTEST_WORD]
        self._used = set[str]()

    def draw(self) -> str:
        """The next name."""
        while True:
            rest = self._rng.choices(string.ascii_lowercase + string.digits, k=_LENGTH - 1)
            name = self._rng.choice(string.ascii_lowercase) + "".join(rest)
            if name not in self._used and not any(word in name for word in self._taboo):
                self._used.add(name)
                return name

    def shuffled(self, trials: Sequence[Trial]) -> list[Trial]:
        """In an order that tells nothing either."""
        return self._rng.sample(list(trials), len(trials))


class TrialMaker:
    """Makes the trials of clips, and gathers the sounds that they need by their names."""

    def __init__(self, method: Method, names: Names) -> None:
        self._method, self._names = method, names
        self.sounds: dict[str, NDArray[np.int16]] = {}

    def trials(self, clip: Candidate, sounded: SoundedClip, is_training: bool) -> list[Trial]:
        """One for mushra, one a codec for abx, one a version for mos."""
        if self._method == "mushra":
            known = self._named(sounded, ("reference", REFERENCE))
            stimuli = [self._stimulus(sounded, side) for side in sounded.sounds]
            return [self._trial(clip, known, stimuli, is_training)]
        if self._method == "mos":
            versions = (self._stimulus(sounded, side) for side in sounded.sounds)
            return [self._trial(clip, "", [one], is_training) for one in versions]
        return list(self._pairs(clip, sounded, is_training))

    def _pairs(self, clip: Candidate, sounded: SoundedClip, is_training: bool) -> Iterator[Trial]:
        for side in sounded.sounds:
            if side[0] == "codec":
                reference = self._stimulus(sounded, ("reference", REFERENCE))
                stimuli = [reference, self._stimulus(sounded, side)]
                yield self._trial(clip, reference.name, stimuli, is_training)

    def _stimulus(self, sounded: SoundedClip, side: Side) -> Stimulus:
        return Stimulus(self._named(sounded, side), *side)

    def _named(self, sounded: SoundedClip, side: Side) -> str:
        name = self._names.draw()
        self.sounds[name] = sounded.sounds[side]
        return name

    def _trial(
        self, clip: Candidate, known: str, stimuli: Sequence[Stimulus], is_training: bool
    ) -> Trial:
        return Trial(
            id=self._names.draw(),
            clip=clip.id,
            domain=clip.facts.domain,
            speaker=clip.facts.speaker,
            reference=known,
            stimuli=tuple(stimuli),
            is_training=is_training,
        )
