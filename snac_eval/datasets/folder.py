"""``folder:PATH``: every audio file below a folder."""

from __future__ import annotations

import mimetypes
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from snac_eval.audio import AUDIO_SUFFIXES, make_clip
from snac_eval.errors import DatasetError, UsageError, readable
from snac_eval.reading.names import user_path
from snac_eval.types import DOMAINS, Clip, Dataset, DatasetCard, DatasetRequest, Domain

_OTHER_SUFFIXES = frozenset({".dff", ".dsf", ".pcm", ".raw", ".shn", ".spx", ".webm"})


def load(request: DatasetRequest) -> Dataset:
    """Clips of ``request.argument``, sorted by relative path; hidden files are left out.

    Linked folders are followed. Files below a top folder named ``speech``, ``music`` or ``general``
    are of that domain, others of the card's. A file that cannot be read becomes a clip with a
    problem. Raises DatasetError where the folder is missing or holds no audio, UsageError without a
    path.
    """
    if not request.argument:
        raise UsageError("dataset 'folder' needs a path: --dataset folder:PATH")
    root = user_path(request.argument)
    if not root.is_dir():
        raise DatasetError(f"{readable(root)}: no such folder; give a folder of audio files")
    found = find_audio(root)
    clips = tuple(
        make_clip(path, root, domain=_domain(path.relative_to(root), request.card.domain))
        for path in found.files
    )
    if not clips:
        known = ", ".join(sorted(AUDIO_SUFFIXES))
        notes = "".join(f"; {note}" for note in found.notes())
        raise DatasetError(f"{readable(root)}: holds no audio files ({known}){notes}")
    name = f"folder:{readable(root.resolve().name)}"
    return Dataset(name, request.card, _unique_ids(clips), found.notes())


def state(card: DatasetCard) -> str:
    """What ``snac-eval list`` shows of it."""
    return f"needs local folder ({card.name}:PATH)"


@dataclass
class Found:
    """What lies below a folder."""

    files: list[Path] = field(default_factory=list)
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
    for path in _visible_files(root, frozenset(), found):
        suffix = path.suffix.lower()
        if suffix in AUDIO_SUFFIXES:
            (found.files if path.is_file() else found.lost).append(path)
        elif _is_media(suffix):
            found.other[suffix] += 1
    found.files.sort(key=lambda path: path.relative_to(root).as_posix())
    return found


def _visible_files(folder: Path, above: frozenset[tuple[int, int]], found: Found) -> Iterator[Path]:
    try:
        status = folder.stat()
        entries = sorted(os.listdir(folder))
    except OSError:
        found.lost.append(folder)
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        found.loops.append(folder)
        return
    for name in entries:
        path = folder / name
        if name.startswith(".") or name == "__MACOSX":
            continue
        if path.is_dir():
            yield from _visible_files(path, above | {here}, found)
        else:
            yield path


def _is_media(suffix: str) -> bool:
    kind = mimetypes.guess_type("a" + suffix)[0] or ""
    return suffix in _OTHER_SUFFIXES or kind.startswith(("audio/", "video/"))


def _few(paths: list[Path]) -> str:
    rest = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(readable(path) for path in paths[:3]) + rest


def _domain(relative: Path, default: Domain) -> Domain:
    top = relative.parts[0]
    return top if top in DOMAINS and len(relative.parts) > 1 else default


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
        unique.append(replace(clip, id=name if seen[name] == 1 else f"{name}#{seen[name]}"))
    return tuple(unique)
