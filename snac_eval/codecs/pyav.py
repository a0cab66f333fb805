"""Opus, MP3, AAC and AMR-NB through the FFmpeg libraries that PyAV's wheels carry.

Codes hold the encoder's raw packets, without a container: their bytes are the payload, exactly.
The header is not counted. It holds the delay in samples that decoding leaves in front (unsigned
32-bit, little-endian), then the codec's own set-up data (OpusHead of RFC 7845, AAC's
AudioSpecificConfig; for AMR the byte in front of each frame of RFC 4867, which names the mode that
never changes here). Decoding uses nothing but packets, header and card.

What Opus's layers are late or early by besides is taken out as well: see
:mod:`snac_eval.codecs.opus_layers`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import numpy as np
from annotated_types import Gt, Le

from snac_eval import audio
from snac_eval.codecs import opus, opus_layers
from snac_eval.codecs.bitrates import with_bit_rate
from snac_eval.codecs.checks import check_input
from snac_eval.codecs.concealing import Receiver
from snac_eval.errors import CardError, CodecError, detail
from snac_eval.registry.validation import read_options
from snac_eval.types import Codec, CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame
    from av.packet import Packet
    from numpy.typing import NDArray

    from snac_eval.codecs.losses import BoolArray

_DELAY = struct.Struct("<I")
# Frame type 15 of RFC 4867, with its bit of quality set.
_AMR_NO_DATA = bytes([15 << 3 | 4])
_LAYOUTS = {1: "mono", 2: "stereo"}
Encoder = Literal["libopus", "libmp3lame", "aac", "libopencore_amrnb"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the card of an FFmpeg codec says besides."""

    encoder: Encoder
    """FFmpeg's name of it."""
    bit_rate: Annotated[int, Gt(0), Le(1 << 31)]
    """In bits a second."""
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    """What else FFmpeg's encoder understands: ``ffmpeg -h encoder=libopus``."""


@dataclass(frozen=True, slots=True)
class _Format:
    """How FFmpeg handles one codec."""

    decoder: str
    sample_format: str
    trims_delay: bool = False
    """Whether its decoder drops the delay by itself, as OpusHead tells it to."""
    output_rate: int = 0
    """In Hz; 0: the encoder's own."""
    decoder_options: Mapping[str, str] = field(default_factory=dict)
    delay: int | None = None
    """In samples, where the encoder tells a wrong one."""
    delay_left: float = 0.0
    """What measurement finds when that is taken out, in samples (``snac-eval validate``)."""
    frame_s: float = 0.0
    """Seconds of a packet whose last byte is not full."""
    prefix: int = 0
    """How many bytes in front of each packet are all alike, and go into the header."""
    version: int = 1
    """Of what this module does with it; part of the codec's identity."""
    frame_length: int = 0
    """Of a packet in samples; 0: the packet says it."""
    conceals: str = "lost packets, and those that FFmpeg refuses, are silence"
    concealer: str = ""
    """The decoder that conceals; empty: the same."""
    stand_ins: Callable[[bytes], Sequence[bytes]] = lambda _: ()
    """What the decoder gets for a lost packet, given the last that came; nothing: it is silence."""


_FORMATS: dict[Encoder, _Format] = {
    "libopus": _Format(
        "libopus",
        "flt",
        True,
        opus_layers.RATE,
        {"request_sample_fmt": "flt"},
        version=3,
        conceals="libopus conceals lost packets, and those that it refuses",
        stand_ins=opus.stand_ins,
    ),
    "libmp3lame": _Format("mp3float", "fltp", frame_length=576),
    "aac": _Format("aac", "fltp", frame_length=1024),
    # FFmpeg says 50 samples, cross-correlation 40, at every rate: the 5 ms that it looks ahead. Its
    # high-pass filters turn speech ahead by a little more.
    "libopencore_amrnb": _Format(
        "amrnb",
        "s16",
        delay=40,
        delay_left=-0.05,
        frame_s=0.02,
        prefix=1,
        frame_length=160,
        conceals="opencore-amr conceals lost packets; FFmpeg's own decoder, which decodes without"
        " losses, cannot",
        concealer="libopencore_amrnb",
        stand_ins=lambda _: (_AMR_NO_DATA,),
    ),
}

# What each encoder really sends: outside of these, FFmpeg or the encoder takes another rate without
# a word. MP3 is that of 16 to 24 kHz (MPEG-2), as the cards are.
_RATES: dict[Encoder, Sequence[int]] = {
    "libopus": range(6000, 256001),
    "libmp3lame": [1000 * kbps for kbps in (*range(8, 65, 8), *range(80, 161, 16))],
    "aac": range(12000, 96001),
    "libopencore_amrnb": [4750, 5150, 5900, 6700, 7400, 7950, 10200, 12200],
}

# Below, a frame of MP3 is half as long.
_MPEG_1_RATE = 32000


def load(request: CodecRequest) -> Codec:
    """The codec of a card. Raises CardError when its options make no sense."""
    return PyavCodec(request.card)


def at_bitrate(card: CodecCard, bit_rate: int) -> CodecCard:
    """The card at another rate in bits a second. Raises UsageError for one that its encoder does
    not keep to."""
    return with_bit_rate(card, bit_rate, _RATES[read_options(card, Options).encoder])


class PyavCodec:
    """An FFmpeg codec at one bitrate; each clip gets an encoder and a decoder of its own."""

    def __init__(self, card: CodecCard) -> None:
        if card.channels not in _LAYOUTS or card.sample_rate <= 0:
            raise CardError(
                f"codec card '{card.name}': channels must be 1 or 2, and sample_rate above 0"
            )
        self.card = card
        self.device = "cpu"
        self._options = read_options(card, Options)
        self._format = _FORMATS[self._options.encoder]
        self.fingerprint = self._identity()

    def prepare(self) -> None:
        """Raises CodecError when FFmpeg lacks the codec or refuses the card's settings, CardError
        when it does not know one of ``encoder_options``."""
        self._open_encoder()
        self._open_decoder(b"")

    @property
    def delay_samples(self) -> float:
        """What is left when the delay is taken out."""
        if self._options.encoder_options.get("application") == "voip":
            return round(opus_layers.HIGH_PASS_LATE * self.card.sample_rate / opus_layers.RATE, 2)
        return self._format.delay_left

    def padded_length(self, num_samples: int) -> int | None:
        """None: FFmpeg's codecs take one clip at a time."""
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Raises CodecError for audio that is empty, not finite or of another shape or rate."""
        return [self._encode(waveform) for waveform in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Delay taken out, ``num_samples`` long. Seeds change nothing. Raises CodecError for
        packets that cannot be decoded."""
        return [self._decode(one) for one in codes]

    def decode_lossy(
        self, codes: Sequence[Codes], lost: Sequence[BoolArray], seeds: Sequence[int]
    ) -> list[Waveform]:
        """As :meth:`decode`, of codes of which the packets that ``lost`` says did not arrive."""
        return [self._decode(*one) for one in zip(codes, lost, strict=True)]

    @property
    def conceals(self) -> str:
        """What stands in for lost packets."""
        return self._format.conceals

    def frames_at(self, codes: Codes) -> tuple[float, float]:
        """When the first packet's audio begins, and how long each is, in seconds."""
        rate, delay = self._output_rate, _DELAY.unpack_from(codes.header)[0]
        if self._format.trims_delay:
            delay = opus.pre_skip(codes.header[_DELAY.size :])
        return -delay / rate, self._frame_length(codes.packets) / rate

    def _encode(self, waveform: Waveform) -> Codes:
        from av.error import FFmpegError

        check_input(self.card, waveform)
        context = self._open_encoder()
        try:
            packets = [
                packet
                for frame in (*self._frames(waveform, context.frame_size), None)
                for packet in context.encode(frame)
                if packet.size
            ]
        except FFmpegError as error:
            raise self._failure("cannot encode this clip", error) from error
        prefix = self._format.prefix
        delay = 0 if self._format.trims_delay else self._delay(packets)
        header = _DELAY.pack(delay) + (context.extradata or b"") + bytes(packets[0])[:prefix]
        return Codes(
            waveform.num_samples,
            packets=tuple(bytes(packet)[prefix:] for packet in packets),
            packet_bits=round(self._format.frame_s * self._options.bit_rate),
            header=header,
        )

    def _delay(self, packets: Sequence[Packet[Any]]) -> int:
        if self._format.delay is not None:
            return self._format.delay
        if not packets or packets[0].pts is None:
            raise CodecError(f"{self.card.name}: the encoder gave no time stamp; update PyAV")
        return -packets[0].pts

    def _frames(self, waveform: Waveform, frame_size: int) -> Iterator[AudioFrame]:
        from av.audio.frame import AudioFrame

        planar = self._format.sample_format.endswith("p")
        for start in range(0, waveform.num_samples, frame_size):
            block = waveform.samples[:, start : start + frame_size]
            block = block if planar else block.T.reshape(1, -1)
            frame = AudioFrame.from_ndarray(
                _as_int16(block) if self._format.sample_format == "s16" else _as_float(block),
                format=self._format.sample_format,
                layout=_LAYOUTS[self.card.channels],
            )
            frame.sample_rate = waveform.sample_rate
            frame.pts = start
            frame.time_base = Fraction(1, waveform.sample_rate)
            yield frame

    def _decode(self, codes: Codes, lost: BoolArray | None = None) -> Waveform:
        if len(codes.header) < _DELAY.size:
            raise CodecError(f"{self.card.name}: codes have no header; encode the clip again")
        (delay,) = _DELAY.unpack_from(codes.header)
        setup = codes.header[_DELAY.size :]
        came: Sequence[bytes] = codes.packets
        if lost is None:
            samples = self._decode_packets(codes.packets, setup)
        else:
            samples = self._conceal(codes.packets, setup, lost)
            came = [b"" if gone else one for one, gone in zip(codes.packets, lost, strict=True)]
        if self._options.encoder == "libopus":
            lates = opus_layers.late_by(came, self.card.sample_rate)
            length, skipped = self._frame_length(codes.packets), opus.pre_skip(setup)
            samples = opus_layers.in_time(samples, lates, length, skipped)
        decoded = Waveform(np.ascontiguousarray(samples[:, delay:]), self._output_rate)
        return audio.fit_length(audio.resample(decoded, self.card.sample_rate), codes.num_samples)

    def _decode_packets(self, packets: Sequence[bytes], extradata: bytes) -> np.ndarray[Any, Any]:
        from av.error import FFmpegError
        from av.packet import Packet

        start = len(extradata) - self._format.prefix
        extradata, prefix = extradata[:start], extradata[start:]
        context = self._open_decoder(extradata)
        try:
            frames = [f for data in packets for f in context.decode(Packet(prefix + data))]
            frames += context.decode(None)
        except FFmpegError as error:
            raise self._failure("cannot decode these packets", error) from error
        if not frames:
            raise CodecError(f"{self.card.name}: the packets hold no audio; encode the clip again")
        return np.concatenate([self._planes(frame) for frame in frames], axis=1)

    def _conceal(
        self, packets: Sequence[bytes], extradata: bytes, lost: BoolArray
    ) -> np.ndarray[Any, Any]:
        from av.error import FFmpegError
        from av.packet import Packet

        start = len(extradata) - self._format.prefix
        extradata, prefix = extradata[:start], extradata[start:]
        context = self._open_decoder(extradata, self._format.concealer)

        def decode(given: Sequence[bytes]) -> np.ndarray[Any, Any] | None:
            try:
                frames = [f for data in given for f in context.decode(Packet(data))]
            except FFmpegError:
                return None
            blocks = [self._planes(frame) for frame in frames]
            # A damaged header may say stereo.
            if {len(one) for one in blocks} != {self.card.channels}:
                return None
            whole = np.concatenate(blocks, axis=1)
            return whole / np.float32(32768) if whole.dtype == np.int16 else whole

        skipped = opus.pre_skip(extradata) if self._format.trims_delay else 0
        length, channels = self._frame_length(packets), self.card.channels
        receiver = Receiver(decode, self._format.stand_ins, channels, length, skipped)
        return receiver.receive([prefix + data for data in packets], lost)

    def _frame_length(self, packets: Sequence[bytes]) -> int:
        """Of a packet in samples at the rate that comes out."""
        if self._options.encoder == "libmp3lame" and self.card.sample_rate >= _MPEG_1_RATE:
            return 2 * self._format.frame_length
        return self._format.frame_length or opus.num_samples(packets)

    @property
    def _output_rate(self) -> int:
        return self._format.output_rate or self.card.sample_rate

    def _planes(self, frame: AudioFrame) -> np.ndarray[Any, Any]:
        block = frame.to_ndarray()
        return block if frame.format.is_planar else block.reshape(-1, self.card.channels).T

    def _open_encoder(self) -> AudioCodecContext:
        context = self._create(self._options.encoder, "w", self.card.sample_rate)
        context.format = self._format.sample_format
        context.bit_rate = self._options.bit_rate
        context.time_base = Fraction(1, self.card.sample_rate)
        context.options = dict(self._options.encoder_options)
        self._open(context)
        # FFmpeg takes the options that it knows out of the table, and ignores the rest in silence.
        if unknown := sorted(context.options):
            raise CardError(
                f"codec card '{self.card.name}': {self._options.encoder} knows no encoder option"
                f" '{unknown[0]}'; see: ffmpeg -h encoder={self._options.encoder}"
            )
        return context

    def _open_decoder(self, extradata: bytes, other: str = "") -> AudioCodecContext:
        context = self._create(other or self._format.decoder, "r", self._output_rate)
        if extradata:
            context.extradata = extradata
        context.options = dict(self._format.decoder_options)
        self._open(context)
        return context

    def _create(self, name: str, mode: Literal["r", "w"], sample_rate: int) -> AudioCodecContext:
        from av.codec.codec import UnknownCodecError
        from av.codec.context import CodecContext

        try:
            context = cast("AudioCodecContext", CodecContext.create(name, mode))
        except UnknownCodecError as error:
            raise CodecError(
                f"{self.card.name}: this FFmpeg has no '{name}'; install PyAV from its wheel"
            ) from error
        context.sample_rate = sample_rate
        context.layout = _LAYOUTS[self.card.channels]
        return context

    def _open(self, context: AudioCodecContext) -> None:
        from av.error import FFmpegError

        try:
            context.open()
        except FFmpegError as error:
            raise self._failure("FFmpeg refuses these settings", error) from error

    def _failure(self, what: str, error: Exception) -> CodecError:
        return CodecError(f"{self.card.name}: {what}: {detail(error)}; check the card's options")

    def _identity(self) -> str:
        import av

        given = self._options
        options = ",".join(
            f"{key}={given.encoder_options[key]}" for key in sorted(given.encoder_options)
        )
        avcodec = ".".join(str(part) for part in av.library_versions["libavcodec"])
        return (
            f"pyav:v={self._format.version}:encoder={given.encoder}:bit_rate={given.bit_rate}:options={options}"
            f":rate={self.card.sample_rate}:channels={self.card.channels}:resampler={audio.RESAMPLER}"
            f":av={av.__version__}:ffmpeg={av.ffmpeg_version_info}:libavcodec={avcodec}"
        )


def _as_float(block: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(block, dtype=np.float32)


def _as_int16(block: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.rint(np.clip(block, -1, 1) * 32767).astype(np.int16)
