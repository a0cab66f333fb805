"""Uniform PCM: the one codec whose error is known in advance.

Quantisation noise of a uniform quantiser falls by 6.02 dB a bit (Bennett, BSTJ 27(3), 1948), so
these codecs check the metrics as much as they set a floor and a ceiling for the others.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from snac_eval.codecs.checks import check_input
from snac_eval.errors import CodecError
from snac_eval.registry.validation import read_options
from snac_eval.types import Codec, CodecCard, CodecRequest, Codes, Waveform

_DTYPES: dict[int, np.dtype[Any]] = {8: np.dtype("<i1"), 16: np.dtype("<i2")}
_HEADER = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Options:
    """What a PCM card must say besides."""

    bits: Literal[8, 16]
    """Per sample."""


def load(request: CodecRequest) -> Codec:
    """The PCM codec of a card. Raises CardError when its options make no sense."""
    return PcmCodec(request.card)


class PcmCodec:
    """Mid-tread quantiser of full scale -1..1 with ``2 ** bits - 1`` levels; louder audio clips.

    The levels are symmetric, so that silence stays silence and no polarity is favoured. ``Codes``
    hold one packet of little-endian signed integers, channels interleaved, and the sample rate in
    Hz as an unsigned 32-bit integer in the header.
    """

    conceals = "lost packets are silence"

    def __init__(self, card: CodecCard) -> None:
        bits = read_options(card, Options).bits
        self.card = card
        self.device = "cpu"
        self.fingerprint = f"pcm:v=1:bits={bits}:channels={card.channels}:rate={card.sample_rate}"
        self._dtype = _DTYPES[bits]
        self._peak = 2 ** (bits - 1) - 1

    def prepare(self) -> None:
        """Nothing to load."""

    def padded_length(self, num_samples: int) -> int | None:
        """None: there is nothing to gain from a batch."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Raises CodecError for audio that is empty, not finite or of another shape."""
        return [self._encode(waveform) for waveform in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Seeds change nothing. Raises CodecError for codes that no PCM codec made."""
        return [self._decode(one) for one in codes]

    def _encode(self, waveform: Waveform) -> Codes:
        check_input(self.card, waveform)
        scaled = np.clip(waveform.samples.astype(np.float64), -1, 1) * self._peak
        packet = np.rint(scaled).astype(self._dtype).T.tobytes()
        header = _HEADER.pack(waveform.sample_rate)
        return Codes(waveform.num_samples, packets=(packet,), header=header)

    def _decode(self, codes: Codes) -> Waveform:
        payload = b"".join(codes.packets)
        expected = codes.num_samples * self.card.channels * self._dtype.itemsize
        if len(codes.header) != _HEADER.size or len(payload) != expected:
            raise CodecError(
                f"{self.card.name}: codes hold {len(payload)} bytes, not the {expected} that"
                f" {codes.num_samples} samples need; encode the clip again"
            )
        levels = np.frombuffer(payload, self._dtype).reshape(-1, self.card.channels).T
        samples = np.ascontiguousarray(levels / self._peak, dtype=np.float32)
        (sample_rate,) = _HEADER.unpack(codes.header)
        return Waveform(samples, sample_rate)
