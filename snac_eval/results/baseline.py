"""The baseline file: what a gate must know of a run, as JSON that people can diff.

One line per clip and metric, values to six digits, in a stable order, no time of day: writing the
same run twice gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snac_eval.errors import StoreError, UsageError
from snac_eval.results.record import MetricScores, ScoredRun, check_names, read_json
from snac_eval.writing import write_text

SCHEMA = 1


def write_baseline(run: ScoredRun, path: Path, metrics: Sequence[str] = ()) -> None:
    """Keep what :func:`snac_eval.results.gate.check` needs of the run, or of ``metrics`` alone.

    Raises UsageError for an interrupted run and for a metric without a score per clip, OutputError
    where the file cannot be written.
    """
    if not run.finished:
        raise UsageError(f"{run.name}: this run was interrupted; finish it before it is a baseline")
    check_names(tuple(metrics), run)
    if whole := [name for name in metrics if name not in run.metrics]:
        raise UsageError(f"{whole[0]} has no score per clip: a gate cannot test it; leave it out")
    chosen = {name: run.metrics[name] for name in metrics or run.metrics}
    content = {
        "baseline": SCHEMA,
        "run_id": run.run_id,
        "codec": run.codec,
        "codec_fingerprint": run.codec_fingerprint,
        "dataset": run.dataset,
        "versions": dict(run.versions),
        "place": dict(run.place),
        "clips": {
            clip: {"sha256": digest, "speaker": run.speakers.get(clip, "")}
            for clip, digest in run.clips.items()
        },
        "metrics": {name: _kept(scores) for name, scores in chosen.items()},
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def load_baseline(path: Path) -> ScoredRun:
    """The baseline in this file. Raises StoreError where it is none, or of another version."""
    content = read_json(path)
    if content.get("baseline") != SCHEMA:
        raise StoreError(
            f"{path}: no baseline of this version of snac-eval; write it with snac-eval baseline"
        )
    try:
        return _baseline(content)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StoreError(
            f"{path}: a broken baseline ({type(error).__name__}: {error}); write it again"
        ) from error


def rounded(value: float) -> float:
    """Six digits: below what any metric means, and the same on every machine."""
    return float(f"{value:.6g}")


def _kept(scores: MetricScores) -> dict[str, Any]:
    return {
        "fingerprint": scores.fingerprint,
        "scores": {clip: rounded(value) for clip, value in scores.values.items()},
        "missing": dict(scores.missing),
    }


def _baseline(content: Mapping[str, Any]) -> ScoredRun:
    return ScoredRun(
        name="the baseline",
        run_id=content["run_id"],
        codec=content["codec"],
        codec_fingerprint=content["codec_fingerprint"],
        dataset=content["dataset"],
        finished=True,
        clips={clip: str(facts["sha256"]) for clip, facts in content["clips"].items()},
        speakers={clip: str(facts["speaker"]) for clip, facts in content["clips"].items()},
        metrics={name: _scores(entry) for name, entry in content["metrics"].items()},
        corpus_metrics=(),
        place=dict(content["place"]),
        versions=dict(content["versions"]),
    )


def _scores(entry: Mapping[str, Any]) -> MetricScores:
    values = {clip: float(value) for clip, value in entry["scores"].items()}
    return MetricScores(str(entry["fingerprint"]), values, dict(entry["missing"]))
