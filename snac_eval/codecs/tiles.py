"""Convolutions of other people's models over long clips in tiles, so that they take bounded memory.

A minute of audio takes convolutions gigabytes. The usual context of a tile is wider than what a
frame depends on (DAC: about 8 frames to either side in the encoder, 10 in the decoder; EnCodec and
Mimi: 2 and 3), so that tiles change nothing but rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

TILE_FRAMES = 2048
CONTEXT_FRAMES = 24


def fits_one(num_frames: int) -> bool:
    """Whether so many frames are one tile."""
    return num_frames <= TILE_FRAMES


def in_tiles(
    layers: Iterable[Callable[[Tensor], Tensor]],
    signal: Tensor,
    num_frames: int,
    out_per_frame: int,
    in_per_frame: int,
    within: Callable[[slice], AbstractContextManager[None]] = lambda _: nullcontext(),
    sizes: tuple[int, int] | None = None,
) -> Tensor:
    """Layers one after another, tile by tile.

    ``signal`` is ``[..., num_frames * in_per_frame]``, or up to one frame shorter; the result is
    ``[..., num_frames * out_per_frame]``, or as much shorter as the layers leave it. ``within``
    gives the context in which the layers get the frames of a tile. ``sizes`` are the frames of a
    tile and of its context to either side, None: the usual.
    """
    import torch

    parts = []
    for around, first, last in _tiles(num_frames, *(sizes or (TILE_FRAMES, CONTEXT_FRAMES))):
        part = signal[..., around.start * in_per_frame : around.stop * in_per_frame]
        with within(around):
            for layer in layers:
                part = layer(part)
        parts.append(part[..., first * out_per_frame : last * out_per_frame])
    return torch.cat(parts, dim=-1)


def _tiles(num_frames: int, tile: int, context: int) -> Iterator[tuple[slice, int, int]]:
    """Each tile with its context, and where in there its own frames begin and end."""
    for start in range(0, num_frames, tile):
        end = min(start + tile, num_frames)
        around = slice(max(0, start - context), min(end + context, num_frames))
        yield around, start - around.start, end - around.start
