"""Which clips of a dataset a run takes, and which part of each.

Every choice depends on content and seed alone: it is the same on every machine and in any order.
A smaller ``--limit`` takes a part of what a larger one takes.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from snac_eval import audio
from snac_eval.errors import AudioError, DatasetError
from snac_eval.types import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

Balance = Literal["", "speaker", "domain"]
BALANCES: tuple[Balance, ...] = get_args(Balance)

ACTIVE = 0.8
"""An excerpt has at least this part of the active tenths that the best excerpt has."""
LEVEL_DB = 3.0
"""Its active tenths are on average at most so much below the clip's."""
_HOP_S = 0.1
_RANGE_DB = 60.0
_STEADY_DB = 6.0


def choose_clips(
    clips: Sequence[Clip], limit: int, balance: Balance = "", seed: int = 0
) -> tuple[Clip, ...]:
    """``limit`` clips, or all for 0, in the order of the dataset.

    A hash of the ids chooses them, so that they are spread over the dataset. With ``balance`` each
    speaker or domain gives equally many, as far as it has them. Raises DatasetError where no clip
    says what is to be balanced.
    """
    if balance and not any(getattr(clip, balance) for clip in clips):
        raise DatasetError(
            f"--balance {balance}: no clip of this dataset names its {balance}; leave it out"
        )
    if not limit or limit >= len(clips):
        return tuple(clips)
    ranked = sorted(clips, key=lambda clip: _rank(clip.id, seed))
    if balance:
        ranked = _round_robin(ranked, balance, seed)
    chosen = {clip.id for clip in ranked[:limit]}
    return tuple(clip for clip in clips if clip.id in chosen)


def excerpt(clip: Clip, length_s: float, seed: int = 0) -> Clip:
    """An excerpt of an inspected clip: ``length_s`` seconds that are not its silence.

    Starts lie 0.1 s apart. The clip's tenths of a second are split into active and inactive ones
    by their levels. A start counts if its excerpt has nearly as many active tenths as any
    (:data:`ACTIVE`) and these are about as loud as the clip's (:data:`LEVEL_DB`): one click or
    bang, however loud, makes no excerpt. The clip's digest and the seed draw one of the starts.
    Start and length go into the id and the digest. A clip that is no longer than the excerpt, or
    that has a problem, stays whole.
    """
    if clip.problem or clip.duration_s <= length_s:
        return clip
    try:
        offset_s = _HOP_S * _draw(_salient_starts(clip, length_s), clip.sha256, seed)
    except AudioError as error:
        return replace(clip, problem=str(error))
    start_s = round(clip.start_s + offset_s, 3)
    cut = replace(
        clip,
        id=f"{clip.id}@{start_s:g}+{length_s:g}",
        start_s=start_s,
        length_s=length_s,
        duration_s=length_s,
        sha256=audio.excerpt_digest(clip.sha256, start_s, length_s),
    )
    return cut


def _salient_starts(clip: Clip, length_s: float) -> list[int]:
    """Starts in hops whose excerpt is active, loud enough, and within the clip."""
    levels = _levels(audio.power_envelope(clip.path, _HOP_S, clip.start_s, clip.length_s))
    active = levels > _threshold(levels)
    length = max(1, round(length_s / _HOP_S))
    last = min(int((clip.duration_s - length_s) / _HOP_S + 1e-6), len(levels) - 1)
    starts = np.arange(max(0, last) + 1)
    ends = np.minimum(starts + length, len(levels))
    counts = _sums(active, starts, ends)
    loudness = _sums(np.where(active, levels, 0.0), starts, ends) / np.maximum(1, counts)
    busy = counts >= ACTIVE * counts.max()
    wanted = levels[active].mean() - LEVEL_DB
    salient = busy & (loudness >= min(wanted, loudness[busy].max()))
    return [int(start) for start in starts[salient]]


def _levels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels in dB; what is louder than any 0.3 s, or 60 dB softer than that, counts as that."""
    levels = 10 * np.log10(np.maximum(power, 1e-20))
    padded = np.pad(levels, 1, mode="edge")
    sustained = np.median([padded[:-2], levels, padded[2:]], axis=0).max()
    return np.asarray(np.clip(levels, sustained - _RANGE_DB, sustained))


def _threshold(levels: NDArray[np.float64]) -> float:
    """The level that parts the levels best in two kinds (Otsu, 1979); below all if all are alike.

    Best means the most variance between the two kinds.
    """
    ordered = np.sort(levels)
    if ordered[-1] - ordered[0] < _STEADY_DB:
        return -np.inf
    below = np.arange(1, len(ordered))
    total = np.cumsum(ordered)
    low = total[:-1] / below
    high = (total[-1] - total[:-1]) / (len(ordered) - below)
    between = below * (len(ordered) - below) * (high - low) ** 2
    return float(ordered[np.argmax(between)])


def _sums(
    values: NDArray[Any], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> NDArray[np.float64]:
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return np.asarray(total[ends] - total[starts])


def _draw(starts: Sequence[int], digest: str, seed: int) -> int:
    return starts[int.from_bytes(_rank(digest, seed, "excerpt")[:8], "big") % len(starts)]


def _round_robin(ranked: Sequence[Clip], balance: str, seed: int) -> list[Clip]:
    groups: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in ranked:
        groups[getattr(clip, balance)].append(clip)
    order = sorted(groups, key=lambda name: _rank(name, seed, balance))
    rounds: Iterable[tuple[Clip | None, ...]] = zip_longest(*(groups[name] for name in order))
    return [clip for clip in chain.from_iterable(rounds) if clip is not None]


def _rank(text: str, seed: int, purpose: str = "") -> bytes:
    # Seed 0 is the bare hash: earlier runs' choices stay what they were.
    salt = f"{purpose}:{seed}:" if seed or purpose else ""
    return hashlib.sha256((salt + text).encode()).digest()
