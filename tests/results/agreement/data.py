"""A listening test of made-up codecs: qualities, ratings, and runs whose metrics follow them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snac_eval.results.listeners.ratings import Rating, Ratings, Role
from snac_eval.results.record import Run, read_run
from tests.runs import Column, write_run

Array = NDArray[np.float64]
CODECS = ("best", "good", "fair", "poor", "worst")
CLIPS = tuple(f"speech/clip{at}" for at in range(8))
LISTENERS = tuple(f"listener{at}" for at in range(7))


def qualities(seed: int = 0) -> Array:
    """0 to 100, ``[codecs, clips]``: codecs lie 15 apart."""
    rng = np.random.default_rng(seed)
    return 80 - 15 * np.arange(len(CODECS))[:, None] + rng.normal(0, 5, (len(CODECS), len(CLIPS)))


def rated(quality: Array, extra: Sequence[tuple[str, Role, float]] = (), seed: int = 1) -> Ratings:
    """What seven listeners say, of whom each leaves out a clip of its own; ``extra`` is rated alike
    on every clip."""
    rng = np.random.default_rng(seed)
    offsets = rng.normal(0, 5, len(LISTENERS))
    heard = [*zip(CODECS, quality, strict=True)]
    heard += [(name, np.full(len(CLIPS), value)) for name, _, value in extra]
    rows = [
        Rating(clip, name, listener, float(of[at] + offsets[who] + rng.normal(0, 5)))
        for who, listener in enumerate(LISTENERS)
        for at, clip in enumerate(CLIPS)
        if at != who + 1
        for name, of in heard
    ]
    roles: dict[str, Role] = dict.fromkeys(CODECS, "codec")
    roles |= {name: role for name, role, _ in extra}
    return Ratings(tuple(rows), "mushra", "made/up.csv", roles)


def runs(tmp_path: Path, scores: dict[str, Array], **changes: object) -> list[Run]:
    """A run of each codec, of ``scores`` ``[codecs, clips]`` by metric."""
    found = []
    for at, codec in enumerate(CODECS):
        of_codec: dict[str, Column] = {
            name: list(map(float, one[at])) for name, one in scores.items()
        }
        folder = write_run(tmp_path / f"run{at}", of_codec, codec, clips=CLIPS, **changes)  # type: ignore[arg-type]
        found.append(read_run(folder))
    return found
