"""Does a codec give the same answer twice, and in a batch what it gives alone? A run asks the one
of a clip, for its numbers hold only for the pass that was scored where it does not, and the other
of synthetic speech, for its numbers hold only for its batches where it does not.

Sampling without the seed, layers left in training mode, state that one clip leaves to the next, and
kernels that add in any order all make codes or audio differ from pass to pass. Padding that is not
masked, and kernels that are chosen by the shape of the batch, make them differ from the clip alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from snac_eval.audio import speech_like
from snac_eval.errors import one_line
from snac_eval.types import Codec, CodecCard, Codes, Waveform

_SPEECH_RATE = 16000
_BATCH_TOLERANCE_DB = -80.0
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

    @property
    def is_close(self) -> bool:
        """Whether both passes were made and gave the same codes, and audio but for rounding."""
        apart = -math.inf if self.audio_db is None else self.audio_db
        return not self.problem and not self.num_changed and apart <= _BATCH_TOLERANCE_DB

    def batch_sentence(self, codec: str, size: int) -> str:
        """What a reader of a run in batches must know; empty where they change no code."""
        if self.is_close:
            return ""
        here = f"{codec} in batches of {size} on this device"
        kept = "its results are kept apart from those of other batch sizes"
        if self.problem:
            reason = f"could not be compared with single clips: {self.problem}"
            return f"{here} {reason}; {kept}"
        return f"{here} and single clips differ in {' and '.join(self._differences())}; {kept}"

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


def mixed_clips(card: CodecCard, count: int) -> list[Waveform]:
    """Synthetic speech of lengths that differ, from a fifth of a second to three seconds."""
    rate = card.sample_rate or _SPEECH_RATE
    shares = np.linspace(1, 0, count) ** 2 if count > 1 else [1.0]
    lengths = [round((0.2 + 2.8 * share) * rate) for share in shares]
    return [speech_like(one, rate, card.channels, seed) for seed, one in enumerate(lengths)]


def batched(codec: Codec, size: int) -> Repeat:
    """Code clips of different length in one batch and alone, and compare; all 0 where the codec
    takes one clip at a time. Never raises: a codec that fails is a problem."""
    clips = mixed_clips(codec.card, size)
    try:
        if codec.padded_length(clips[0].num_samples) is None:
            return Repeat()
        codes = codec.encode(clips)
        estimates = codec.decode(codes, range(size))
        alone = [_pass(codec, clip, seed) for seed, clip in enumerate(clips)]
        again = [codec.decode([one], [seed])[0] for seed, one in enumerate(codes)]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a codec raises
        return Repeat(problem=one_line(error))
    changes = [_changed(own, one) for (own, _), one in zip(alone, codes, strict=True)]
    levels = [_apart_db(own, one) for own, one in zip(again, estimates, strict=True)]
    apart = [level for level in levels if level is not None]
    return Repeat(
        sum(num_codes for num_codes, _ in changes),
        sum(num_changed for _, num_changed in changes),
        max(apart, default=None),
    )


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
