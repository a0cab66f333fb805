"""The smallest metric: by how much the loudest sample changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snac_eval.metrics.base import ALL_DOMAINS, PairMetric, fingerprint
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal


class PeakDifference(PairMetric):
    """Difference of the peaks, in percent of the reference's, 0 and up, lower is better."""

    info = MetricInfo(
        name="tiny_peak",
        description="difference of the peaks",
        unit="%",
        higher_is_better=False,
        value_range=(0.0, np.inf),
        domains=ALL_DOMAINS,
        sample_rate=None,
        fingerprint=fingerprint("tiny_peak", v=1),
    )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        peaks = np.abs(reference).max(), np.abs(estimate).max()
        return float(100 * abs(peaks[0] - peaks[1]) / peaks[0])
