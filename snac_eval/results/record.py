"""A run as compare, baseline and check read it: ``scores.parquet`` and ``manifest.json`` alone.

A speed bench writes these two as well, and a baseline file holds the same facts, so all three
become a :class:`ScoredRun` and are paired by the same rules: the same clips by content, the same
metric by fingerprint, speeds of the same machine.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from snac_eval.errors import StoreError, UnknownNameError, UsageError
from snac_eval.registry import plugins
from snac_eval.types import MetricInfo

_COLUMNS = ["codec", "clip_id", "speaker", "metric", "value", "status", "reason", "fingerprint"]
_MACHINE = ("machine", "cpu", "cores", "gpu")
_SPEED = ("encode_real_time_factor", "decode_real_time_factor")


@dataclass(frozen=True, slots=True)
class MetricScores:
    """One metric of one run. ``values`` by clip id, where scored ok; ``missing`` says why not."""

    fingerprint: str
    values: Mapping[str, float]
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """One run, or what a baseline kept of it.

    ``clips`` are sha256 by clip id, ``speakers`` by clip id. ``metrics`` holds those with a value
    per clip, ``corpus_metrics`` the names of the others. ``place`` is what a speed depends on
    beside the codec: machine, device, threads, workers, batch size. ``versions`` are of Python and
    packages. ``finished`` is False for an interrupted run.
    """

    name: str
    run_id: str
    codec: str
    codec_fingerprint: str
    dataset: str
    finished: bool
    clips: Mapping[str, str]
    speakers: Mapping[str, str]
    metrics: Mapping[str, MetricScores]
    corpus_metrics: tuple[str, ...]
    place: Mapping[str, Any]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pairs:
    """One metric of two runs on the clips scored ok in both, in the order of the first.

    ``left_out`` counts the clips of either run that are not among them, by reason. ``problem``
    says why the two cannot be compared at all; there are no values then.
    """

    clips: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    first: tuple[float, ...] = ()
    second: tuple[float, ...] = ()
    left_out: Mapping[str, int] | None = None
    problem: str = ""


def load_run(folder: Path) -> ScoredRun:
    """The run in this folder. Raises StoreError where a file is missing or broken."""
    if not folder.is_dir():
        raise StoreError(f"{folder}: no such run folder; give one that run or bench wrote")
    manifest = read_json(folder / "manifest.json")
    scores = _read_scores(folder / "scores.parquet")
    try:
        return _scored_run(folder.name or str(folder), manifest, scores)
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{folder / 'manifest.json'}: not a manifest of this version of snac-eval"
            f" ({type(error).__name__}: {error}); write the run again"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in this file. Raises StoreError where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{path}: not valid JSON ({error}); write it again") from error
    if not isinstance(content, dict):
        raise StoreError(f"{path}: holds no JSON object; write it again")
    return content


def metric_info(name: str) -> MetricInfo | None:
    """What the metric's numbers mean; None where it is not installed here."""
    try:
        return plugins.metric(name).info
    except UnknownNameError:
        return None


def is_speed(name: str) -> bool:
    """Whether this metric is of the machine as much as of the codec."""
    return name in _SPEED or name.startswith("bench_")


def metric_names(*runs: ScoredRun) -> list[str]:
    """Every metric of these runs, in the order of the first that has it."""
    return list(dict.fromkeys(name for run in runs for name in (*run.metrics, *run.corpus_metrics)))


def check_names(names: tuple[str, ...], *runs: ScoredRun) -> None:
    """Raises UsageError for a name that none of the runs has."""
    known = metric_names(*runs)
    if unknown := [name for name in names if name not in known]:
        raise UsageError(plugins.unknown_name(unknown[0], known, "metric of these runs", ""))


def clips_problem(first: ScoredRun, second: ScoredRun) -> str:
    """Why no metric of the two can be compared; empty where the clips are the same."""
    shared = [clip for clip in first.clips if clip in second.clips]
    if not shared:
        return f"no clip in common ({first.dataset} and {second.dataset})"
    other = [clip for clip in shared if first.clips[clip] != second.clips[clip]]
    if other:
        return f"clip '{other[0]}' is not the same audio in both ({len(other)} such clips)"
    return ""


def pair(first: ScoredRun, second: ScoredRun, name: str) -> Pairs:
    """Scores of this metric on the clips that both runs scored."""
    problem = clips_problem(first, second) or _metric_problem(first, second, name)
    if problem:
        return Pairs(problem=problem)
    mine, theirs = first.metrics[name], second.metrics[name]
    clips = tuple(clip for clip in mine.values if clip in theirs.values)
    pairs = Pairs(
        clips=clips,
        speakers=tuple(first.speakers.get(clip, "") for clip in clips),
        first=tuple(mine.values[clip] for clip in clips),
        second=tuple(theirs.values[clip] for clip in clips),
        left_out=_left_out(first, second, name),
    )
    if not clips:
        return Pairs(left_out=pairs.left_out, problem="no clip was scored in both")
    return pairs


def _metric_problem(first: ScoredRun, second: ScoredRun, name: str) -> str:
    if name in first.corpus_metrics or name in second.corpus_metrics:
        return "no value per clip"
    for run in (first, second):
        if name not in run.metrics:
            return f"not measured in {run.name}"
    mine, theirs = first.metrics[name].fingerprint, second.metrics[name].fingerprint
    if mine != theirs:
        return f"measured in two ways: {fingerprint_difference(mine, theirs)}"
    if is_speed(name) and first.place != second.place:
        return f"speeds of two places: {_place_difference(first.place, second.place)}"
    return ""


def fingerprint_difference(first: str, second: str) -> str:
    """The parts in which two fingerprints differ."""
    mine, theirs = first.split(";"), second.split(";")
    only_mine = "; ".join(part for part in mine if part not in theirs)
    only_theirs = "; ".join(part for part in theirs if part not in mine)
    return f"{only_mine or 'nothing'} against {only_theirs or 'nothing'}"


def _place_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    keys = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    return ", ".join(f"{key} {first.get(key)} against {second.get(key)}" for key in keys)


def _left_out(first: ScoredRun, second: ScoredRun, name: str) -> dict[str, int]:
    mine, theirs = first.metrics[name], second.metrics[name]
    clips = dict.fromkeys([*mine.values, *mine.missing, *theirs.values, *theirs.missing])
    left = [clip for clip in clips if clip not in mine.values or clip not in theirs.values]
    return dict(Counter(_why_left_out(clip, first, second, name) for clip in left))


def _why_left_out(clip: str, first: ScoredRun, second: ScoredRun, name: str) -> str:
    states = [_state(run.metrics[name], clip) for run in (first, second)]
    if states[0] == states[1]:
        return f"{states[0]} in both"
    return ", ".join(
        f"{state} in {run.name}"
        for state, run in zip(states, (first, second), strict=True)
        if state != "ok"
    )


def _state(scores: MetricScores, clip: str) -> str:
    if clip in scores.values:
        return "ok"
    return scores.missing[clip].partition(":")[0] if clip in scores.missing else "absent"


def _read_scores(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise StoreError(f"{path}: no such file; give a folder that run or bench wrote")
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: not a readable Parquet file ({_line(error)})") from error
    if lacking := [name for name in _COLUMNS if name not in frame.columns]:
        raise StoreError(f"{path}: has no column '{lacking[0]}'; write the run again")
    if frame.duplicated(["clip_id", "metric"]).any():
        raise StoreError(f"{path}: scores a clip twice by one metric; write the run again")
    return frame


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _scored_run(name: str, manifest: Mapping[str, Any], scores: pd.DataFrame) -> ScoredRun:
    metrics = {
        str(metric): _metric_scores(rows) for metric, rows in scores.groupby("metric", sort=False)
    }
    ordered = [one for one in manifest["metrics"] if one in metrics]
    speakers = scores.drop_duplicates("clip_id").set_index("clip_id")["speaker"]
    return ScoredRun(
        name=name,
        run_id=str(manifest["run_id"]),
        codec=str(scores["codec"].iloc[0] if len(scores) else manifest["codec"]["card"]["name"]),
        codec_fingerprint=str(manifest["codec"]["fingerprint"]),
        dataset=str(manifest["dataset"]["name"]),
        finished=manifest["state"] == "finished",
        clips=dict(manifest["clips"]),
        speakers={str(clip): str(speaker or "") for clip, speaker in speakers.items()},
        metrics={one: metrics[one] for one in dict.fromkeys([*ordered, *metrics])},
        corpus_metrics=tuple(one for one in manifest["metrics"] if one not in metrics),
        place=_place(manifest),
        versions={"snac-eval": manifest["snac_eval"], **manifest["versions"]},
    )


def _metric_scores(rows: pd.DataFrame) -> MetricScores:
    values, missing = {}, {}
    for row in rows.to_dict("records"):
        if row["status"] == "ok" and math.isfinite(row["value"]):
            values[str(row["clip_id"])] = float(row["value"])
        else:
            missing[str(row["clip_id"])] = f"{row['status']}: {row['reason']}"
    fingerprints = sorted(set(map(str, rows["fingerprint"])))
    return MetricScores(" and ".join(fingerprints), values, missing)


def _place(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a speed depends on; the kernel's version is not among it."""
    hardware, codec = manifest["hardware"], manifest["codec"]
    config, scoring = manifest.get("config", {}), manifest.get("scoring", {})
    facts = {key: hardware[key] for key in _MACHINE if key in hardware}
    facts |= {key: codec[key] for key in ("device", "cpu_threads") if key in codec}
    facts |= {"workers": scoring["workers"]} if "workers" in scoring else {}
    facts |= {"batch_size": config["batch_size"]} if "batch_size" in config else {}
    return facts
