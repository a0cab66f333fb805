"""Run folders with chosen scores: ``scores.parquet`` and ``manifest.json``, nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from snac_eval.registry import plugins
from snac_eval.run.manifest import metric_facts
from snac_eval.run.sealed import SCORE_COLUMNS, read_manifest, write_manifest

Column = Sequence[float | str]
HARDWARE = {"machine": "x86_64", "system": "Linux 6.1", "cpu": "Test CPU", "cores": 2}


def write_run(
    folder: Path,
    scores: Mapping[str, Column],
    codec: str = "codec",
    speakers: Sequence[str] = (),
    clips: Sequence[str] = (),
    fingerprints: Mapping[str, str] | None = None,
    corpus: Mapping[str, float] | None = None,
    domains: Sequence[str] = (),
    floors: Mapping[str, float] | None = None,
    card: Mapping[str, Any] | None = None,
    words: Mapping[str, Sequence[float]] | None = None,
    **manifest: Any,  # noqa: ANN401 - whatever the test wants the manifest to say
) -> Path:
    """A run of one score per clip and metric; text such as ``error: why`` is a missing score.

    ``words``: the clips' weights, by the metrics that are pooled by them.
    """
    length = max(map(len, scores.values()))
    clips = clips or [f"clip{index:03d}" for index in range(length)]
    known = {name: f"{name};v=1" for name in [*scores, *(corpus or {})]} | dict(fingerprints or {})
    said = {clip: speakers[index] if speakers else "" for index, clip in enumerate(clips)}
    kinds = {clip: domains[index] if domains else "speech" for index, clip in enumerate(clips)}
    rows = [
        [
            *("id", codec, "data", clip, said[clip], kinds[clip], name),
            *_score(column[index]),
            known[name],
            words[name][index] if words and name in words else 1.0,
        ]
        for name, column in scores.items()
        for index, clip in enumerate(clips[: len(column)])
    ]
    content = {
        "snac_eval": "0.1.0",
        "state": "finished",
        "run_id": "id",
        "label": codec,
        "codec": {
            "card": {"name": codec} | dict(card or {}),
            "fingerprint": codec,
            "device": "cpu",
            "cpu_threads": 1,
        },
        "dataset": {"name": "data"},
        "clips": {
            clip: {"sha256": f"sha-{clip}", "speaker": said[clip], "domain": kinds[clip]}
            for clip in clips
        },
        "metrics": {
            name: _facts(name, known[name])
            | {"floor": (floors or {}).get(name)}
            | {"weighted_by": "words" if name in (words or {}) else ""}
            for name in known
        },
        "corpus_scores": {
            name: {"value": value, "status": "ok", "reason": "", "counts": [length, 0, 0]}
            for name, value in (corpus or {}).items()
        },
        "versions": {"python": "3.11"},
        "hardware": HARDWARE,
    }
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows, columns=list(SCORE_COLUMNS)).astype({"value": "float64"})
    frame.to_parquet(folder / "scores.parquet", index=False)
    (folder / "manifest.json").write_text(json.dumps(content | manifest), encoding="utf-8")
    return folder


def edit_manifest(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - whatever the test wants
    """Make the manifest of a real run say something else, and its seal as well."""
    manifest = read_manifest(folder)
    manifest.pop("sha256", None)
    write_manifest(folder, manifest | changes)


def noisy(mean: float, spread: float, count: int = 40, seed: int = 0) -> list[float]:
    """Seeded scores around a mean."""
    return list(map(float, np.random.default_rng(seed).normal(mean, spread, count)))


def shifted(values: Sequence[float], by: float, spread: float, seed: int = 1) -> list[float]:
    """The same clips, each moved by about ``by``, on average by exactly that."""
    noise = np.random.default_rng(seed).normal(0, spread, len(values))
    return list(map(float, np.asarray(values) + by + noise - noise.mean()))


def _facts(name: str, fingerprint: str) -> dict[str, Any]:
    """What the manifest says of a metric; of one that is not ours, that neither way is better."""
    real = name in plugins.metric_names()
    facts = metric_facts(plugins.metric(name if real else "delay").info)
    return facts | {"fingerprint": fingerprint.split(";")}


def _score(value: float | str) -> list[object]:
    if isinstance(value, str):
        status, _, reason = value.partition(": ")
        return [float("nan"), status, reason]
    return [value, "ok", ""]
