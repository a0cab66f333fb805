"""The smallest codec: it keeps 16-bit samples, at half the amplitude."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snac_eval.codecs.checks import check_input
from snac_eval.types import CodecRequest, Codes, Waveform


def load(request: CodecRequest) -> HalvingCodec:
    """Entry point of the codec family ``tiny``."""
    return HalvingCodec(request)


class HalvingCodec:
    """One packet of little-endian 16-bit integers for each clip."""

    def __init__(self, request: CodecRequest) -> None:
        self.card = request.card
        self.device = "cpu"
        self.fingerprint = "tiny/1"

    def prepare(self) -> None:
        """Nothing to load."""

    def padded_length(self, num_samples: int) -> int | None:
        """None: one clip at a time."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Raises CodecError for audio that is empty, not finite or of another shape or rate."""
        return [self._encode(one) for one in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Seeds change nothing."""
        return [self._decode(one) for one in codes]

    def _encode(self, waveform: Waveform) -> Codes:
        check_input(self.card, waveform)
        halved = np.clip(waveform.samples[0], -1, 1) * 16383
        return Codes(waveform.num_samples, packets=(halved.astype("<i2").tobytes(),))

    def _decode(self, codes: Codes) -> Waveform:
        halved = np.frombuffer(codes.packets[0], "<i2").astype(np.float32)
        return Waveform(halved[None] / 32767, self.card.sample_rate)
