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
from typing import Literal, get_args

import numpy as np

from snac_eval import audio
from snac_eval.errors import AudioError, DatasetError
from snac_eval.types import Clip

Balance = Literal["", "speaker", "domain"]
BALANCES: tuple[Balance, ...] = get_args(Balance)

SALIENT = 0.5
"""An excerpt has at least this share of the clip's mean power (-3 dB)."""
_HOP_S = 0.1


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

    Starts lie 0.1 s apart. A start counts if its excerpt has at least half of the clip's mean
    power; the clip's digest and the seed draw one of those. Start and length go into the id and the
    digest. A clip that is no longer than the excerpt, or that has a problem, stays whole.
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
    """Starts in hops whose excerpt is loud enough and lies within the clip."""
    power = audio.power_envelope(clip.path, _HOP_S, clip.start_s, clip.length_s)
    total = np.concatenate([[0.0], np.cumsum(power)])
    length = max(1, round(length_s / _HOP_S))
    last = int((clip.duration_s - length_s) / _HOP_S + 1e-6)
    starts = np.arange(last + 1)
    ends = np.minimum(starts + length, len(power))
    means = (total[ends] - total[starts]) / np.maximum(1, ends - starts)
    salient = means >= min(SALIENT * power.mean(), means.max())
    return [int(start) for start in starts[salient]]


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
