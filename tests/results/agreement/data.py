"""A listening test of made-up codecs: qualities, ratings, and runs whose metrics follow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from snac_eval.registry import plugins
from snac_eval.results.listeners.ratings import Rating, Ratings, Role
from snac_eval.results.record import MetricResult, Run, RunClip, clip_result

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


def run(
    codec: str,
    scores: Mapping[str, Sequence[float]],
    clips: Sequence[str] = CLIPS,
    name: str = "",
    manifest: Mapping[str, Any] | None = None,
) -> Run:
    """A run with these scores, which no folder holds."""
    return Run(
        name=name or codec,
        codec=codec,
        run_id=codec,
        codec_fingerprint=codec,
        dataset="data",
        finished=True,
        clips={clip: RunClip(f"sha-{clip}") for clip in clips},
        metrics={
            metric: clip_result(
                plugins.metric(metric).info, dict(zip(clips, map(float, one), strict=True)), {}
            )
            for metric, one in scores.items()
        },
        streams=(),
        place={},
        versions={},
        manifest=manifest or {},
        compact=pd.DataFrame(),
    )


def runs(scores: Mapping[str, Array]) -> list[Run]:
    """A run of each codec, of ``scores`` ``[codecs, clips]`` by metric."""
    return [
        run(codec, {metric: one[at] for metric, one in scores.items()})
        for at, codec in enumerate(CODECS)
    ]


def changed(run: Run, result: MetricResult) -> Run:
    """The run with another result of one metric."""
    return replace(run, metrics={**run.metrics, result.info.name: result})
