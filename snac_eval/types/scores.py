"""Scores, and what a metric's numbers mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

from snac_eval.types.clips import Domain

Status = Literal["ok", "undefined", "error"]
"""What became of a score."""
MetricKind = Literal["audio", "codes", "codec", "corpus"]
"""What a metric scores."""


@dataclass(frozen=True, slots=True)
class Score:
    """A value and what must be known of it, or the reason why there is none. Never a sentinel.

    ``detail`` is what a metric of all clips keeps of one, without a value, or found of each stream.
    ``weight``, above 0, is how much the clip counts in a mean (:attr:`MetricInfo.weighted_by`).
    """

    value: float | None
    """Finite, in the metric's unit; None unless the status is ok."""
    status: Status = "ok"
    """Undefined: it has no meaning here. Error: something failed that should not have."""
    reason: str = ""
    """Why there is no value, or what must be known of it; mostly empty."""
    detail: bytes = b""
    weight: float = 1.0

    @classmethod
    def ok(cls, value: float, weight: float = 1.0) -> Score:
        """A finite value; anything else is an error of the metric and is reported as one."""
        if not math.isfinite(value):
            return cls(None, "error", f"the metric returned {value}")
        return cls(float(value), weight=float(weight))

    @classmethod
    def partial(cls, detail: bytes) -> Score:
        """One clip's part of a score that all clips have together."""
        return cls(None, detail=detail)

    @classmethod
    def undefined(cls, reason: str) -> Score:
        """The metric has no meaning for this pair (silence, too short, other domain)."""
        return cls(None, "undefined", reason)

    @classmethod
    def error(cls, reason: str) -> Score:
        """Something failed that should not have."""
        return cls(None, "error", reason)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identity of a metric's numbers: only numbers of equal fingerprints are compared.

    ``parts``: name, package versions, settings (``mode=wb``). Files join them by semicolons.
    """

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ";".join(self.parts)

    def extended(self, **settings: object) -> Fingerprint:
        """This identity under further settings."""
        return Fingerprint((*self.parts, *(f"{key}={value}" for key, value in settings.items())))

    def difference(self, other: Fingerprint) -> str:
        """The parts in which two fingerprints differ, for people."""
        sides = ((self.parts, other.parts), (other.parts, self.parts))
        only = ["; ".join(part for part in mine if part not in theirs) for mine, theirs in sides]
        return " against ".join(one or "nothing" for one in only)


class Heading:
    """How tables and plots write what has a name, a unit and a better side."""

    __slots__ = ()
    name: str
    """As ``--metrics`` takes it."""
    unit: str
    """Such as ``dB``; empty where there is none."""
    higher_is_better: bool | None
    """None where neither side is."""

    @property
    def heading(self) -> str:
        """``si_sdr [dB] ↑``: name, unit and an arrow towards better."""
        return " ".join(filter(None, (self.name, self.unit_text, self.arrow)))

    @property
    def unit_text(self) -> str:
        """``[MOS]``; empty where there is no unit."""
        return f"[{self.unit}]" if self.unit else ""

    @property
    def arrow(self) -> str:
        """``↑`` where higher is better, ``↓`` where lower is, empty where neither."""
        return {True: "↑", False: "↓", None: ""}[self.higher_is_better]


@dataclass(frozen=True, slots=True)
class MetricInfo(Heading):
    """What a metric's numbers mean."""

    name: str
    """As ``--metrics`` takes it, options and all."""
    description: str
    """One line, for lists."""
    unit: str
    """Such as ``dB``; empty where there is none."""
    higher_is_better: bool | None
    """None where neither direction is better (bitrate, delay)."""
    value_range: tuple[float, float]
    """What values can take."""
    domains: frozenset[Domain]
    """Where it is defined."""
    sample_rate: int | None
    """The rate in Hz that both sides are resampled to; None: the reference's own."""
    fingerprint: Fingerprint
    """Changes whenever its numbers could."""
    kind: MetricKind = "audio"
    """What it scores: a clip's audio, a clip's codes, a clip with the codec's help, or the corpus:
    all clips together."""
    corpus_of: Literal["codes", "tokens", "audio"] = "codes"
    """What a metric of kind corpus looks at: how often tokens occur, in which order, or audio."""
    speed: Literal["", "run", "bench"] = ""
    """Set where it measures the machine too: in a run, in passing, or in a bench, alone."""
    floor: float | None = None
    """A clip whose score is worse than this is a catastrophe; None where no value says so."""
    ranked: bool = True
    """False where it is shown but decides nothing unless it is asked for by name."""
    weighted_by: str = ""
    """What clips' weights count (``words``): the mean is pooled over it. Empty: all count alike."""

    @property
    def is_quality(self) -> bool:
        """Whether it says how good a codec is: it has a better direction and is no speed."""
        return self.higher_is_better is not None and not self.speed and self.ranked


class Metric(Protocol):
    """What every metric has; :mod:`snac_eval.metrics.opening` has what each kind does."""

    info: MetricInfo
    """What its numbers mean."""
