"""``librispeech[:SPLIT]``: read English speech, 16 kHz (Panayotov et al., ICASSP 2015).

A split is looked for below ``--data-root`` (``ROOT/LibriSpeech/SPLIT``, ``ROOT/SPLIT``), then in
the cache; an official split that is in neither is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from snac_eval.audio import make_clip
from snac_eval.datasets.download import cache_dir, fetch, unpack
from snac_eval.errors import DatasetError, UsageError
from snac_eval.types import Clip, Dataset, DatasetRequest


def load(request: DatasetRequest) -> Dataset:
    """Clips of one split, sorted by utterance id, with speaker and transcript.

    Raises UsageError for an unknown split, DatasetError for an empty one, DownloadError where it
    cannot be had.
    """
    split = request.argument or str(request.card.options["default_split"])
    folder = _find(split, request)
    files = sorted(folder.glob("*/*/*.flac"), key=lambda path: path.stem)
    if not files:
        raise DatasetError(
            f"{folder}: holds no SPEAKER/CHAPTER/*.flac; is this a LibriSpeech split?"
        )
    transcripts = _transcripts(folder)
    clips = tuple(_clip(path, folder, transcripts) for path in files)
    return Dataset(f"librispeech:{split}", request.card, clips)


def _find(split: str, request: DatasetRequest) -> Path:
    if not split or Path(split).name != split:
        raise UsageError(f"librispeech split '{split}' is no folder's name; use e.g. test-clean")
    places = [cache_dir() / "LibriSpeech" / split]
    if request.data_root is not None:
        root = request.data_root
        if not root.is_dir():
            raise DatasetError(
                f"{root}: no such folder; correct --data-root, or leave it out to download"
            )
        places = [root / "LibriSpeech" / split, root / split, *places]
    for place in places:
        if place.is_dir():
            return place
    md5: Mapping[str, str] = request.card.options["md5"]
    if split not in md5:
        raise UsageError(
            f"librispeech has no split '{split}': not found in {', '.join(map(str, places))};"
            f" official splits: {', '.join(md5)}"
        )
    return _download(split, f"md5:{md5[split]}", places[-1], request)


def _download(split: str, known_hash: str, folder: Path, request: DatasetRequest) -> Path:
    base = os.environ.get("SNAC_EVAL_LIBRISPEECH_URL", str(request.card.options["base_url"]))
    archive = fetch(
        f"{base.rstrip('/')}/{split}.tar.gz",
        known_hash,
        cache_dir() / "downloads",
        request.show_progress,
        ways_out=f"give a folder that holds LibriSpeech/{split} with --data-root",
    )
    unpacked = unpack(archive, folder, f"LibriSpeech/{split}")
    archive.unlink()
    return unpacked


def _transcripts(folder: Path) -> dict[str, str]:
    """Utterance id to text, from each chapter's ``*.trans.txt``."""
    lines = (
        line.partition(" ")
        for file in sorted(folder.glob("*/*/*.trans.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    return {utterance: text for utterance, _, text in lines}


def _clip(path: Path, folder: Path, transcripts: Mapping[str, str]) -> Clip:
    return make_clip(
        path,
        folder,
        id=path.stem,
        speaker=path.relative_to(folder).parts[0],
        domain="speech",
        transcript=transcripts.get(path.stem, ""),
    )
