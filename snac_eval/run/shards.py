"""Parts of a run for machines that know nothing of each other: ``--shard 2/8`` is one of eight.

Who computes a shard does not matter. The clips are dealt out by what the whole plan says of them
and by nothing else, so that eight machines with the same command line find the same eight parts.
"""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from snac_eval.errors import UsageError
from snac_eval.types import Clip

_FORM = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """One of ``of`` parts of a run; the first is number 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``2/8``; the whole run where the text is empty. Raises UsageError.

        >>> Shard.parse("2/8")
        Shard(number=2, of=8)
        """
        if not text:
            return cls()
        found = _FORM.fullmatch(text)
        if found is None:
            raise UsageError(f"--shard {text}: give I/N, e.g. 1/8 for the first of eight")
        shard = cls(int(found[1]), int(found[2]))
        if not 1 <= shard.number <= shard.of:
            raise UsageError(f"--shard {text}: N parts are numbered 1/N to N/N")
        return shard

    @property
    def is_whole(self) -> bool:
        """Whether there is but one part."""
        return self.of == 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True, slots=True)
class Part:
    """Which clips of a run a shard has, and what it must know of the others."""

    shard: Shard
    run_id: str
    """Of the whole run, as all that follows."""
    num_clips: int
    clip_list_sha256: str
    first: Clip
    places: tuple[int, ...]
    """Where the shard's clips stand among all clips, from 0."""


def deal(names: Sequence[str], durations_s: Sequence[float], shard: Shard) -> tuple[int, ...]:
    """Places of the clips that are the shard's, in their order.

    Clips of one name are one piece of work and stay together. The longest are dealt first, each to
    the part that has the least so far: no two parts differ by more than the longest piece. Raises
    UsageError where a part would be empty.
    """
    pieces: defaultdict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        pieces[name].append(place)
    if len(pieces) < shard.of:
        raise UsageError(
            f"--shard {shard}: the run has only {len(pieces)} different clips; split it in so many"
            " parts or fewer"
        )
    length_s = {name: sum(durations_s[one] for one in found) for name, found in pieces.items()}
    loads = [(0.0, 0, number) for number in range(1, shard.of + 1)]
    mine: list[int] = []
    # Sorting keeps the dataset's order among equals.
    for name in sorted(pieces, key=lambda name: -length_s[name]):
        load_s, count, number = loads[0]
        heapq.heapreplace(loads, (load_s + length_s[name], count + 1, number))
        if number == shard.number:
            mine += pieces[name]
    return tuple(sorted(mine))
