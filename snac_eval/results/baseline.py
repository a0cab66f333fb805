"""The baseline file: what a gate must know of a run, as JSON that people can diff.

One line per clip and metric, values to six digits, in a stable order, no time of day: writing the
same run twice gives the same bytes.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from snac_eval.errors import StoreError, UsageError
from snac_eval.results.record import (
    MetricResult,
    Run,
    check_names,
    clip_result,
    run_clip,
)
from snac_eval.results.shapes import baseline_misfit, read_json
from snac_eval.run.manifest import metric_facts, metric_info
from snac_eval.types import MetricInfo, Score
from snac_eval.writing import write_text

SCHEMA = 2


def write_baseline(run: Run, path: Path, metrics: Sequence[str] = ()) -> None:
    """Keep what :func:`snac_eval.results.gate.check` needs of the run, or of ``metrics`` alone.

    Raises UsageError for an interrupted run, OutputError where the file cannot be written.
    """
    if run.unfinished:
        advice = "merge its parts first" if "shard" in run.manifest else "run it again to finish it"
        raise UsageError(f"{run.name}: {run.unfinished}; {advice}")
    check_names(metrics, run)
    content = {
        "baseline": SCHEMA,
        "run_id": run.run_id,
        "codec": run.codec,
        "codec_fingerprint": run.codec_fingerprint,
        "dataset": run.dataset,
        "versions": dict(run.versions),
        "place": dict(run.place),
        "clips": {
            name: {"sha256": clip.digest, "speaker": clip.speaker}
            for name, clip in run.clips.items()
        },
        "metrics": {name: _kept(run.metrics[name]) for name in metrics or run.metrics},
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def failed_clips(run: Run) -> str:
    """How many clips the run failed on, and why on the first; empty where on none. A baseline of it
    gates the others."""
    failed = {
        clip: score.reason
        for result in run.metrics.values()
        for clip, score in result.missing.items()
        if score.status == "error"
    }
    if not failed:
        return ""
    first, why = next(iter(failed.items()))
    return f"{len(failed)} of {len(run.clips)} clips failed (first: {first}: {why})"


def load_baseline(path: Path, run: Path = Path("RUN")) -> Run:
    """The baseline in this file. Raises StoreError where it is none, or of another version; where
    there is no file, with the command that makes it of ``run``."""
    if not path.exists():
        make = shlex.join(["snac-eval", "baseline", str(run), "-o", str(path)])
        raise StoreError(f"{path}: no such baseline; of a run that is as it should be, {make}")
    content = read_json(path)
    if content.get("baseline") != SCHEMA:
        raise StoreError(
            f"{path}: no baseline of this version of snac-eval; write it with snac-eval baseline"
        )
    if misfit := baseline_misfit(content):
        raise StoreError(f"{path}: a broken baseline ({misfit}); write it again")
    try:
        return _baseline(content)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise StoreError(
            f"{path}: a broken baseline ({type(error).__name__}: {error}); write it again"
        ) from error


def rounded(value: float) -> float:
    """Six digits: below what any metric means, and the same on every machine."""
    return float(f"{value:.6g}")


def _kept(result: MetricResult) -> dict[str, Any]:
    if result.whole is not None:
        return {**metric_facts(result.info), "whole": _kept_whole(result)}
    return {
        **metric_facts(result.info),
        "scores": {clip: rounded(value) for clip, value in result.values.items()},
        **({"weights": dict(result.weights)} if result.weights else {}),
        "missing": {clip: [one.status, one.reason] for clip, one in result.missing.items()},
    }


def _kept_whole(result: MetricResult) -> dict[str, Any]:
    score = result.whole or Score.undefined("no value")
    value = None if score.value is None else rounded(score.value)
    said = {"value": value, "status": score.status, "reason": score.reason}
    return {**said, "counts": list(result.counts)}


def _baseline(content: Mapping[str, Any]) -> Run:
    return Run(
        name="the baseline",
        codec=content["codec"],
        run_id=content["run_id"],
        codec_fingerprint=content["codec_fingerprint"],
        dataset=content["dataset"],
        finished=True,
        clips={clip: run_clip(facts) for clip, facts in content["clips"].items()},
        metrics={name: _result(name, entry) for name, entry in content["metrics"].items()},
        streams=(),
        place=dict(content["place"]),
        versions=dict(content["versions"]),
        manifest={},
        compact=pd.DataFrame(),
    )


def _result(name: str, entry: Mapping[str, Any]) -> MetricResult:
    if "whole" in entry:
        return _whole(metric_info(name, entry), entry["whole"])
    values = {clip: float(value) for clip, value in entry["scores"].items()}
    missing = {
        clip: Score(None, status, reason) for clip, (status, reason) in entry["missing"].items()
    }
    weights = {clip: float(weight) for clip, weight in entry.get("weights", {}).items()}
    return clip_result(metric_info(name, entry), values, missing, weights)


def _whole(info: MetricInfo, kept: Mapping[str, Any]) -> MetricResult:
    value = None if kept["value"] is None else float(kept["value"])
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{info.name} is {value}")
    ok, undefined, failed = map(int, kept["counts"])
    score = Score(value, kept["status"], str(kept["reason"]))
    return MetricResult(info, whole=score, counts=(ok, undefined, failed))
