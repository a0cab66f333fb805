"""Long clips in pieces, so that a network's memory does not grow with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

LONGEST_S = 30.0
"""A network sees a clip of at most this many seconds whole; of a longer one, equal pieces."""


def in_pieces(length: int, longest: int) -> list[slice]:
    """The fewest pieces of at most ``longest`` samples, as equal as whole samples allow."""
    count = max(1, math.ceil(length / longest))
    ends = [length * index // count for index in range(count + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def mean_of_pieces(
    score: Callable[..., NDArray[np.float64]], rate: int, *signals: Signal
) -> NDArray[np.float64]:
    """Mean, weighted by length, of what ``score`` gives for the pieces of signals of one length.

    A signal of up to :data:`LONGEST_S` is one piece: its score is exactly that of the network.
    """
    pieces = in_pieces(len(signals[0]), int(LONGEST_S * rate))
    found = [score(*(signal[piece] for signal in signals)) for piece in pieces]
    weights = [piece.stop - piece.start for piece in pieces]
    return np.asarray(np.average(found, axis=0, weights=weights), dtype=np.float64)
