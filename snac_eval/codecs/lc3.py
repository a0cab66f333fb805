"""LC3, the low-complexity codec of Bluetooth LE Audio, in frames of 10 ms (extra ``lc3``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snac_eval.codecs.bitrates import with_bit_rate
from snac_eval.codecs.framed import Coder, Frame, FramedCodec, Options
from snac_eval.types import CodecCard, CodecRequest

__all__ = ["Lc3", "Options", "at_bitrate", "load"]

_FRAME_US = 10000
# Frames of 20 to 400 bytes; the library takes the nearest of these without a word.
_RATES = range(16000, 320001)
# The long-term postfilter works on voiced sounds, in frames of less than 560 bits at 8 kHz and 80
# more for each next rate. It turns them ahead by 2 to 4 us on LibriSpeech, by 3 to 8 on synthetic
# voices; noise stays in time, and so does speech in larger frames (``snac-eval validate``).
_POSTFILTER_BITS, _MORE_BITS, _POSTFILTER_S = 560, 80, -2.9e-6


def load(request: CodecRequest) -> FramedCodec:
    """Entry point of the codec family ``lc3``. Raises CardError where the card is wrong."""
    return Lc3(request.card)


def at_bitrate(card: CodecCard, bit_rate: int) -> CodecCard:
    """The card at another rate in bits a second. Raises UsageError for one that LC3 has not."""
    return with_bit_rate(card, bit_rate, _RATES)


class Lc3(FramedCodec):
    """LC3 at the card's bit rate, rounded down to whole bytes a frame."""

    name, package = "lc3", "lc3py"
    conceals = "liblc3 conceals lost packets, and those that it finds damaged"

    @property
    def delay_samples(self) -> float:
        """What the postfilter does to voiced speech; what LC3 is late by is taken out."""
        rate = self.card.sample_rate
        limit = _POSTFILTER_BITS + _MORE_BITS * (-(-rate // 8000) - 1 if rate <= 32000 else 4)
        is_filtered = self._bit_rate * _FRAME_US < 1_000_000 * limit
        return round(_POSTFILTER_S * rate, 3) if is_filtered else 0.0

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
        return Coder(length, delay, 8 * size, encode, decode, _damaged)


def _damaged(last: bytes) -> bytes:
    """Ones alone say that more lines of the spectrum are sent than there are, at every rate and in
    frames of 10 ms: the decoder does then what it does for a frame that is not there."""
    return b"\xff" * len(last)
