"""Codec 2 and LC3: frames of fixed length in, packets of fixed size out, one library call each."""

from __future__ import annotations

import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from snac_eval import audio
from snac_eval.codecs.checks import check_input, require_extra
from snac_eval.errors import CardError, CodecError
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame = NDArray[np.float32]

_LC3_FRAME_US = 10000
# Group delay of analysis and synthesis in samples at 8 kHz: what aligns the level contours of 24
# utterances best (python -m benchmarks.codec2_delay). 700C smooths more and differs.
_CODEC2_DELAY = {700: 236, 1200: 152, 1300: 152, 1400: 152, 1600: 152, 2400: 152, 3200: 152}


def codec2(request: CodecRequest) -> FramedCodec:
    """Entry point of the codec family ``codec2``. Raises CardError where the card is wrong."""
    return Codec2(request.card)


def lc3(request: CodecRequest) -> FramedCodec:
    """Entry point of the codec family ``lc3``. Raises CardError where the card is wrong."""
    return Lc3(request.card)


class FramedCodec(ABC):
    """What both share. State runs from frame to frame, so every clip gets a coder of its own.

    Card option: ``bit_rate`` in bits a second. The codec's delay is taken out of what it decodes.
    """

    module: ClassVar[str]
    package: ClassVar[str]
    extra: ClassVar[str]

    def __init__(self, card: CodecCard) -> None:
        if problem := self._card_problem(card):
            raise CardError(f"codec card '{card.name}': {problem}")
        self.card = card
        self.device = "cpu"
        self._bit_rate = int(card.options["bit_rate"])

    @cached_property
    def fingerprint(self) -> str:
        """Codec, rates, and the package's version."""
        try:
            installed = version(self.package)
        except PackageNotFoundError:
            installed = "absent"
        rate = self.card.sample_rate
        return f"{self.extra}:v=1:bit_rate={self._bit_rate}:rate={rate}:{self.package}={installed}"

    def prepare(self) -> None:
        """Raises UsageError without the extra, CodecError where the library refuses the card."""
        require_extra(self.card, self.module, self.extra)
        try:
            self._coder()
        except (ValueError, RuntimeError, KeyError) as error:
            raise CodecError(
                f"{self.card.name}: {self.package} refuses the card: {error}"
            ) from error

    def padded_length(self, num_samples: int) -> int | None:
        """None: state runs through a clip, so that each is coded alone."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Raises CodecError for audio that is empty, not finite or of another shape or rate."""
        return [self._encode(waveform) for waveform in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Delay taken out, ``num_samples`` long. Seeds change nothing. Raises CodecError for
        packets of another codec."""
        return [self._decode(one) for one in codes]

    def _encode(self, waveform: Waveform) -> Codes:
        check_input(self.card, waveform)
        coder = self._coder()
        reach = waveform.num_samples + coder.delay
        padded = np.pad(waveform.samples[0], (0, -reach % coder.frame_length + coder.delay))
        frames = np.clip(padded, -1, 1).reshape(-1, coder.frame_length)
        packets = tuple(coder.encode(frame) for frame in frames)
        return Codes(waveform.num_samples, packets=packets, packet_bits=coder.packet_bits)

    def _decode(self, codes: Codes) -> Waveform:
        coder = self._coder()
        if {len(packet) for packet in codes.packets} != {-(-coder.packet_bits // 8)}:
            raise CodecError(f"{self.card.name}: these are not its packets; encode the clip again")
        decoded = coder.decode(codes.packets)
        trimmed = np.ascontiguousarray(decoded[None, coder.delay :], dtype=np.float32)
        return audio.fit_length(Waveform(trimmed, self.card.sample_rate), codes.num_samples)

    def _card_problem(self, card: CodecCard) -> str:
        bit_rate = card.options.get("bit_rate")
        if set(card.options) != {"bit_rate"} or not isinstance(bit_rate, int) or bit_rate <= 0:
            return f"options are {dict(card.options)}; give just bit_rate in bits a second"
        return "" if card.channels == 1 else "it is mono: channels must be 1"

    @abstractmethod
    def _coder(self) -> Coder:
        """A fresh encoder and decoder."""


class Coder:
    """One clip's encoder and decoder.

    ``encode`` takes float32 ``[frame_length]`` in -1..1 and gives a packet of which ``packet_bits``
    bits count; ``decode`` takes all packets and gives float32 ``[time]``, ``delay`` samples late.
    """

    def __init__(
        self,
        frame_length: int,
        delay: int,
        packet_bits: int,
        encode: Callable[[Frame], bytes],
        decode: Callable[[Sequence[bytes]], Frame],
    ) -> None:
        self.frame_length = frame_length
        self.delay = delay
        self.packet_bits = packet_bits
        self.encode = encode
        self.decode = decode


class Codec2(FramedCodec):
    """Codec 2 (D. Rowe), a sinusoidal vocoder for speech at 8 kHz, 700 to 3200 bit/s."""

    module, package, extra = "pycodec2", "pycodec2", "codec2"
    notes = ("decode times include the start of a process, which Codec 2 needs for each clip",)

    def _card_problem(self, card: CodecCard) -> str:
        if problem := super()._card_problem(card):
            return problem
        if card.options["bit_rate"] not in _CODEC2_DELAY:
            return f"Codec 2 has the bit rates {', '.join(map(str, _CODEC2_DELAY))}"
        return "" if card.sample_rate == 8000 else "Codec 2 works at 8000 Hz"

    def _coder(self) -> Coder:
        import pycodec2

        state = pycodec2.Codec2(self._bit_rate)

        def encode(frame: Frame) -> bytes:
            return bytes(state.encode(np.rint(frame * 32767).astype(np.int16)))

        def decode(packets: Sequence[bytes]) -> Frame:
            command = [sys.executable, "-m", "snac_eval.codecs.codec2_decoder", str(self._bit_rate)]
            done = subprocess.run(
                command, input=b"".join(packets), capture_output=True, check=False
            )
            if done.returncode:
                reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
                raise CodecError(f"{self.card.name}: its decoder failed: {reason}")
            samples = np.frombuffer(done.stdout, np.int16)
            return np.divide(samples, 32768, dtype=np.float32)

        delay, bits = _CODEC2_DELAY[self._bit_rate], state.bits_per_frame()
        return Coder(state.samples_per_frame(), delay, bits, encode, decode)


class Lc3(FramedCodec):
    """LC3, the low-complexity codec of Bluetooth LE Audio, in frames of 10 ms."""

    module, package, extra = "lc3", "lc3py", "lc3"

    def _coder(self) -> Coder:
        import lc3

        rate = self.card.sample_rate
        encoder, decoder = lc3.Encoder(_LC3_FRAME_US, rate), lc3.Decoder(_LC3_FRAME_US, rate)
        size = encoder.get_frame_bytes(self._bit_rate)

        def encode(frame: Frame) -> bytes:
            return bytes(encoder.encode(np.ascontiguousarray(frame, dtype=np.float32), size))

        def decode(packets: Sequence[bytes]) -> Frame:
            frames = [np.asarray(decoder.decode(packet), np.float32) for packet in packets]
            return np.concatenate(frames)

        length, delay = encoder.get_frame_samples(), encoder.get_delay_samples()
        return Coder(length, delay, 8 * size, encode, decode)
