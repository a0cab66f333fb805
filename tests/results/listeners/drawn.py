"""Ratings drawn for tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snac_eval.results.listeners.ratings import Rating, Ratings, Role, Scale


def ratings(
    values: Mapping[str, float],
    clips: int = 8,
    listeners: int = 6,
    spread: float = 5.0,
    missing: float = 0.0,
    scale: Scale = "mushra",
    seed: int = 1,
) -> Ratings:
    """By name its true mean; ``ref`` and ``anchor`` are what they are called."""
    rng = np.random.default_rng(seed)
    rows = [
        Rating(f"clip{clip}", name, f"l{listener}", float(np.clip(value + noise, 0, 100)))
        for clip in range(clips)
        for listener in range(listeners)
        for name, value in values.items()
        for noise in [rng.normal(0, spread) if name != "ref" else 0.0]
        if rng.random() >= missing
    ]
    roles: dict[str, Role] = {"ref": "reference", "anchor": "anchor", "anchor_7000": "anchor"}
    return Ratings(
        tuple(rows), scale, "ratings.csv", {one: roles.get(one, "codec") for one in values}
    )
