"""Convolutions of DAC's kind over long clips in tiles, so that they take bounded memory.

A minute of audio takes them gigabytes. The context of a tile is wider than what a frame depends on
(about 27 frames to either side, where the stride nearest to the frames is 2), so that tiles change
nothing but rounding, and nothing at all in a clip that is one tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from snac_eval.codecs.tiles import in_tiles

if TYPE_CHECKING:
    from torch import Tensor, nn

TILE_FRAMES = 192
CONTEXT_FRAMES = 40


def tile_network(network: nn.Module, in_per_frame: int, out_per_frame: int) -> None:
    """Let the network, an encoder or a decoder, work tile by tile from now on.

    It takes ``[batch, channel, frames * in_per_frame]`` and gives ``frames * out_per_frame`` steps,
    or fewer at the end.
    """
    network.forward = _in_tiles(network.forward, in_per_frame, out_per_frame)


def _in_tiles(
    whole: Callable[[Tensor], Tensor], in_per_frame: int, out_per_frame: int
) -> Callable[[Tensor], Tensor]:
    def forward(signal: Tensor) -> Tensor:
        frames = -(-signal.shape[-1] // in_per_frame)
        if frames <= TILE_FRAMES:
            return whole(signal)
        sizes = TILE_FRAMES, CONTEXT_FRAMES
        return in_tiles([whole], signal, frames, out_per_frame, in_per_frame, sizes=sizes)

    return forward
