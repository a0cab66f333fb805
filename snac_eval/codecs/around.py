"""A codec around a codec: what one that changes only how another is asked leaves as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from snac_eval.types import Codec, CodecCard, Codes, Waveform


class Around:
    """Prepares, pads, encodes and decodes as the codec does, under a card of its own. A subclass
    says what differs, and has a fingerprint."""

    def __init__(self, codec: Codec, card: CodecCard) -> None:
        self.card = card
        self.device = codec.device
        self._codec = codec

    def prepare(self) -> None:
        """Prepare the codec."""
        self._codec.prepare()

    def padded_length(self, num_samples: int) -> int | None:
        """As the codec pads."""
        return self._codec.padded_length(num_samples)

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """As the codec encodes."""
        return self._codec.encode(waveforms)

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """As the codec decodes."""
        return self._codec.decode(codes, seeds)


def seed_of(waveform: Waveform) -> int:
    """Seeds what is drawn for a clip by its samples: the same in every run."""
    digest = hashlib.sha256(waveform.samples.tobytes()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
