"""What each metric costs: CPU seconds for 10 s of audio, as ``benchmarks/metric_costs.py`` measured
them once, on a machine that the file names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path("benchmarks/metric_costs.json")
"""In the repository."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs and where they were measured."""

    audio: str
    """What was scored."""
    where: str
    """Machine, threads and date."""
    seconds: Mapping[str, float]
    """CPU seconds for 10 s of audio, all of whose preparation is shared, by metric."""
    reasons: Mapping[str, str]
    """Why there is none, by metric."""

    def short(self, metric: str) -> str:
        """``0.09``; a dash where it was not measured."""
        seconds = self.seconds.get(metric)
        return "–" if seconds is None else _seconds(seconds)

    def long(self, metric: str) -> str:
        """A sentence."""
        seconds = self.seconds.get(metric)
        if seconds is None:
            why = self.reasons.get(metric, "")
            if why.startswith("needs "):
                why = f"the machine that measured had not what it needs ({why[6:]})"
            return f"Not measured here: {why}." if why else "Not measured here."
        return (
            f"{_seconds(seconds)} s of CPU time for 10 s of audio ({self.audio}), once it is"
            f" loaded. Measured on: {self.where}."
        )


def read_costs(path: Path) -> Costs:
    """The file's content. Raises OSError or ValueError where it is none."""
    return Costs(**json.loads(path.read_text(encoding="utf-8")))


def _seconds(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.2g}"
