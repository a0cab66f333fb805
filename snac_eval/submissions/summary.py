"""``summary.csv`` of a submission: a row for each metric, small enough to be read in a review.

It holds no intervals: how those are found gets better, and what was submitted must still hold. Sums
are exact, so that another machine gets the same digits.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

import numpy as np

from snac_eval.results.record import MetricResult, Run

FILE_NAME = "summary.csv"
COLUMNS = (
    *("metric", "unit", "better", "clips", "undefined", "failed"),
    *("mean", "median", "lowest", "highest"),
)
_BETTER = {True: "higher", False: "lower", None: ""}


def summary_text(run: Run) -> str:
    """The summary of this run's scores."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in run.metrics.values():
        info = result.info
        statistics = [f"{value:.6g}" if math.isfinite(value) else "" for value in _values(result)]
        counts = [str(count) for count in result.counts]
        writer.writerow(
            [info.name, info.unit, _BETTER[info.higher_is_better], *counts, *statistics]
        )
    return out.getvalue()


def _values(result: MetricResult) -> Sequence[float]:
    """Mean, median, lowest, highest; of all clips together the one value as mean."""
    if result.whole is not None:
        whole = result.whole.value
        return (math.nan if whole is None else whole, math.nan, math.nan, math.nan)
    values = list(result.values.values())
    if not values:
        return (math.nan,) * 4
    weights = result.weights_of(result.values) or [1.0] * len(values)
    total = math.fsum(weight * value for weight, value in zip(weights, values, strict=True))
    mean = total / math.fsum(weights)
    return (mean, float(np.median(values)), min(values), max(values))
