"""The smallest dataset: the WAV files of a folder."""

from __future__ import annotations

from pathlib import Path

from snac_eval.audio import make_clip
from snac_eval.types import Dataset, DatasetRequest


def load(request: DatasetRequest) -> Dataset:
    """Entry point of the dataset loader ``tiny``."""
    root = Path(request.argument)
    clips = tuple(make_clip(path, root, domain="speech") for path in sorted(root.rglob("*.wav")))
    return Dataset("tiny", request.card, clips)
