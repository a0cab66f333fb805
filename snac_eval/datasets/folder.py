"""``folder:PATH``: every audio file below a folder, here or at an address (``folder:s3://...``)."""

from __future__ import annotations

import mimetypes
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from snac_eval.audio import AUDIO_SUFFIXES, make_clip
from snac_eval.errors import DatasetError, UsageError, readable
from snac_eval.locations import Location, Url
from snac_eval.reading.names import location, shown_path
from snac_eval.reading.remote import listed
from snac_eval.types import DOMAINS, Clip, Dataset, DatasetCard, DatasetRequest, Domain

_OTHER_SUFFIXES = frozenset({".dff", ".dsf", ".pcm", ".raw", ".shn", ".spx", ".webm"})


def load(request: DatasetRequest) -> Dataset:
    """Clips of ``request.argument``, sorted by relative path; hidden files are left out.

    The folder may be an address that fsspec can list. Linked folders are followed. Files below a
    top folder named ``speech``, ``music`` or ``general`` are of that domain, others of the card's.
    A file that cannot be read becomes a clip with a problem. Raises DatasetError where the folder
    is missing or holds no audio, UsageError without a path.
    """
    if not request.argument:
        raise UsageError("dataset 'folder' needs a path: --dataset folder:PATH")
    root = location(request.argument)
    if isinstance(root, Path) and not root.is_dir():
        raise DatasetError(f"{readable(root)}: no such folder; give a folder of audio files")
    found = find_audio(root) if isinstance(root, Path) else _find_remote_audio(root)
    clips = tuple(_clip(path, root, request.card.domain) for path in found.files)
    if not clips:
        known = ", ".join(sorted(AUDIO_SUFFIXES))
        notes = "".join(f"; {note}" for note in found.notes())
        raise DatasetError(f"{readable(root)}: holds no audio files ({known}){notes}")
    return Dataset(f"folder:{shown_path(root)}", request.card, _unique_ids(clips), found.notes())


def state(card: DatasetCard) -> str:
    """What ``snac-eval list`` shows of it."""
    return f"needs a folder ({card.name}:PATH)"


@dataclass
class Found:
    """What lies below a folder."""

    files: list[Location] = field(default_factory=list)
    """Audio files by suffix, sorted by relative path."""
    other: Counter[str] = field(default_factory=Counter)
    """Suffixes of sound and video that is left out."""
    loops: list[Path] = field(default_factory=list)
    """Links to a folder above them: not followed."""
    lost: list[Path] = field(default_factory=list)
    """Links that lead nowhere, and folders that cannot be opened."""

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of what was left out, a line each."""
        formats = ", ".join(
            f"{count} {readable(kind)}" for kind, count in sorted(self.other.items())
        )
        lines = (
            (self.other, f"files of other formats are left out: {formats}"),
            (
                self.loops,
                f"links that lead back to a folder above them are left out: {_few(self.loops)}",
            ),
            (self.lost, f"links and folders that cannot be opened are left out: {_few(self.lost)}"),
        )
        return tuple(line for some, line in lines if some)


def find_audio(root: Path) -> Found:
    """Audio files below ``root``, and what is left out; hidden files are passed over."""
    found = Found()
    names: list[str] = []
    for relative, is_file in _visible_files(str(root), "", frozenset(), found):
        if not _is_audio(relative, found):
            continue
        if is_file:
            names.append(relative)
        else:
            found.lost.append(root / relative)
    found.files = [root / name for name in sorted(names)]
    found.other = +found.other  # without those that were counted 0 times
    return found


def _find_remote_audio(root: Url) -> Found:
    found = Found()
    for relative, url in sorted(listed(root).items()):
        if not any(map(_is_hidden, relative.split("/"))) and _is_audio(relative, found):
            found.files.append(url)
    found.other = +found.other
    return found


def _is_audio(relative: str, found: Found) -> bool:
    """Whether the suffix is that of audio; what is of another medium is counted."""
    suffix = posixpath.splitext(relative)[1].lower()
    if suffix in AUDIO_SUFFIXES:
        return True
    found.other[suffix] += _is_media(suffix)
    return False


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _visible_files(
    folder: str, relative: str, above: frozenset[tuple[int, int]], found: Found
) -> Iterator[tuple[str, bool]]:
    """Relative path of all that is no folder, and whether it is a file."""
    try:
        status = os.stat(folder)
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        found.lost.append(Path(folder))
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        found.loops.append(Path(folder))
        return
    for entry in entries:
        if _is_hidden(entry.name):
            continue
        if _is(entry.is_dir):
            below = f"{relative}{entry.name}/"
            yield from _visible_files(entry.path, below, above | {here}, found)
        else:
            yield relative + entry.name, _is(entry.is_file)


def _is(what: Callable[[], bool]) -> bool:
    """What an entry says of itself; no where it is a link to itself."""
    try:
        return what()
    except OSError:
        return False


@cache
def _is_media(suffix: str) -> bool:
    kind = mimetypes.guess_type("a" + suffix)[0] or ""
    return suffix in _OTHER_SUFFIXES or kind.startswith(("audio/", "video/"))


def _few(paths: list[Path]) -> str:
    rest = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(readable(path) for path in paths[:3]) + rest


def _clip(path: Location, root: Location, default: Domain) -> Clip:
    clip = make_clip(path, root, domain=default)
    top, _, below = clip.relative_path.partition("/")
    return replace(clip, domain=top) if top in DOMAINS and below else clip


def _unique_ids(clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
    """Ids are paths without suffix, unless two files differ by suffix or composed accents alone.

    Names that are equal even so once they are escaped get a number.
    """
    counts = Counter(clip.id for clip in clips)
    seen: Counter[str] = Counter()
    unique = []
    for clip in clips:
        name = clip.id if counts[clip.id] == 1 else readable(clip.relative_path)
        seen[name] += 1
        name = name if seen[name] == 1 else f"{name}#{seen[name]}"
        unique.append(clip if name == clip.id else replace(clip, id=name))
    return tuple(unique)
