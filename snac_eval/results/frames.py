"""A run as pandas frames. Their column names are public: notebooks read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

from snac_eval.results.record import MetricResult, Run
from snac_eval.results.stats import Interval, mean_interval

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
    "ci_units",
    "ci_claim",
    "n_catastrophic",
    "catastrophic_share",
]
STREAM_COLUMNS = [
    "codec",
    "dataset",
    "stream",
    "codebook_size",
    "num_tokens",
    "tokens_per_second",
    "usage",
    "seen",
    "coverage",
    "perplexity",
    "entropy_bits",
]


def summary_frame(run: Run) -> pd.DataFrame:
    """One row per metric, columns :data:`SUMMARY_COLUMNS`.

    The interval is the 95 % interval of the mean over clips: ``ci_units`` says over how many
    speakers or clips, ``ci_claim`` what it holds for (:data:`~snac_eval.results.stats.Claim`). A
    metric of all clips together has its value as mean, and no interval; of one whose clips have
    weights, the mean is pooled over them, while percentiles are of clips. ``n_catastrophic`` counts
    the clips that are worse than the metric's floor or failed, ``catastrophic_share`` is their
    share of those ok or failed; both are empty without a floor.
    """
    rows, found = [], intervals(run)
    for name, result in run.metrics.items():
        head = [run.codec, run.dataset, name, result.info.unit, result.info.higher_is_better]
        worst = [result.num_catastrophic, result.catastrophic_share]
        rows.append([*head, *result.counts, *_statistics(result, found.get(name)), *worst])
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS).astype({"n_catastrophic": "Int64"})


@lru_cache(maxsize=4)
def intervals(run: Run) -> Mapping[str, Interval]:
    """95 % interval of the mean over clips, by metric, of those that have scores per clip."""
    return {
        name: mean_interval(
            list(one.values.values()),
            [run.speaker(clip) for clip in one.values],
            one.info.value_range,
            one.weights_of(one.values),
        )
        for name, one in run.metrics.items()
        if one.values
    }


def streams_frame(run: Run) -> pd.DataFrame:
    """One row per code stream, columns :data:`STREAM_COLUMNS` and one for each metric that says
    something of single streams (``ngram_entropy``); empty for codecs without any."""
    rows = [{"codec": run.codec, "dataset": run.dataset, **row} for row in run.streams]
    more = [name for row in rows[:1] for name in row if name not in STREAM_COLUMNS]
    return pd.DataFrame(rows, columns=[*STREAM_COLUMNS, *more])


def _statistics(result: MetricResult, interval: Interval | None) -> list[float | str]:
    """Mean, the ends of its interval, median, 5th and 95th percentile, the interval's units and
    claim; NaN, 0 and "" where there is none."""
    if interval is None:
        value = result.whole.value if result.whole is not None else None
        return [math.nan if value is None else value, *[math.nan] * 5, 0, ""]
    values = list(result.values.values())
    quantiles = np.quantile(values, [0.5, 0.05, 0.95]).tolist()
    ends = interval.low, interval.high
    return [result.mean, *ends, *quantiles, interval.num_units, interval.claim]
