"""A run as pandas frames. Their column names are public: notebooks read them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from snac_eval.results.record import MetricResult, Run
from snac_eval.results.stats import mean_interval

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
    "seen",
    "coverage",
    "perplexity",
    "entropy_bits",
]


def summary_frame(run: Run) -> pd.DataFrame:
    """One row per metric, columns :data:`SUMMARY_COLUMNS`.

    The interval is the 95 % interval of the mean over clips. A metric of all clips together has
    its value as mean, and no interval.
    """
    rows = []
    for name, result in run.metrics.items():
        head = [run.codec, run.dataset, name, result.info.unit, result.info.higher_is_better]
        rows.append([*head, *result.counts, *_statistics(run, result)])
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def streams_frame(run: Run) -> pd.DataFrame:
    """One row per code stream, columns :data:`STREAM_COLUMNS`; empty for codecs without any."""
    rows = [{"codec": run.codec, "dataset": run.dataset, **row} for row in run.streams]
    return pd.DataFrame(rows, columns=STREAM_COLUMNS)


def _statistics(run: Run, result: MetricResult) -> list[float]:
    """Mean, the ends of its interval, median, 5th and 95th percentile; NaN where there is none."""
    if result.whole is not None:
        value = result.whole.value
        return [math.nan if value is None else value, *[math.nan] * 5]
    if not result.values:
        return [math.nan] * 6
    values = list(result.values.values())
    interval = mean_interval(values, [run.speaker(clip) for clip in result.values])
    quantiles = np.quantile(values, [0.5, 0.05, 0.95])
    return [float(np.mean(values)), interval.low, interval.high, *map(float, quantiles)]
