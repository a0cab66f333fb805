"""Metrics with faults that a run has to survive or to refuse."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

from snac_eval.types import Fingerprint, MetricInfo, Reconstruction, Score
from snac_eval_tiny.peak import PeakDifference


class Killer:
    """Kills the process that scores the clip named 'victim', as a crash in native code would."""

    info: MetricInfo = replace(
        PeakDifference.info, name="tiny_killer", fingerprint=Fingerprint(("tiny_killer", "v=1"))
    )

    def score(self, reconstruction: Reconstruction) -> Score:
        """1 for whoever is no victim."""
        if reconstruction.clip.id == "victim":
            os.kill(os.getpid(), signal.SIGKILL)
        return Score.ok(1.0)


class WrongKind(Killer):
    """Says that it scores codes, and scores audio."""

    info = replace(Killer.info, name="tiny_wrong", kind="codes")
