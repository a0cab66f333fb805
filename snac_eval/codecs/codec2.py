"""Codec 2 (D. Rowe), a sinusoidal vocoder for speech at 8 kHz (extra ``codec2``).

Each clip is decoded by a process of its own; :mod:`snac_eval.codecs._codec2_decoder` says why.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np

from snac_eval.codecs.framed import Coder, Frame, FramedCodec, Options
from snac_eval.errors import CodecError
from snac_eval.types import CodecCard, CodecRequest

__all__ = ["Codec2", "Options", "load"]

# Group delay of analysis and synthesis in samples at 8 kHz: what aligns the level contours of 24
# utterances best (python -m benchmarks.codec2_delay). 700C smooths more and differs.
_DELAY = {700: 236, 1200: 152, 1300: 152, 1400: 152, 1600: 152, 2400: 152, 3200: 152}


def load(request: CodecRequest) -> FramedCodec:
    """Entry point of the codec family ``codec2``. Raises CardError where the card is wrong."""
    return Codec2(request.card)


def _again(last: bytes) -> bytes:
    return last


class Codec2(FramedCodec):
    """Codec 2 at one of its bit rates, 700 to 3200 bit/s."""

    name, package = "codec2", "pycodec2"
    conceals = "in place of a lost packet the last that came is decoded, before the first one zeros"
    notes = ("decode times include the start of a process, which Codec 2 needs for each clip",)

    def _card_problem(self, card: CodecCard, bit_rate: int) -> str:
        if problem := super()._card_problem(card, bit_rate):
            return problem
        if bit_rate not in _DELAY:
            return f"Codec 2 has the bit rates {', '.join(map(str, _DELAY))}"
        return "" if card.sample_rate == 8000 else "Codec 2 works at 8000 Hz"

    def _coder(self) -> Coder:
        import pycodec2

        state = pycodec2.Codec2(self._bit_rate)

        def encode(frame: Frame) -> bytes:
            return bytes(state.encode(np.rint(frame * 32767).astype(np.int16)))

        delay, bits = _DELAY[self._bit_rate], state.bits_per_frame()
        return Coder(state.samples_per_frame(), delay, bits, encode, self._decode_packets, _again)

    def _decode_packets(self, packets: Sequence[bytes]) -> Frame:
        command = [sys.executable, "-m", "snac_eval.codecs._codec2_decoder", str(self._bit_rate)]
        done = subprocess.run(command, input=b"".join(packets), capture_output=True, check=False)
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise CodecError(f"{self.card.name}: its decoder failed: {reason}")
        return np.divide(np.frombuffer(done.stdout, np.int16), 32768, dtype=np.float32)
