"""Does a codec give the same answer twice? A run asks it of one clip, for its numbers hold only for
the pass that was scored where it does not.

Sampling without the seed, layers left in training mode, state that one clip leaves to the next, and
kernels that add in any order all make codes or audio differ from pass to pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from snac_eval.errors import one_line
from snac_eval.types import Codec, Codes, Waveform

LONGEST_S = 5.0
"""Of a longer clip, the first so many seconds are coded."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """How two passes of a codec over the same audio with the same seed differ."""

    num_codes: int = 0
    """Tokens, or packets where there are no tokens, of the first pass."""
    num_changed: int = 0
    """Those that the second pass gave otherwise, too many or not at all."""
    audio_db: float | None = None
    """Level of the difference of what was decoded, relative to the first pass, in dB; None where
    there is none. Infinite where the lengths differ, or the first pass is silent."""
    problem: str = ""
    """Why the passes could not be made; what else is said is of no pass then."""

    @property
    def is_same(self) -> bool:
        """Whether both passes were made and gave the same codes and audio, to the bit."""
        return self == Repeat(self.num_codes)

    def sentence(self, codec: str, clip: str) -> str:
        """What a reader of the run must know; empty where both passes were the same."""
        if self.problem:
            return f"whether {codec} is deterministic could not be checked: {self.problem}"
        if self.is_same:
            return ""
        return (
            f"{codec} is not deterministic: two passes over clip {clip} differ in "
            + " and ".join(self._differences())
        )

    def _differences(self) -> list[str]:
        found = []
        if self.num_changed:
            found.append(f"{self.num_changed} of {self.num_codes} codes")
        if self.audio_db is not None:
            level = "wholly" if math.isinf(self.audio_db) else f"by {self.audio_db:.0f} dB"
            found.append(f"their audio {level}")
        return found

    def facts(self) -> dict[str, Any]:
        """As JSON holds it: an infinite difference is a text."""
        facts = asdict(self)
        return facts | {"audio_db": "inf"} if self.audio_db == math.inf else facts

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Repeat:
        """What :meth:`facts` gave. Raises KeyError, TypeError or ValueError for all else."""
        level = facts["audio_db"]
        return cls(
            int(facts["num_codes"]),
            int(facts["num_changed"]),
            None if level is None else float(level),
            str(facts["problem"]),
        )


def repeat(codec: Codec, waveform: Waveform, seed: int) -> Repeat:
    """Code the waveform twice, and compare. Never raises: a codec that fails is a problem."""
    length = round(LONGEST_S * waveform.sample_rate)
    start = replace(waveform, samples=np.ascontiguousarray(waveform.samples[:, :length]))
    try:
        (codes, audio), (other_codes, other_audio) = (_pass(codec, start, seed) for _ in range(2))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a codec raises
        return Repeat(problem=one_line(error))
    num_codes, num_changed = _changed(codes, other_codes)
    return Repeat(num_codes, num_changed, _apart_db(audio, other_audio))


def _pass(codec: Codec, waveform: Waveform, seed: int) -> tuple[Codes, Waveform]:
    (codes,) = codec.encode([waveform])
    (audio,) = codec.decode([codes], [seed])
    return codes, audio


def _changed(codes: Codes, other: Codes) -> tuple[int, int]:
    """How many tokens or packets there are, and how many are otherwise in the other pass. Side
    information counts as one more code where it differs."""
    if codes.streams or other.streams:
        pairs = list(zip_longest(codes.streams, other.streams, fillvalue=np.zeros(0, np.int32)))
        num_codes = codes.num_tokens
        changed = sum(_unequal(one, two) for one, two in pairs)
    else:
        num_codes = len(codes.packets)
        changed = sum(one != two for one, two in zip_longest(codes.packets, other.packets))
    beside = (codes.side_info, codes.header) != (other.side_info, other.header)
    return num_codes, changed + beside


def _unequal(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> int:
    both = min(one.size, other.size)
    return int(np.count_nonzero(one[:both] != other[:both])) + max(one.size, other.size) - both


def _apart_db(one: Waveform, other: Waveform) -> float | None:
    if one.samples.shape != other.samples.shape:
        return math.inf
    if np.array_equal(one.samples, other.samples):
        return None
    power = float(np.square(one.samples, dtype=np.float64).mean())
    difference = np.subtract(one.samples, other.samples, dtype=np.float64)
    apart = float(np.square(difference).mean())
    return 10 * math.log10(apart / power) if power > 0 and math.isfinite(apart) else math.inf
