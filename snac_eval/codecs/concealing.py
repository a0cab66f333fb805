"""Packets of which some did not arrive, decoded one by one to as many samples as if all had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.codecs.losses import BoolArray

    Block = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Receiver:
    """A decoder that knows when a packet should have come."""

    decode: Callable[[Sequence[bytes]], Block | None]
    """Takes packets and gives ``[channels, time]``; None where it refuses them, or gives nothing.
    """
    stand_ins: Callable[[bytes], Sequence[bytes]]
    """What it gets for a lost packet, given the last that came; nothing: it is silence."""
    num_channels: int
    length: int
    """Of a packet, in samples. A decoder that gives another number of them was misled by damage."""
    skipped: int = 0
    """Samples that the decoder drops at the beginning."""

    def receive(self, packets: Sequence[bytes], lost: BoolArray) -> Block:
        """Samples ``[channels, time]``, float32. A packet that is refused counts as lost."""
        last, skipped, blocks = packets[0], self.skipped, []
        for packet, is_lost in zip(packets, lost, strict=True):
            block = None if is_lost else self.decode([packet])
            if block is None:
                block = self.decode(self.stand_ins(last))
            else:
                last = packet
            trimmed = min(skipped, self.length)
            skipped -= trimmed
            blocks.append(self._fitted(block, self.length - trimmed))
        return np.concatenate(blocks, axis=1)

    def _fitted(self, block: Block | None, length: int) -> Block:
        found = np.zeros((self.num_channels, length), np.float32)
        if block is not None:
            found[:, : block.shape[1]] = block[:, :length]
        return found
