"""Bands of bitrates: codecs are ranked among those that cost about as much.

A band is chosen by the mean bitrate that was measured on the board's clips, never by the rate that
a card states. The words are taken as they stand: "below 1 kbps" lacks 1.0, "above 8 kbps" lacks
8.0, and a band's upper edge belongs to it: 2.0 kbps is in "1 to 2 kbps", 1.0 as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from snac_eval.results.ranking import BITRATE
from snac_eval.results.record import DECLARED_BITS, Run

# Rates closer to an edge than this are on it: they are sums of floats.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Band:
    """A range of bitrates in kbps."""

    key: str
    """In addresses: ``2-4``."""
    title: str
    high: float
    """Its upper edge, which belongs to it but in the first band; NaN without a bitrate."""


BELOW_1 = Band("below-1", "below 1 kbps", 1.0)
NO_BITRATE = Band("none", "no bitrate", math.nan)
BANDS = (
    BELOW_1,
    Band("1-2", "1 to 2 kbps", 2.0),
    Band("2-4", "2 to 4 kbps", 4.0),
    Band("4-8", "4 to 8 kbps", 8.0),
    Band("above-8", "above 8 kbps", math.inf),
    NO_BITRATE,
)
EDGES = (
    "Bands go by the mean bitrate that was measured on these clips. 1.0 and 2.0 kbps are in"
    " 1 to 2, 4.0 in 2 to 4, and 8.0 in 4 to 8."
)


@dataclass(frozen=True, slots=True)
class Rate:
    """The measured bitrate of one run."""

    kbps: float
    """NaN where it has none."""
    band: Band
    problem: str = ""
    """Why it has none."""
    declared: str = ""
    """Who counted the bits, where we did not; else empty."""


def band_of(kbps: float) -> Band:
    """The band of a bitrate.

    >>> [band_of(kbps).key for kbps in (0.98, 1.0, 2.0, 2.001, 8.0)]
    ['below-1', '1-2', '1-2', '2-4', '4-8']
    """
    if math.isnan(kbps):
        return NO_BITRATE
    if kbps < BELOW_1.high - _ROUNDING:
        return BELOW_1
    return next(band for band in BANDS[1:] if kbps <= band.high + _ROUNDING)


def rate_of(run: Run) -> Rate:
    """The run's mean bitrate over its clips, and the band that it falls into."""
    result = run.metrics.get(BITRATE)
    if result is None:
        return Rate(math.nan, NO_BITRATE, "its bitrate was not measured")
    if math.isnan(result.mean):
        reasons = [score.reason for score in result.missing.values()]
        return Rate(math.nan, NO_BITRATE, reasons[0] if reasons else "no clip has a bitrate")
    parts = result.info.fingerprint.parts
    said = next((part for part in parts if part.startswith(DECLARED_BITS)), "")
    words = "sizes of files" if said.endswith("files") else "declared"
    return Rate(result.mean, band_of(result.mean), declared=words if said else "")
