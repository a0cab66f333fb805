"""A finished run, read once. Tables, comparisons, gates and the page all ask this record.

``read_run`` reads the two files that a run or a bench leaves, ``manifest.json`` and
``scores.parquet`` (:mod:`snac_eval.results.reading`); a baseline file holds the same facts and
becomes the same record. The module ``pairing`` says which clips of two records are comparable.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from snac_eval.codecs.repeats import Repeat
from snac_eval.errors import StoreError, UsageError
from snac_eval.registry import plugins
from snac_eval.results.reading import read_files
from snac_eval.results.shapes import LARGEST
from snac_eval.results.stats import mean_of
from snac_eval.run.manifest import DETERMINISM, metric_info
from snac_eval.run.sealed import FILE_NAME as MANIFEST_FILE
from snac_eval.run.sealed import NUMBERS, SCORES_FILE
from snac_eval.types import MetricInfo, Score

DECLARED_BITS = "bits="
"""Begins the part of a rate's fingerprint that says who counted, where we did not."""
_MACHINE = ("machine", "cpu", "cores", "gpu")


@dataclass(frozen=True, slots=True)
class RunClip:
    """One clip of a run. ``digest`` is the SHA-256 of its audio."""

    digest: str
    speaker: str = ""
    """Who speaks; empty where nobody says."""
    domain: str = ""
    """What the clip is."""
    duration_s: float = math.nan
    """In seconds; NaN where the file does not say."""


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric of one run."""

    info: MetricInfo
    """What its numbers mean."""
    values: Mapping[str, float] = field(default_factory=dict)
    """By clip id, where the score is ok."""
    missing: Mapping[str, Score] = field(default_factory=dict)
    """By clip id, where there is no value: undefined or error, with the reason."""
    whole: Score | None = None
    """The score of all clips together, of a metric of kind corpus."""
    counts: tuple[int, int, int] = (0, 0, 0)
    """How many clips are ok, undefined and failed."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """By clip id as ``values``, of a metric whose clips do not all count alike; else empty."""

    @property
    def mean(self) -> float:
        """Mean over the clips, pooled where they have weights; NaN without a clip."""
        return mean_of(list(self.values.values()), self.weights_of(self.values))

    def weights_of(self, clips: Iterable[str]) -> list[float]:
        """How much each of these clips counts; empty where all count alike."""
        return [self.weights[clip] for clip in clips] if self.weights else []

    @property
    def caveat(self) -> str:
        """What a reader must know of the score of all clips together; mostly empty."""
        return self.whole.reason if self.whole is not None and self.whole.status == "ok" else ""

    @property
    def num_catastrophic(self) -> int | None:
        """Clips whose score is worse than the metric's floor, and clips that failed: what nobody
        heard is no better, and a codec must not do well by failing. None without a floor."""
        if self.info.floor is None:
            return None
        below = sum(is_catastrophic(self.info, value) for value in self.values.values())
        return below + self.counts[2]

    @property
    def catastrophic_share(self) -> float:
        """Of the clips that are ok or failed, the share that is catastrophic; NaN without a
        floor."""
        of, count = self.counts[0] + self.counts[2], self.num_catastrophic
        return math.nan if count is None or not of else count / of


@dataclass(frozen=True, eq=False)
class Run:
    """One run, bench or baseline. Every field but ``name`` is what the files say."""

    name: str
    """What reports call it beside others: the folder's name, or as :func:`named_apart` says."""
    codec: str
    """What reports call the codec."""
    run_id: str
    """Equal for equal codec, data and settings."""
    codec_fingerprint: str
    """Implementation, configuration and weights of the codec."""
    dataset: str
    """What reports call the dataset."""
    finished: bool
    """False for an interrupted run, and for a shard: all of either is not there."""
    clips: Mapping[str, RunClip]
    """By id, in the order of the dataset, scored or not."""
    metrics: Mapping[str, MetricResult]
    """By name, in the order of the run."""
    streams: tuple[Mapping[str, Any], ...]
    """How each code stream uses its codebook, coarse to fine: rows of ``streams.csv``."""
    place: Mapping[str, Any]
    """What a speed depends on beside the codec: machine, device, threads, workers, batch size."""
    versions: Mapping[str, str]
    """Of Python and packages."""
    manifest: Mapping[str, Any] = field(repr=False)
    """The whole ``manifest.json``, to be shown; empty for a baseline."""
    compact: pd.DataFrame = field(repr=False)
    """The whole ``scores.parquet``, texts as categories; empty for a baseline."""
    folder: Path | None = None
    """Where it was read from; None for a baseline."""
    determinism: str = ""
    """That the codec gave one clip two answers, or that this could not be checked."""

    @property
    def title(self) -> str:
        """The name that a paper prints for the codec: the run's label, its card's, or its own."""
        card = self.manifest.get("codec", {}).get("card", {})
        own = self.manifest.get("config", {}).get("label")
        return str(own or card.get("label") or self.codec)

    @property
    def rows(self) -> pd.DataFrame:
        """The whole ``scores.parquet``, made anew when it is asked for: it is large."""
        texts = [name for name in self.compact.columns if name not in NUMBERS]
        return self.compact.astype(dict.fromkeys(texts, "str"))

    @property
    def num_scored(self) -> int:
        """How many clips have a score."""
        return int(self.compact["clip_id"].nunique())

    @property
    def unfinished(self) -> str:
        """That the run has not come to its end, and how far it came; empty where it has."""
        if self.finished:
            return ""
        total = max(len(self.clips), self.manifest.get("num_clips", 0))
        left = total - self.num_scored
        missing = f": {left} of {total} clips are not scored yet" if left else ""
        if shard := self.manifest.get("shard"):
            part = f"shard {shard['number']}/{shard['of']}, {total} of {shard['num_clips']} clips"
            return f"this is a part of a run ({part}){missing}"
        return f"the run was not finished{missing}"

    def caveats(self, metrics: Container[str] | None = None) -> Iterator[str]:
        """What a reader must know of its numbers beside how many clips are behind them; of these
        metrics, or of all."""
        if self.determinism:
            yield self.determinism
        for name, result in self.metrics.items():
            if metrics is None or name in metrics:
                yield from _declared(name, result.info)
        grouped: dict[str, list[str]] = {}
        for name, result in self.metrics.items():
            if result.caveat and (metrics is None or name in metrics):
                grouped.setdefault(result.caveat, []).append(name)
        for caveat, names in grouped.items():
            yield f"{', '.join(names)}: {caveat}"

    def speaker(self, clip: str) -> str:
        """The clip's speaker; empty where none is known."""
        return self.clips[clip].speaker if clip in self.clips else ""

    def info(self, metric: str) -> MetricInfo:
        """What this metric's numbers mean, as the run recorded it."""
        return self.metrics[metric].info


def _declared(name: str, info: MetricInfo) -> Iterator[str]:
    for part in info.fingerprint.parts:
        if part.startswith(DECLARED_BITS):
            how = "sizes of the bit streams' files" if part.endswith("files") else "declared"
            yield f"{name}: {how}, not counted from codes"


def is_catastrophic(info: MetricInfo, value: float) -> bool:
    """Whether a clip's score is worse than the metric's floor."""
    if info.floor is None or info.higher_is_better is None:
        return False
    return value < info.floor if info.higher_is_better else value > info.floor


def read_run(folder: Path) -> Run:
    """The run in this folder. Raises StoreError where a file is missing or broken."""
    if not folder.is_dir():
        raise StoreError(f"{folder}: no such run folder; give one that run or bench wrote")
    try:
        manifest, rows = read_files(folder)
        return replace(_run(folder.resolve().name, manifest, rows), folder=folder)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise StoreError(
            f"{folder / MANIFEST_FILE}: not a manifest of this version of snac-eval"
            f" ({type(error).__name__}: {error}); write the run again"
        ) from error


def metric_names(*runs: Run) -> list[str]:
    """Every metric of these runs, those with a score per clip first."""
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    return sorted(names, key=lambda name: first_info(runs, name).kind == "corpus")


def first_info(runs: Sequence[Run], metric: str) -> MetricInfo:
    """What the first of these runs that has the metric says of it."""
    return next(run.info(metric) for run in runs if metric in run.metrics)


def check_names(names: Sequence[str], *runs: Run) -> None:
    """Raises UsageError for a name that none of the runs has."""
    known = metric_names(*runs)
    if unknown := [name for name in names if name not in known]:
        raise UsageError(plugins.unknown_name(unknown[0], known, "metric of these runs", ""))


def named_apart(runs: Sequence[Run]) -> list[Run]:
    """The runs with names that differ: the codec's, with the folder's where two share a codec,
    numbered where they share that as well."""
    codecs = Counter(run.codec for run in runs)
    names = [run.codec if codecs[run.codec] == 1 else f"{run.codec} ({run.name})" for run in runs]
    counts, seen = Counter(names), Counter[str]()
    apart = []
    for run, name in zip(runs, names, strict=True):
        seen[name] += 1
        apart.append(replace(run, name=name if counts[name] == 1 else f"{name} {seen[name]}"))
    return apart


def _run(name: str, manifest: Mapping[str, Any], rows: pd.DataFrame) -> Run:
    by_metric = {
        str(metric): part for metric, part in rows.groupby("metric", sort=False, observed=True)
    }
    if unknown := [metric for metric in by_metric if metric not in manifest["metrics"]]:
        raise ValueError(f"it says nothing of the metric {unknown[0]} in {SCORES_FILE}")
    return Run(
        name=name,
        codec=str(manifest["label"]),
        run_id=str(manifest["run_id"]),
        codec_fingerprint=str(manifest["codec"]["fingerprint"]),
        dataset=str(manifest["dataset"]["name"]),
        finished=manifest["state"] == "finished" and "shard" not in manifest,
        clips={clip: run_clip(facts) for clip, facts in manifest["clips"].items()},
        metrics={
            metric: _result(metric_info(metric, facts), by_metric.get(metric), manifest)
            for metric, facts in manifest["metrics"].items()
        },
        streams=tuple(manifest.get("streams", ())),
        place=_place(manifest),
        versions={"snac-eval": manifest["snac_eval"], **manifest["versions"]},
        manifest=manifest,
        compact=rows,
        determinism=_determinism(manifest),
    )


def _determinism(manifest: Mapping[str, Any]) -> str:
    found = manifest.get(DETERMINISM)
    if not found:
        return ""
    return Repeat.from_facts(found).sentence(str(manifest["label"]), str(found["clip"]))


def run_clip(facts: Mapping[str, Any]) -> RunClip:
    """A clip as manifests and baselines hold it."""
    return RunClip(
        digest=str(facts["sha256"]),
        speaker=str(facts.get("speaker", "")),
        domain=str(facts.get("domain", "")),
        duration_s=float(facts.get("duration_s", math.nan)),
    )


def _result(
    info: MetricInfo, rows: pd.DataFrame | None, manifest: Mapping[str, Any]
) -> MetricResult:
    if info.kind == "corpus":
        found = manifest.get("corpus_scores", {}).get(info.name)
        if found is None:
            return MetricResult(info)
        score = Score(found["value"], found["status"], found["reason"])
        return MetricResult(info, whole=score, counts=tuple(found["counts"]))
    if rows is None:
        return MetricResult(info)
    _check_fingerprint(info, rows)
    return _clip_result(info, rows)


def _check_fingerprint(info: MetricInfo, rows: pd.DataFrame) -> None:
    other = set(rows["fingerprint"].unique()) - {str(info.fingerprint)}
    if other:
        raise ValueError(
            f"{info.name} is {info.fingerprint} there, but {min(map(str, other))} in {SCORES_FILE}"
        )


def _clip_result(info: MetricInfo, rows: pd.DataFrame) -> MetricResult:
    clips = rows["clip_id"].cat.categories.to_numpy()[rows["clip_id"].cat.codes]
    scores = rows["value"].to_numpy()
    ok = (rows["status"] == "ok").to_numpy() & np.isfinite(scores)
    values = dict(zip(clips[ok].tolist(), scores[ok].tolist(), strict=True))
    missing = {}
    if not ok.all():
        others = zip(clips[~ok].tolist(), rows["status"][~ok], rows["reason"][~ok], strict=True)
        missing = {clip: Score(None, status, str(reason)) for clip, status, reason in others}
    weights = {}
    if info.weighted_by:
        weights = dict(zip(values, rows["weight"].to_numpy()[ok].tolist(), strict=True))
    return clip_result(info, values, missing, weights)


def clip_result(
    info: MetricInfo,
    values: Mapping[str, float],
    missing: Mapping[str, Score],
    weights: Mapping[str, float] | None = None,
) -> MetricResult:
    """The result of a metric with a score per clip. Raises ValueError for a value, a weight or a
    status that is none."""
    weights = weights or {}
    if weights.keys() != (values.keys() if info.weighted_by else set()):
        raise ValueError(f"{info.name} has not a weight for each of its scores")
    for clip, weight in weights.items():
        if not 0 < weight <= LARGEST:
            raise ValueError(f"{info.name} of clip '{clip}' has the weight {weight:g}")
    for clip, value in values.items():
        if not abs(value) <= LARGEST:
            raise ValueError(f"{info.name} of clip '{clip}' is {value:g}, which no clip scores")
    for clip, score in missing.items():
        if score.status not in ("undefined", "error"):
            raise ValueError(f"{info.name} of clip '{clip}' has no value and is '{score.status}'")
    undefined = sum(score.status == "undefined" for score in missing.values())
    counts = (len(values), undefined, len(missing) - undefined)
    return MetricResult(info, values, missing, counts=counts, weights=weights)


def _place(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a speed depends on; the kernel's version is not among it."""
    hardware, codec = manifest["hardware"], manifest["codec"]
    config, scoring = manifest.get("config", {}), manifest.get("scoring", {})
    facts = {key: hardware[key] for key in _MACHINE if key in hardware}
    facts |= {key: codec[key] for key in ("device", "cpu_threads") if key in codec}
    facts |= {"workers": scoring["workers"]} if "workers" in scoring else {}
    facts |= {"batch_size": config["batch_size"]} if "batch_size" in config else {}
    return facts
