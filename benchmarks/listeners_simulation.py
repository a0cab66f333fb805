"""How often intervals and tests of listening tests are wrong (snac_eval.results.listeners).

    python benchmarks/listeners_simulation.py [REPEATS]

Ratings are drawn of clips and listeners that are both samples: a codec's mean, plus the clip, plus
the listener, plus the rest, each of them normal with spreads as in the ratings of Stahl,
Windtner and Sontacchi (2024), or with a long tail where that is said. Where
half of the cells are empty, each listener hears half of the clips, drawn anew. An interval should
hold the true mean in 95 % of repeats, and of two codecs that are alike a test should find a
difference in 5 %.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from snac_eval.results.listeners.consistency import consistency_of
from snac_eval.results.listeners.means import mean_rating
from snac_eval.results.listeners.ratings import Rating

CLIP, LISTENER, REST = 12.0, 8.0, 17.0
"""Spreads of one codec's ratings."""


@dataclass(frozen=True)
class Design:
    """Who hears what."""

    clips: int
    listeners: int
    share: float = 1.0
    spreads: tuple[float, float, float] = (CLIP, LISTENER, REST)
    skewed: bool = False
    """Squared normals in place of normals."""

    def __str__(self) -> str:
        kind = "" if self.share == 1 else f", {self.share:.0%} of cells"
        spreads = "/".join(f"{one:g}" for one in self.spreads)
        return f"{self.clips} clips x {self.listeners} listeners{kind}, spreads {spreads}" + (
            ", skewed" if self.skewed else ""
        )

    def draw(self, rng: np.random.Generator) -> Iterator[Rating]:
        """Ratings of one codec about a mean of 0."""
        clip, listener, rest = self.spreads
        of_clip = clip * self._noise(rng, (self.clips, 1))
        of_listener = listener * self._noise(rng, (1, self.listeners))
        values = of_clip + of_listener + rest * self._noise(rng, (self.clips, self.listeners))
        heard = np.ones_like(values, dtype=bool)
        if self.share < 1:
            number = round(self.share * self.clips)
            order = rng.random(values.shape).argsort(axis=0)
            heard = order < number  # each listener other clips
        for place in zip(*np.nonzero(heard), strict=True):
            yield Rating(str(place[0]), "", str(place[1]), float(values[place]))

    def _noise(self, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        drawn = rng.standard_normal(size)
        return (drawn**2 - 1) / math.sqrt(2) if self.skewed else drawn


DESIGNS = (
    Design(12, 10),
    Design(12, 20, 0.5),
    Design(10, 30),
    Design(6, 6),
    Design(4, 4),
    Design(30, 5),
    Design(12, 10, spreads=(0, 0, REST)),
    Design(12, 10, spreads=(CLIP, 0, REST)),
    Design(12, 10, spreads=(0, LISTENER, REST)),
    Design(12, 20, 0.5, spreads=(20, LISTENER, REST)),
    Design(12, 10, skewed=True),
)


def means(repeats: int) -> None:
    """Coverage of means; the test of a difference is wrong in the rest."""
    print("Intervals of a mean, which a difference of two codecs is as well:")
    for design in DESIGNS:
        rng = np.random.default_rng(1)
        drawn = [mean_rating(list(design.draw(rng))) for _ in range(repeats)]
        held = np.mean([one.low <= 0 <= one.high for one in drawn])
        found = np.mean([one.p_value < 0.05 for one in drawn])
        width = np.mean([(one.high - one.low) / 2 for one in drawn])
        plain = np.mean([abs(one.mean) <= 1.96 * _plain(design, one.num_ratings) for one in drawn])
        print(
            f"  {design}: holds the mean in {held:.1%} (single ratings taken as independent:"
            f" {plain:.1%}), half width {width:.1f}; finds a difference that is none in {found:.1%}"
        )


def _plain(design: Design, number: int) -> float:
    return math.sqrt(sum(one**2 for one in design.spreads) / number)


def correlations(repeats: int) -> None:
    """Coverage of ICC(2,1), and its mean."""
    print("ICC(2,1) of 84 stimuli:")
    for listeners, share, spreads in (
        (10, 1.0, (17.0, 8.0, 17.0)),
        (18, 0.5, (17.0, 8.0, 17.0)),
        (6, 1.0, (17.0, 8.0, 17.0)),
        (10, 1.0, (10.0, 12.0, 20.0)),
    ):
        rng = np.random.default_rng(2)
        design = Design(84, listeners, share, spreads)
        true = spreads[0] ** 2 / sum(one**2 for one in spreads)
        drawn = [consistency_of(list(design.draw(rng))) for _ in range(repeats)]
        held = np.mean([one.single_interval[0] <= true <= one.single_interval[1] for one in drawn])
        mean = np.mean([one.single for one in drawn])
        print(f"  {design}: true {true:.3f}, mean {mean:.3f}, interval holds it in {held:.1%}")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    means(count)
    correlations(max(100, count // 5))
