"""What Codec 2 and LC3 share: frames of fixed length in, packets of fixed size out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

import numpy as np
from annotated_types import Gt, Le

from snac_eval import audio
from snac_eval.codecs.checks import check_input
from snac_eval.errors import CardError, CodecError, detail
from snac_eval.registry.validation import read_options
from snac_eval.types import CodecCard, Codes, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.codecs.losses import BoolArray

Frame: TypeAlias = "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class Options:
    """What the card of such a codec says besides."""

    bit_rate: Annotated[int, Gt(0), Le(1 << 31)]
    """In bits a second."""


@dataclass(frozen=True, slots=True)
class Coder:
    """One clip's encoder and decoder."""

    frame_length: int
    """In samples."""
    delay: int
    """By how many samples the decoded audio is late."""
    packet_bits: int
    """How many bits of a packet count."""
    encode: Callable[[Frame], bytes]
    """Takes float32 ``[frame_length]`` in -1..1 and gives a packet."""
    decode: Callable[[Sequence[bytes]], Frame]
    """Takes all packets and gives float32 ``[time]``."""
    lost: Callable[[bytes], bytes]
    """Takes the last packet that came, or zeros where none did, and gives what the decoder gets for
    one that did not."""


class FramedCodec(ABC):
    """A codec that a library offers frame by frame.

    State runs from frame to frame, so every clip gets a coder of its own. The codec's delay is
    taken out of what it decodes.
    """

    name: ClassVar[str]
    """In fingerprints."""
    package: ClassVar[str]
    """The library's, whose version is in fingerprints."""

    def __init__(self, card: CodecCard) -> None:
        self._bit_rate = read_options(card, Options).bit_rate
        if problem := self._card_problem(card, self._bit_rate):
            raise CardError(f"codec card '{card.name}': {problem}")
        self.card = card
        self.device = "cpu"

    @cached_property
    def fingerprint(self) -> str:
        """Codec, rates, and the package's version."""
        library = f"{self.package}={version(self.package)}"
        return f"{self.name}:v=1:bit_rate={self._bit_rate}:rate={self.card.sample_rate}:{library}"

    def prepare(self) -> None:
        """Raises CodecError where the library refuses the card."""
        try:
            self._coder()
        except (ValueError, RuntimeError, KeyError) as error:
            raise CodecError(
                f"{self.card.name}: {self.package} refuses the card: {detail(error)}"
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

    def decode_lossy(
        self, codes: Sequence[Codes], lost: Sequence[BoolArray], seeds: Sequence[int]
    ) -> list[Waveform]:
        """As :meth:`decode`, of codes of which the packets that ``lost`` says did not arrive."""
        received = [self._received(*one) for one in zip(codes, lost, strict=True)]
        return self.decode(received, seeds)

    def frames_at(self, codes: Codes) -> tuple[float, float]:
        """When the first packet's audio begins, and how long each is, in seconds."""
        coder, rate = self._coder(), self.card.sample_rate
        return -coder.delay / rate, coder.frame_length / rate

    def _received(self, codes: Codes, lost: BoolArray) -> Codes:
        coder, packets = self._coder(), []
        last = bytes(-(-coder.packet_bits // 8))
        for packet, is_lost in zip(codes.packets, lost, strict=True):
            last = last if is_lost else packet
            packets.append(coder.lost(last) if is_lost else packet)
        return replace(codes, packets=tuple(packets))

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

    def _card_problem(self, card: CodecCard, bit_rate: int) -> str:
        return "" if card.channels == 1 else "it is mono: channels must be 1"

    @abstractmethod
    def _coder(self) -> Coder:
        """A fresh encoder and decoder."""
