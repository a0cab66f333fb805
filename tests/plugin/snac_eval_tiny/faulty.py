"""A metric with a fault that a run has to refuse."""

from __future__ import annotations

from dataclasses import replace

from snac_eval.types import MetricInfo, Reconstruction, Score
from snac_eval_tiny.peak import PeakDifference


class WrongKind:
    """Says that it scores codes, and scores audio."""

    info: MetricInfo = replace(PeakDifference.info, name="tiny_wrong", kind="codes")

    def score(self, reconstruction: Reconstruction) -> Score:
        """Always 1."""
        return Score.ok(1.0)
