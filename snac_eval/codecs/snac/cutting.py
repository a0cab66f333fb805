"""Pieces of rows, as long as they come, cut to the length that the next layers work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


def in_tiles(pieces: Iterable[Tensor], rows: int) -> Iterator[Tensor]:
    """The rows of the pieces, ``rows`` at a time; fewer at the end."""
    held, count = list[Tensor](), 0
    for piece in pieces:
        start = 0
        while count + len(piece) - start >= rows:
            held.append(piece[start : start + rows - count])
            start += rows - count
            yield torch.cat(held) if len(held) > 1 else held[0]
            held, count = [], 0
        if start < len(piece):
            held.append(piece[start:])
            count += len(piece) - start
    if held:
        yield torch.cat(held)


def in_parts(pieces: Iterable[Tensor], rows: int) -> Iterator[Tensor]:
    """Each piece in equal parts of ``rows`` rows at most."""
    for piece in pieces:
        yield from piece.tensor_split(-(-len(piece) // rows))


def with_last(tiles: Iterable[Tensor]) -> Iterator[tuple[Tensor, bool]]:
    """Each tile, and whether it is the last one."""
    before = None
    for tile in tiles:
        if before is not None:
            yield before, False
        before = tile
    if before is not None:
        yield before, True
