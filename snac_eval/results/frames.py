"""The store of a run as pandas frames. Their column names are public: notebooks read them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from snac_eval.errors import StoreError
from snac_eval.registry import plugins
from snac_eval.results.stats import mean_interval
from snac_eval.run.store import Store
from snac_eval.types import Codes, Score

SCORE_COLUMNS = [
    "run_id",
    "codec",
    "dataset",
    "clip_id",
    "speaker",
    "domain",
    "metric",
    "value",
    "status",
    "reason",
    "fingerprint",
]
SUMMARY_COLUMNS = [
    "codec",
    "dataset",
    "metric",
    "unit",
    "higher_is_better",
    "n_ok",
    "n_undefined",
    "n_error",
    "mean",
    "ci_low",
    "ci_high",
    "median",
    "p05",
    "p95",
]
STREAM_COLUMNS = [
    "codec",
    "dataset",
    "stream",
    "codebook_size",
    "num_tokens",
    "tokens_per_second",
    "usage",
    "perplexity",
    "entropy_bits",
]


@dataclass(frozen=True, slots=True)
class RunFrames:
    """One run as frames.

    ``scores``: one row per clip and metric. ``summary``: one row per metric, with the 95 %
    bootstrap interval of the mean over clips; a metric of the whole dataset has its value as mean
    and no interval. ``streams``: one row per code stream, empty for codecs without any.
    ``num_clips`` is how many clips the run is to have, scored or not.
    """

    codec: str
    dataset: str
    num_clips: int
    scores: pd.DataFrame
    summary: pd.DataFrame
    streams: pd.DataFrame


def load_frames(store: Store) -> RunFrames:
    """Frames of the run whose snapshot the store holds. Raises StoreError for a damaged store."""
    snapshot = store.snapshot()
    if snapshot is None:
        raise StoreError(f"{store.path}: holds no run yet; start one with snac-eval run")
    stored = store.scores(clip["key"] for clip in snapshot["clips"])
    scores = _scores(stored, snapshot)
    codes, durations_s = _codes(store, snapshot)
    return RunFrames(
        codec=snapshot["codec"],
        dataset=snapshot["dataset"],
        num_clips=len(snapshot["clips"]),
        scores=scores,
        summary=_summary(scores, snapshot, _Corpus(stored, codes, durations_s)),
        streams=_streams(snapshot, codes, durations_s),
    )


_Stored = Mapping[str, Mapping[str, Score]]


@dataclass(frozen=True, slots=True)
class _Corpus:
    """What metrics of the whole dataset are computed from."""

    stored: _Stored
    codes: Sequence[Codes]
    durations_s: Sequence[float]


def _scores(stored: _Stored, snapshot: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for clip in snapshot["clips"]:
        have = stored[clip["key"]]
        for metric, fingerprint in clip["metrics"].items():
            if (score := have.get(fingerprint)) is not None:
                rows.append(_score_row(snapshot, clip, metric, fingerprint, score))
    frame = pd.DataFrame(rows, columns=SCORE_COLUMNS)
    return frame.astype({"value": "float64"})


def _score_row(
    snapshot: dict[str, Any], clip: dict[str, Any], metric: str, fingerprint: str, score: Score
) -> list[object]:
    value = math.nan if score.value is None else score.value
    where = [snapshot["run_id"], snapshot["codec"], snapshot["dataset"]]
    which = [clip["id"], clip["speaker"], clip["domain"], metric]
    return [*where, *which, value, score.status, score.reason, fingerprint]


def _codes(store: Store, snapshot: dict[str, Any]) -> tuple[list[Codes], list[float]]:
    codes, durations_s = [], []
    for clip in snapshot["clips"]:
        if (stored := store.get_codes(clip["key"])) is not None:
            codes.append(stored.codes)
            durations_s.append(float(clip["duration_s"]))
    return codes, durations_s


def _summary(
    scores: pd.DataFrame,
    snapshot: dict[str, Any],
    corpus: _Corpus,
) -> pd.DataFrame:
    rows = []
    for name in snapshot["metrics"]:
        if name in snapshot["corpus_metrics"]:
            statistics = _corpus_statistics(name, snapshot, corpus)
        else:
            statistics = _clip_statistics(scores[scores["metric"] == name])
        info = plugins.metric(name).info
        head = [snapshot["codec"], snapshot["dataset"], name, info.unit, info.higher_is_better]
        rows.append([*head, *statistics])
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def _clip_statistics(rows: pd.DataFrame) -> list[float]:
    scored = rows[rows["status"] == "ok"]
    values = scored["value"].to_numpy()
    counts = [int((rows["status"] == status).sum()) for status in ("ok", "undefined", "error")]
    if not values.size:
        return [*counts, *[math.nan] * 6]
    interval = mean_interval(values.tolist(), scored["speaker"].tolist())
    quantiles = np.quantile(values, [0.5, 0.05, 0.95])
    return [*counts, float(values.mean()), interval.low, interval.high, *map(float, quantiles)]


def _corpus_statistics(name: str, snapshot: dict[str, Any], corpus: _Corpus) -> list[float]:
    metric: Any = plugins.metric(name)
    if hasattr(metric, "finish"):
        parts = list(_partials(name, snapshot, corpus.stored))
        details = [one.detail for one in parts if one.status == "ok"]
        score = metric.finish(details) if details else Score.undefined("no clip has a part in it")
        num_clips = len(details)
    else:
        parts, num_clips = [], len(corpus.codes)
        if not num_clips:
            return [0, 0, 0, *[math.nan] * 6]
        score = metric.score_corpus(corpus.codes, corpus.durations_s)
    counts = [
        (num_clips if score.status == status else 0)
        + sum(one.status == status for one in parts if status != "ok")
        for status in ("ok", "undefined", "error")
    ]
    return [*counts, math.nan if score.value is None else score.value, *[math.nan] * 5]


def _partials(name: str, snapshot: dict[str, Any], stored: _Stored) -> Iterator[Score]:
    for clip in snapshot["clips"]:
        fingerprint = clip["partials"].get(name)
        if fingerprint is not None and fingerprint in stored[clip["key"]]:
            yield stored[clip["key"]][fingerprint]


def _streams(
    snapshot: dict[str, Any], codes: Sequence[Codes], durations_s: Sequence[float]
) -> pd.DataFrame:
    from snac_eval.metrics.codebook import stream_table

    rows = [
        {"codec": snapshot["codec"], "dataset": snapshot["dataset"], **row}
        for row in stream_table(codes, durations_s)
    ]
    return pd.DataFrame(rows, columns=STREAM_COLUMNS)
