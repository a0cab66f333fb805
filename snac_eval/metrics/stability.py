"""Which tokens stay when the input changes in a way that a listener hardly notices, in percent.

A codec hears the clip once more, changed in one way: ``token_stability`` and
``token_stability@shift_ms=10`` 10 ms later, ``@softer_db=6`` at 6 dB less, ``@snr_db=20`` with
white noise 20 dB below the clip's mean power. Tokens of all streams are compared with those of the
clip as it was. Noise is drawn from the clip's own seed: the same in every run of one seed.

A shift puts silence before the clip and lets as much of its end go. Each stream is compared after
as many whole tokens as the shift comes nearest to, by the stream's own rate; what is left of the
shift, up to half a token, is what the metric asks about. 10 ms are no token at 12.5 Hz, one at
75 Hz, and five at 500 Hz. What left at the end has no partner, and is not compared.

A model of speech sees the same word as other tokens where this is low: Gat et al., "Augmentation
Invariant Discrete Representation for Generative Spoken Language Modeling" (IWSLT 2023). They count
edits between units without repeats; here it is the share of equal tokens at equal times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.audio import with_white_noise
from snac_eval.errors import CodecError, UsageError
from snac_eval.metrics.base import ALL_DOMAINS, Encoded, Undefined, fingerprint, is_silent
from snac_eval.metrics.idempotence import NO_TOKENS
from snac_eval.types import Codec, Codes, MetricInfo, Score, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tokens = NDArray[np.int32]

_DEFAULT_SHIFT_MS = 10


class TokenStability:
    """Tokens that a change of the input leaves as they were, all streams together, in percent."""

    papers = ("after Gat et al., IWSLT 2023, who count edits between units without repeats",)
    traps = (
        "A shift by a part of a token cannot leave the tokens as they were: codecs of long"
        " tokens are asked a harder question.",
    )

    def __init__(
        self,
        shift_ms: int | None = None,
        softer_db: int | None = None,
        snr_db: int | None = None,
    ) -> None:
        asked = {"shift_ms": shift_ms, "softer_db": softer_db, "snr_db": snr_db}
        given = {key: value for key, value in asked.items() if value is not None}
        if len(given) > 1:
            raise UsageError(f"token_stability: give one of {', '.join(given)}, not both")
        (self._change, self._amount), *_ = (given or {"shift_ms": _DEFAULT_SHIFT_MS}).items()
        if not self._amount and self._change != "snr_db":
            raise UsageError(f"token_stability@{self._change}=0: must be at least 1")
        default = (self._change, self._amount) == ("shift_ms", _DEFAULT_SHIFT_MS)
        self.info = MetricInfo(
            name="token_stability" + ("" if default else f"@{self._change}={self._amount}"),
            description=f"tokens unchanged {_words(self._change, self._amount)}",
            unit="%",
            higher_is_better=True,
            value_range=(0.0, 100.0),
            domains=ALL_DOMAINS,
            sample_rate=None,
            fingerprint=fingerprint("token_stability", **{self._change: self._amount}, v=1),
            kind="codec",
        )

    def score_codec(self, codec: Codec, encoded: Encoded) -> Score:
        """Undefined for codecs that emit packets, for silence, and for clips of less than a token
        more than the shift; an error where the changed clip has another number of tokens."""
        if not encoded.codes.num_tokens:
            return Score.undefined(NO_TOKENS)
        if is_silent(encoded.source.samples):
            return Score.undefined("the clip is silent")
        (changed,) = codec.encode([self._changed(encoded)])
        same = compared = 0
        for one, other in self._pairs(codec, encoded.codes, changed, encoded.source.sample_rate):
            same += int(np.count_nonzero(one == other))
            compared += len(one)
        if not compared:
            raise Undefined(f"the clip has no token after a shift of {self._amount} ms")
        return Score.ok(100 * same / compared)

    def _changed(self, encoded: Encoded) -> Waveform:
        samples, rate = encoded.source.samples, encoded.source.sample_rate
        if self._change == "shift_ms":
            shift = round(self._amount * rate / 1000)
            samples = np.pad(samples, ((0, 0), (shift, 0)))[:, : samples.shape[1]]
        elif self._change == "softer_db":
            samples = samples * np.float32(10 ** (-self._amount / 20))
        else:
            return with_white_noise(encoded.source, self._amount, encoded.seed)
        return Waveform(np.ascontiguousarray(samples), rate)

    def _pairs(
        self, codec: Codec, before: Codes, after: Codes, rate: int
    ) -> Iterator[tuple[Tokens, Tokens]]:
        """Tokens of each stream before and after the change that belong to the same time."""
        if [one.size for one in before.streams] != [one.size for one in after.streams]:
            raise CodecError("the changed clip, as long as before, has another number of tokens")
        for index, (one, other) in enumerate(zip(before.streams, after.streams, strict=True)):
            late = 0
            if self._change == "shift_ms":
                late = round(self._amount / 1000 * _token_rate(codec, before, index, rate))
            yield one[: max(0, one.size - late)], other[late:]


def _token_rate(codec: Codec, codes: Codes, index: int, rate: int) -> float:
    """Tokens a second of a stream: as the card says, else as many as the clip has."""
    if len(stated := codec.card.frame_rates_hz) == len(codes.streams):
        return stated[index]
    return codes.streams[index].size * rate / max(1, codes.num_samples)


def _words(change: str, amount: int) -> str:
    said = {
        "shift_ms": f"where the clip comes {amount} ms later",
        "softer_db": f"where the clip is {amount} dB softer",
        "snr_db": f"under white noise at {amount} dB SNR",
    }
    return said[change]
