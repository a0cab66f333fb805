"""Codecs, what they emit, and a clip before and after one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from annotated_types import Ge, Gt, Le, Lt

from snac_eval.types.clips import Clip, Domain, Waveform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    IntArray = NDArray[np.int32]
    """Tokens of one stream."""

Count = Annotated[int, Ge(0), Le(1 << 31)]
"""A whole number of at least 0."""
CodebookSize = Annotated[int, Gt(1), Le(1 << 31)]
"""How many entries a codebook has: at least 2."""
Rate = Annotated[float, Gt(0), Lt(math.inf)]
"""How often a second, finite."""


@dataclass(frozen=True, slots=True)
class Codes:
    """What a codec emits for one clip.

    Token codecs fill ``streams``: integer arrays ``[T_k]``, coarse to fine, of different lengths
    where the codec is multi-scale, with the ``codebook_sizes`` they index (0: unknown). Bit-stream
    codecs fill ``packets`` with the exact payload bytes instead; ``packet_bits`` is how many bits
    of each are sent where its last byte is not full, else 0. A codec of continuous latents fills
    ``packets`` with the numbers of one frame each and says ``is_continuous``: they can be kept,
    but to send them would take as many bits as one likes. ``side_info`` is sent per clip and
    counted; ``header`` is fixed set-up data (an OpusHead), needed to decode and not counted.
    ``num_samples`` is the length of the input at the codec's sample rate.
    """

    num_samples: int
    streams: tuple[IntArray, ...] = ()
    codebook_sizes: tuple[int, ...] = ()
    packets: tuple[bytes, ...] = ()
    packet_bits: int = 0
    side_info: bytes = b""
    header: bytes = b""
    is_continuous: bool = False

    @property
    def num_tokens(self) -> int:
        """Of all streams together."""
        return sum(int(stream.size) for stream in self.streams)

    @property
    def num_bits(self) -> float:
        """Bits really emitted, with padding; fractional for odd codebooks, NaN for unknown ones
        and for continuous latents."""
        if self.is_continuous:
            return math.nan
        tokens = sum(
            stream.size * (math.log2(size) if size else math.nan)
            for stream, size in zip(self.streams, self.codebook_sizes, strict=True)
        )
        packets = sum(self.packet_bits or 8 * len(packet) for packet in self.packets)
        return tokens + packets + 8 * len(self.side_info)


@dataclass(frozen=True, slots=True)
class CodecCard:
    """What a codec configuration is: ``codecs/*.toml``. One card per codec *and* bitrate.

    ``sample_rate`` 0: any, ``channels`` 0: any number, ``nominal_bitrate_bps`` NaN: depends on the
    clip. ``weights`` is a hub repository or a folder below ``codecs/``, ``revision`` its commit,
    ``sha256`` the weights' digest; ``label`` is for papers, ``series`` common to a codec's rates.
    ``cite`` is a key in ``citations.bib`` beside the card; no ``domains``: audio of any kind.
    ``output_sample_rate`` 0: what comes out has ``sample_rate``. ``environment`` names what
    ``snac-eval env create`` makes of ``requirements``, in pip's words; ``python`` is an interpreter
    in which the codec runs instead.
    """

    name: str
    """The card's file name without ``.toml``."""
    family: str
    """Entry point in the group ``snac_eval.codecs``."""
    description: str
    """One line, for lists."""
    sample_rate: Count
    channels: Count = 1
    nominal_bitrate_bps: Rate = math.nan
    codebook_sizes: tuple[CodebookSize, ...] = ()
    """Entries of each stream's codebook, coarse to fine; empty for codecs of packets."""
    frame_rates_hz: tuple[Rate, ...] = ()
    """Tokens a second of each stream, as many as there are sizes."""
    weights: str = ""
    revision: str = ""
    sha256: str = ""
    licence: str = ""
    """Of code and weights."""
    citation: str = ""
    """The paper, in words."""
    cite: str = ""
    label: str = ""
    series: str = ""
    domains: tuple[Domain, ...] = ()
    output_sample_rate: Count = 0
    environment: str = ""
    requirements: tuple[str, ...] = ()
    python: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What its family reads beside."""

    @property
    def decoded_rate(self) -> int:
        """The rate in Hz at which audio comes out; 0: that of what went in."""
        return self.output_sample_rate or self.sample_rate

    def decoded_length(self, num_samples: int) -> int:
        """Samples that come out of so many that go in, rounded up."""
        if not self.output_sample_rate:
            return num_samples
        return -(-num_samples * self.output_sample_rate // self.sample_rate)


@dataclass(frozen=True, slots=True)
class CodecRequest:
    """What the user asked of a codec: ``files:DIR`` has argument ``DIR``.

    ``weights`` overrides the card's; ``device`` is ``cpu``, ``cuda`` or ``mps``, never ``auto``;
    ``num_threads`` bounds CPU threads (0: the library's default). ``num_streams`` is how many
    streams the card was cut down to (``NAME@k=2``), 0 where it was not. ``python`` is the
    interpreter that it is to run in, empty: this one.
    """

    card: CodecCard
    """Of the codec, cut down to ``num_streams`` already."""
    argument: str = ""
    """What stands behind the colon; empty: nothing."""
    weights: str = ""
    device: str = "cpu"
    num_threads: int = 0
    num_streams: int = 0
    python: str = ""


class Codec(Protocol):
    """A codec that is ready to be asked. Constructing one is cheap; ``prepare`` loads weights.

    An adapter may have more than what follows; :mod:`snac_eval.codecs.abilities` says what, and
    :mod:`snac_eval.codecs.opening` alone looks for it.
    """

    card: CodecCard
    """What it was made by."""
    device: str
    """Where it computes: ``cpu``, ``cuda`` or ``mps``."""

    @property
    def fingerprint(self) -> str:
        """Implementation, configuration and weights: equal fingerprints give equal codes."""

    def prepare(self) -> None:
        """Load what encode and decode need. Raises SnacEvalError when that is impossible."""

    def padded_length(self, num_samples: int) -> int | None:
        """Samples that a clip is padded to inside the codec; clips of whatever length batch, and
        what else is in the batch changes no code. None: the codec takes one clip at a time."""

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of each waveform, which is at the card's sample rate and channel count."""

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Waveforms at the card's ``decoded_rate``, as long as ``decoded_length`` says: exactly
        ``num_samples`` each, where the same rate comes out. ``seeds[i]`` seeds whatever item i
        draws."""


class ReconstructionSource(Protocol):
    """Reconstructions that some other program already made: read, never encoded."""

    card: CodecCard
    """What it was made by."""
    device: str
    """``cpu``: reading needs no other."""

    @property
    def fingerprint(self) -> str:
        """What reads them, and its version."""

    def prepare(self) -> None:
        """Check that the source exists. Raises SnacEvalError when it does not."""

    def identity(self, clip: Clip) -> str:
        """Digest of this clip's reconstruction: a changed file is scored anew. Empty: none."""

    def read(self, clip: Clip) -> Waveform:
        """The reconstruction of this clip. Raises AudioError where there is none."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall-clock seconds that this clip took, its share where clips were batched; NaN: unknown."""

    encode_s: float = math.nan
    """Seconds of encoding."""
    decode_s: float = math.nan
    """Seconds of decoding."""


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A clip before and after the codec: ``reference`` is the clip at its own sample rate (or the
    codec's, if the run says so), ``estimate`` the codec's output at the codec's rate, trimmed to
    the clip's length."""

    clip: Clip
    """What the dataset says of it."""
    reference: Waveform
    estimate: Waveform
    codes: Codes | None = None
    """What the codec emitted; None where reconstructions are read from files."""
    timing: Timing = field(default_factory=Timing)
    """How long that took."""
