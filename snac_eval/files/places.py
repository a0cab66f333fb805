"""Which files a command takes, and which it writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from snac_eval.audio import AUDIO_SUFFIXES, make_clip
from snac_eval.codecs.container import SUFFIX
from snac_eval.errors import UsageError, readable
from snac_eval.locations import Url
from snac_eval.reading.names import location, user_path
from snac_eval.registry import plugins
from snac_eval.types import Clip, DatasetRequest
from snac_eval.writing import clear_temporaries


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files in the order in which they are worked off."""

    clips: tuple[Clip, ...]
    """Each with its path below the folder that was named, or its bare name."""
    notes: tuple[str, ...] = ()
    """What was left out of folders."""


def audio_inputs(names: Sequence[str]) -> Inputs:
    """The audio files that were named, and those below the folders that were.

    Addresses are taken as a dataset ``folder:`` takes them. Raises UsageError for a place that is
    not there, DatasetError for a folder without audio.
    """
    clips: list[Clip] = []
    notes: list[str] = []
    for name in names:
        place = location(name)
        is_url = isinstance(place, Url)
        if place.suffix.lower() in AUDIO_SUFFIXES if is_url else _is_file(Path(str(place)), name):
            clips.append(make_clip(place, place.parent))
            continue
        found = plugins.open_dataset(DatasetRequest(plugins.dataset_card("folder"), name))
        clips += found.clips
        notes += found.notes
    return Inputs(_once(clips), tuple(notes))


def codes_inputs(names: Sequence[str]) -> Inputs:
    """The files of codes that were named, and those below the folders that were. Raises UsageError
    for a place that is not there and for a folder without any."""
    clips: list[Clip] = []
    for name in names:
        place = user_path(name)
        if _is_file(place, name):
            clips.append(make_clip(place, place.parent))
            continue
        there = sorted(_below(place))
        if not there:
            what = f"{readable(name)}: holds no {SUFFIX} files"
            raise UsageError(f"{what}; snac-eval encode writes them")
        clips += [make_clip(one, place) for one in there]
    return Inputs(_once(clips))


def _once(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """Less those that were named again, by themselves and with their folder."""
    first = {(clip.path, clip.relative_path): clip for clip in reversed(clips)}
    return tuple(clip for clip in clips if first[clip.path, clip.relative_path] is clip)


def _is_file(place: Path, name: str) -> bool:
    if place.is_dir():
        return False
    if not os.path.lexists(place):
        raise UsageError(f"{readable(name)}: no such file or folder")
    return True


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob(f"*{SUFFIX}"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def outputs(clips: Sequence[Clip], folder: Path, suffix: str) -> list[Path]:
    """Where each clip's result goes: its relative path below ``folder``, with another suffix.

    Raises UsageError where two would be one file.
    """
    taken: dict[Path, Clip] = {}
    places = []
    for clip in clips:
        place = folder / _renamed(clip.relative_path, suffix)
        other = taken.setdefault(place, clip)
        if other is not clip:
            both = f"{readable(other.path)} and {readable(clip.path)}"
            raise UsageError(
                f"{both} would both be written to {readable(place)}; give them in two calls, with"
                " two folders"
            )
        places.append(place)
    return places


def _renamed(relative: str, suffix: str) -> PurePosixPath:
    path = PurePosixPath(relative)
    known = path.suffix.lower() in AUDIO_SUFFIXES or path.suffix == SUFFIX
    return path.with_name((path.stem if known else path.name) + suffix)


def clear_leftovers(places: Iterable[Path]) -> None:
    """Remove what a killed call left of unfinished files in these files' folders."""
    for folder in {place.parent for place in places}:
        if folder.is_dir():
            clear_temporaries(folder, others_write=True)
