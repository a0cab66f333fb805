"""What the counts of a sample say of the source that it was drawn from.

A sample of N tokens shows at most N entries of a codebook and at most log2(N) bits of entropy,
whatever the codec does. These estimates correct for what was not seen yet:

- entropy after Chao, Wang and Jost, "Entropy and the species accumulation curve" (Methods in
  Ecology and Evolution 4, 2013). From two tokens an entry on, its mean error was at most 0.04 bits
  for uniform, half-used, Zipf, gamma and log-normal sources of 1024 and 4096 entries and for the
  streams of a SNAC; that of the plain estimate was up to 0.41, of Miller-Madow 0.19, of Chao-Shen
  0.24;
- the number of entries in use after Chao, "Nonparametric estimation of the number of classes in a
  population" (Scandinavian Journal of Statistics 11, 1984), in its form without bias where every
  entry is equally likely. It is a lower bound: entries that are hardly ever used leave no trace.
  With two tokens an entry it missed 0 to 30 % of the codebook, what was seen 1 to 55 %;
- coverage after Good, "The population frequencies of species and the estimation of population
  parameters" (Biometrika 40, 1953): the share of the source's tokens whose entry was seen.

``benchmarks/token_estimates.py`` measures them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]


def entropy_bits(counts: Counts, size: float | None = None) -> float:
    """Entropy of one token in bits: 0 where one entry was seen, or none, and at most that of all
    :func:`entries_in_use` alike. ``size`` is as there."""
    from scipy.special import digamma

    seen = counts[counts > 0]
    total = int(seen.sum())
    if len(seen) < 2:
        return 0.0
    of_seen = float((seen / total * (digamma(total) - digamma(seen))).sum())
    nats = of_seen + _entropy_of_unseen(*_once_and_twice(counts), total)
    return min(nats / math.log(2), math.log2(entries_in_use(counts, size)))


def entries_in_use(counts: Counts, size: float | None = None) -> float:
    """How many entries the source uses at least, from those seen to ``size``: how many there are;
    None: as many as there are counts."""
    once, twice = _once_and_twice(counts)
    seen, total = int(np.count_nonzero(counts)), max(1, int(counts.sum()))
    unseen = (total - 1) / total * once * (once - 1) / (2 * (twice + 1))
    return min(seen + unseen, float(len(counts) if size is None else size))


def coverage(counts: Counts) -> float:
    """Share of the source's tokens whose entry is among those seen, 0..1; 0 for no tokens."""
    total = int(counts.sum())
    return 1 - _once_and_twice(counts)[0] / total if total else 0.0


def _once_and_twice(counts: Counts) -> tuple[int, int]:
    return int(np.count_nonzero(counts == 1)), int(np.count_nonzero(counts == 2))


def _entropy_of_unseen(once: int, twice: int, total: int) -> float:
    """What entries that were not seen add, in nats: with ``x = 1 - rate``,
    ``once / total`` times the sum over j of ``x^(j + 1) / (total + j)``, as an integral."""
    if not once:
        return 0.0
    from scipy.integrate import quad

    if twice:
        rate = 2 * twice / ((total - 1) * once + 2 * twice)
    else:
        rate = 2 / ((total - 1) * (once - 1) + 2)
    if rate == 1:
        return 0.0

    def inner(u: float) -> float:
        return math.exp(-u) / (rate - (1 - rate) * math.expm1(-u / total))

    # Steep where u is below total * rate, and e^-50 is nothing.
    steep = min(25.0, total * rate)
    value, _ = quad(inner, 0, 50, points=[steep], limit=200)
    return once / total * (1 - rate) / total * float(value)
