"""Which rows ``--limit`` takes of a dataset that is streamed: spread over it, but not all fetched.

A dataset of several parts (files, or row groups of Parquet) gives equally many rows of up to
:data:`NUM_PARTS` of them, from the beginning of each. One part of Parquet, which is fetched whole
anyway, and a folder of files give rows from all over it. Of any other single part only the first
rows can be had without the rest. A smaller limit takes a part of what a larger one takes.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

NUM_PARTS = 16
_SEEN_WHOLE = ("audiofolder", "parquet")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """How a dataset is divided, and with that which rows come first in the order of choice.

    A row's place is text: its index, or its part and its index in there. Places sort as rows do.
    """

    num_parts: int
    is_seen_whole: bool
    """Whether rows from all over a single part can be had."""

    @classmethod
    def of(cls, stream: Any) -> tuple[Any, Layout]:  # noqa: ANN401 - datasets is untyped
        """The stream, divided as finely as needed, and how it is divided."""
        if stream.num_shards < NUM_PARTS:
            stream = stream.reshard()
        return stream, cls(stream.num_shards, stream.info.builder_name in _SEEN_WHOLE)

    def order(self, place: str) -> tuple[int | str, ...]:
        """Sorts places into the order of choice."""
        if self.num_parts > 1:
            part, _, row = place.partition("-")
            turn = self._turns[int(part)]
            return turn // NUM_PARTS, int(row), turn
        return (_hash(place) if self.is_seen_whole else place,)

    def note(self, num_taken: int) -> str:
        """What a reader must know of how so many rows were chosen; empty where they are spread."""
        if self.num_parts > 1:
            used = min(self.num_parts, NUM_PARTS, num_taken)
            return (
                f"--limit took the first rows of {used} of the data's {self.num_parts} parts,"
                " about equally many of each"
            )
        return "" if self.is_seen_whole else f"--limit took the first {num_taken} rows of the data"

    def rows(self, stream: Any, first: int) -> Iterator[tuple[str, Row]]:  # noqa: ANN401
        """The ``first`` rows in the order of choice, or all for 0, in any order; with places."""
        if self.num_parts > 1:
            yield from self._from_parts(stream, first)
            return
        numbered = ((f"{index:06d}", row) for index, row in enumerate(stream))
        if first and self.is_seen_whole:
            yield from heapq.nsmallest(first, numbered, key=lambda one: self.order(one[0]))
        else:
            yield from islice(numbered, first or None)

    def _from_parts(self, stream: Any, first: int) -> Iterator[tuple[str, Row]]:  # noqa: ANN401
        left = first
        ordered = sorted(self._turns, key=self._turns.__getitem__)
        for start in range(0, self.num_parts, NUM_PARTS):
            live = ordered[start : start + NUM_PARTS]
            taken = dict.fromkeys(live, 0)
            while live and (left or not first):
                goals = _goals(taken, live, left) if first else {}
                for part in tuple(live):
                    rows = islice(stream.shard(self.num_parts, part), taken[part], goals.get(part))
                    for row in rows:
                        yield f"{part:04d}-{taken[part]:06d}", row
                        taken[part] += 1
                        left -= 1
                    if part not in goals or taken[part] < goals[part]:
                        live.remove(part)

    @cached_property
    def _turns(self) -> dict[int, int]:
        """When each part comes in the order of choice."""
        ordered = sorted(range(self.num_parts), key=lambda part: _hash(f"part {part}"))
        return {part: turn for turn, part in enumerate(ordered)}


def _goals(taken: Mapping[int, int], live: Sequence[int], more: int) -> dict[int, int]:
    """How many rows of each part there are to be, so that ``more`` are taken, in turn."""
    goals = {part: taken[part] for part in live}
    for _ in range(more):
        goals[min(live, key=goals.__getitem__)] += 1  # of equals the first
    return goals


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
