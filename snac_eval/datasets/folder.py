"""``folder:PATH``: every audio file below a folder."""

from __future__ import annotations

import os
from pathlib import Path

from snac_eval.audio import AUDIO_SUFFIXES, make_clip
from snac_eval.errors import DatasetError, UsageError
from snac_eval.types import DOMAINS, Clip, Dataset, DatasetCard, DatasetRequest, Domain


def load(request: DatasetRequest) -> Dataset:
    """Clips of ``request.argument``, sorted by relative path; hidden files are left out.

    Files below a top folder named ``speech``, ``music`` or ``general`` are of that domain, others
    of the card's. A file that cannot be read becomes a clip with a problem. Raises DatasetError
    where the folder is missing or holds no audio, UsageError without a path.
    """
    if not request.argument:
        raise UsageError("dataset 'folder' needs a path: --dataset folder:PATH")
    root = Path(os.path.expanduser(request.argument))
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; give a folder of audio files")
    clips = tuple(
        make_clip(path, root, domain=_domain(path.relative_to(root), request.card.domain))
        for path in audio_files(root)
    )
    if not clips:
        raise DatasetError(f"{root}: holds no audio files ({', '.join(sorted(AUDIO_SUFFIXES))})")
    return Dataset(f"folder:{root.resolve().name}", request.card, _unique_ids(clips))


def state(card: DatasetCard) -> str:
    """What ``snac-eval list`` shows of it."""
    return f"needs local folder ({card.name}:PATH)"


def audio_files(root: Path) -> list[Path]:
    """Audio files below ``root`` by suffix, sorted by relative path, hidden ones left out."""
    return [
        path
        for path in sorted(root.rglob("*"), key=lambda path: path.relative_to(root).as_posix())
        if path.suffix.lower() in AUDIO_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]


def _domain(relative: Path, default: Domain) -> Domain:
    top = relative.parts[0]
    return top if top in DOMAINS and len(relative.parts) > 1 else default


def _unique_ids(clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
    """Ids are paths without suffix, unless two files differ by suffix alone."""
    from collections import Counter
    from dataclasses import replace

    counts = Counter(clip.id for clip in clips)
    return tuple(
        clip if counts[clip.id] == 1 else replace(clip, id=clip.relative_path) for clip in clips
    )
