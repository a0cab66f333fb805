"""``--dataset NAME``: the clips that a run takes, chosen, inspected and cut to excerpts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from snac_eval import audio
from snac_eval.datasets.guessing import looks_like_speech
from snac_eval.datasets.sampling import Balance, choose_clips, excerpt
from snac_eval.errors import DatasetError
from snac_eval.locations import Url
from snac_eval.machine import num_cores
from snac_eval.progress import say, track
from snac_eval.reading.names import user_path
from snac_eval.registry import plugins
from snac_eval.types import Clip, Dataset, DatasetRequest, Domain

_AT_ONCE_FAR = 16
_QUEUED = 1000
_MANY = 50


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which clips a run takes, and how much of each."""

    excerpt_s: float = 0.0
    """Seconds of each clip; 0: whole clips."""
    balance: Balance = ""
    """Take equally many clips of each speaker or domain; empty: do not look at that."""
    seed: int = 0
    """Seed of both choices."""
    longest_s: float = math.inf
    """Whole clips that last longer are not scored, and not measured to their end."""


def open_dataset(
    name: str,
    data_root: Path | None = None,
    card_dirs: Sequence[Path] = (),
    limit: int = 0,
    show_progress: bool = False,
    sampling: Sampling = Sampling(),
    inspect: Callable[[Clip, float], Clip] = audio.inspect,
    domain: Domain | Literal[""] = "",
) -> Dataset:
    """The dataset that the user named, its clips chosen, inspected and cut to excerpts.

    Args:
        name: of a card, with the loader's argument where it takes one: ``librispeech:test-clean``.
        data_root: folder of corpora unpacked by hand.
        card_dirs: folders of the user's own cards.
        limit: how many clips, spread over the dataset; 0: all.
        show_progress: draw a bar where this takes long.
        sampling: which clips, and how much of each.
        inspect: adds to a clip what its file says, as :func:`snac_eval.audio.inspect`; called from
            several threads.
        domain: what the clips are of which the dataset does not say it; empty: "general".

    Raises:
        SnacEvalError: UnknownNameError for a name without a card, DatasetError for a dataset that
            holds no clip, and what the loader raises.
    """
    card = plugins.dataset_card(name, card_dirs, check_options=True)
    request = DatasetRequest(
        # A card whose domain is general leaves open what its clips are.
        card=replace(card, domain=domain) if domain and card.domain == "general" else card,
        argument=name.partition(":")[2],
        data_root=None if data_root is None else user_path(data_root),
        show_progress=show_progress,
        first=0 if sampling.balance else limit,
    )
    dataset = plugins.open_dataset(request)
    if not dataset.clips:
        raise DatasetError(f"dataset '{name}' holds no clips; check the path and the file types")
    chosen = choose_clips(dataset.clips, limit, sampling.balance, sampling.seed)
    longest_s = math.inf if sampling.excerpt_s else sampling.longest_s
    looked_at = _each(chosen, lambda clip: inspect(clip, longest_s))
    shown = show_progress and len(chosen) > 500
    clips = tuple(track(looked_at, "reading headers", "clip", shown, len(chosen)))
    of_domain = tuple(_domain_notes(clips, domain))
    for note in of_domain:  # where a run takes long, its end is late to hear of it
        say(f"note: {note}", show_progress and len(clips) > _MANY)
    dataset = replace(dataset, clips=clips, notes=(*dataset.notes, *_notes(clips), *of_domain))
    return _cut(dataset, sampling, show_progress) if sampling.excerpt_s else dataset


def _each(clips: Sequence[Clip], look: Callable[[Clip], Clip]) -> Iterator[Clip]:
    """What ``look`` makes of each clip, in their order; it may be asked of several at once.

    Whoever reads waits, for the disk or the network, and decoders let go of the interpreter.
    """
    far = any(isinstance(clip.path, Url) for clip in clips)
    pool = ThreadPoolExecutor(max(_AT_ONCE_FAR, num_cores()) if far else num_cores())
    try:
        for start in range(0, len(clips), _QUEUED):
            yield from pool.map(look, clips[start : start + _QUEUED])
    finally:
        pool.shutdown(cancel_futures=True)


def _notes(clips: Sequence[Clip]) -> Iterator[str]:
    """What is odd about the clips' files, a line for each kind."""
    odd: defaultdict[str, list[str]] = defaultdict(list)
    for clip in clips:
        for remark in clip.remarks:
            odd[remark].append(clip.id)
    for remark, ids in odd.items():
        yield f"{len(ids)} of {len(clips)} clips {remark} (first: {ids[0]})"
    first: dict[str, str] = {}
    read = [clip for clip in clips if not clip.problem]
    same = [clip.id for clip in read if first.setdefault(clip.sha256, clip.id) != clip.id]
    if same:
        twin = next(first[clip.sha256] for clip in read if clip.id == same[0])
        yield (
            f"{len(same)} of {len(clips)} clips are the same audio as another"
            f" (first: {same[0]} as {twin}): each counts as a clip"
        )


def _domain_notes(clips: Sequence[Clip], domain: Domain | Literal[""]) -> Iterator[str]:
    """What ``--domain`` did not change; without it, what it might say."""
    if domain:
        said = [clip for clip in clips if clip.domain != domain]
        if said:
            kinds = " and ".join(sorted({clip.domain for clip in said}))
            yield (
                f"{len(said)} of {len(clips)} clips stay {kinds}, as the dataset says"
                f" (first: {said[0].id}): --domain {domain} is for those of which it says nothing"
            )
        return
    unknown = [clip for clip in clips if clip.domain == "general"]
    if found := looks_like_speech(unknown):
        which = "the clips" if len(unknown) == len(clips) else f"{len(unknown)} clips"
        yield f"{which} {found}, but count as general: if they are speech, add --domain speech"


def _cut(dataset: Dataset, sampling: Sampling, show_progress: bool) -> Dataset:
    length_s = sampling.excerpt_s
    shown = show_progress and len(dataset.clips) > 50
    cut = _each(dataset.clips, lambda clip: excerpt(clip, length_s, sampling.seed))
    clips = tuple(track(cut, "choosing excerpts", "clip", shown, len(dataset.clips)))
    short = sum(not clip.problem and clip.duration_s < length_s for clip in clips)
    note = f"{short} of {len(clips)} clips are shorter than the excerpt of {length_s:g} s: whole"
    return replace(dataset, clips=clips, notes=dataset.notes + ((note,) if short else ()))
