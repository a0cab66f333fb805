"""What every decoder gives of an open file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 1 << 16
"""Samples of each channel that a decoder gives at a time, about."""

LESS = "hold less than their header promises: what is there was taken"
MORE = "hold more than their header promises: all of it was taken"
DAMAGED = "have damaged parts: what could be decoded was taken"
NO_END = "stop without the mark that ends a stream: they may have been cut"


class UnknownFormat(Exception):  # noqa: N818 - reads as the state it reports
    """This decoder does not know such files; another may."""


@dataclass
class Source:
    """An open file, from the place on that was asked for."""

    sample_rate: int
    """In Hz."""
    num_channels: int
    """Of every block."""
    blocks: Iterator[NDArray[np.float32]]
    """``[channels, time]``."""
    num_samples: int | None
    """Of each channel of the whole file, where its size proves it; None: decode it to know."""
    coding: str
    """What the decoder calls it: ``PCM_16``, ``mp3float``."""
    remarks: list[str]
    """What is odd about it; complete once all blocks were taken."""
