"""LC3, the low-complexity codec of Bluetooth LE Audio, in frames of 10 ms (extra ``lc3``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snac_eval.codecs.framed import Coder, Frame, FramedCodec, Options
from snac_eval.types import CodecRequest

__all__ = ["Lc3", "Options", "load"]

_FRAME_US = 10000


def load(request: CodecRequest) -> FramedCodec:
    """Entry point of the codec family ``lc3``. Raises CardError where the card is wrong."""
    return Lc3(request.card)


class Lc3(FramedCodec):
    """LC3 at the card's bit rate, rounded down to whole bytes a frame."""

    name, package = "lc3", "lc3py"

    def _coder(self) -> Coder:
        import lc3

        rate = self.card.sample_rate
        encoder, decoder = lc3.Encoder(_FRAME_US, rate), lc3.Decoder(_FRAME_US, rate)
        size = encoder.get_frame_bytes(self._bit_rate)

        def encode(frame: Frame) -> bytes:
            return bytes(encoder.encode(np.ascontiguousarray(frame, dtype=np.float32), size))

        def decode(packets: Sequence[bytes]) -> Frame:
            frames = [np.asarray(decoder.decode(packet), np.float32) for packet in packets]
            return np.concatenate(frames)

        length, delay = encoder.get_frame_samples(), encoder.get_delay_samples()
        return Coder(length, delay, 8 * size, encode, decode)
