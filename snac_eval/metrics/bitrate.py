"""Rates of what a codec emits: exact, nominal, and in tokens.

Conventions: bits are those really emitted, padding and side information included; time is the
clip's own duration. Values are in kbit/s (1 kbit = 1000 bits) or tokens per second.
"""

from __future__ import annotations

import math

from snac_eval.metrics.base import ALL_DOMAINS, CONTINUOUS, UNKNOWN_SIZES, fingerprint
from snac_eval.types import CodecCard, Codes, MetricInfo, Score, Timing

NO_CODES = "reconstructions that were read from files carry no codes"
_POSITIVE = (0.0, math.inf)


def _info(name: str, unit: str, description: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        description=description,
        unit=unit,
        higher_is_better=None,
        value_range=_POSITIVE,
        domains=ALL_DOMAINS,
        sample_rate=None,
        fingerprint=fingerprint(name, v=1),
        kind="codes",
    )


class Bitrate:
    """Bits really emitted for the clip over the clip's duration, in kbps."""

    traps = (
        "Padding and side information count, and headers that are sent once do not: short"
        " clips cost more than the nominal rate.",
    )

    def __init__(self) -> None:
        self.info = _info("bitrate", "kbps", "bits really emitted, padding included, per second")

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        """Undefined without codes, for codebooks of unknown size, continuous latents, and for an
        empty clip."""
        if codes is None:
            return Score.undefined(NO_CODES)
        if duration_s <= 0:
            return Score.undefined("the clip is empty")
        if math.isnan(codes.num_bits):
            return Score.undefined(CONTINUOUS if codes.is_continuous else UNKNOWN_SIZES)
        return Score.ok(codes.num_bits / duration_s / 1000)


class NominalBitrate:
    """The bitrate that the codec's card states, in kbps."""

    traps = ("It is what the card states; bitrate is what was really emitted.",)

    def __init__(self) -> None:
        self.info = _info("bitrate_nominal", "kbps", "bitrate that the codec's card states")

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        """Undefined where the card states none."""
        if math.isnan(card.nominal_bitrate_bps):
            return Score.undefined(f"the card of {card.name} states no bitrate")
        return Score.ok(card.nominal_bitrate_bps / 1000)


class TokensPerSecond:
    """Tokens of all streams over the clip's duration."""

    traps = (
        "Tokens of all streams together: a language model that predicts one stream at a time"
        " has this many steps.",
    )

    def __init__(self) -> None:
        self.info = _info("tokens_per_second", "1/s", "tokens of all streams per second")

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        """Undefined without codes, for codecs that emit packets, and for an empty clip."""
        if codes is None:
            return Score.undefined(NO_CODES)
        if not codes.streams:
            what = "continuous latents" if codes.is_continuous else "packets of bytes"
            return Score.undefined(f"this codec emits {what}, not tokens")
        if duration_s <= 0:
            return Score.undefined("the clip is empty")
        return Score.ok(codes.num_tokens / duration_s)
