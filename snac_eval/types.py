"""The shapes that travel from dataset to report.

A :class:`Clip` is read into a :class:`Waveform`, a :class:`Codec` turns it into :class:`Codes` and
back, the two waveforms form a :class:`Reconstruction`, each :class:`Metric` makes a :class:`Score`.
Arrays are NumPy: they travel to worker processes, and the copy to the host synchronises a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from annotated_types import Ge, Gt, Le, Lt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snac_eval.locations import Location

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int32]

Domain = Literal["speech", "music", "general"]
DOMAINS: tuple[Domain, ...] = ("speech", "music", "general")
Status = Literal["ok", "undefined", "error"]
ReferenceRate = Literal["clip", "codec"]
Channels = Literal["downmix", "each"]
MetricKind = Literal["audio", "codes", "codec", "corpus"]
Count = Annotated[int, Ge(0), Le(1 << 31)]
CodebookSize = Annotated[int, Gt(1), Le(1 << 31)]
Rate = Annotated[float, Gt(0), Lt(math.inf)]
"""How often a second, finite."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Audio in memory: ``samples`` is float32 ``[channels, time]``, full scale at -1..1;
    ``sample_rate`` is in Hz."""

    samples: FloatArray
    sample_rate: int

    @property
    def num_channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def num_samples(self) -> int:
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        return self.num_samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class Clip:
    """One piece of audio of a dataset, not yet read.

    A loader gives id, paths and what its lists say, :func:`snac_eval.audio.inspect` the rest.
    ``sha256`` is of content and excerpt; ``relative_path``, below the dataset's root, finds
    reconstructions; ``problem`` says why it cannot be read, ``remarks`` what is odd where it can.
    """

    id: str
    path: Location
    relative_path: str
    sha256: str = ""
    duration_s: float = 0.0
    sample_rate: int = 0
    num_channels: int = 1
    domain: Domain = "general"
    speaker: str = ""
    transcript: str = ""
    start_s: float = 0.0
    length_s: float | None = None
    problem: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """What a corpus is: ``datasets/*.toml``. ``cite`` as in CodecCard."""

    name: str
    loader: str
    description: str
    licence: str
    citation: str
    cite: str = ""
    url: str = ""
    domain: Domain = "general"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """What the user asked of a loader: ``librispeech:test-clean`` has argument ``test-clean``.

    ``first`` bounds how many clips a loader fetches that cannot list without fetching; 0: all.
    """

    card: DatasetCard
    argument: str = ""
    data_root: Path | None = None
    show_progress: bool = False
    first: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """Clips in a stable order; ``name`` is what reports call it (``librispeech:test-clean``),
    ``notes`` are what a reader of the numbers must know: clips missing, nothing to verify by."""

    name: str
    card: DatasetCard
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Codes:
    """What a codec emits for one clip.

    Token codecs fill ``streams``: integer arrays ``[T_k]``, coarse to fine, of different lengths
    where the codec is multi-scale, with the ``codebook_sizes`` they index (0: unknown). Bit-stream
    codecs fill ``packets`` with the exact payload bytes instead; ``packet_bits`` is how many bits
    of each are sent where its last byte is not full, else 0. ``side_info`` is sent per clip and
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

    @property
    def num_tokens(self) -> int:
        return sum(int(stream.size) for stream in self.streams)

    @property
    def num_bits(self) -> float:
        """Bits really emitted, with padding; fractional for odd codebooks, NaN for unknown ones."""
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
    """

    name: str
    family: str
    description: str
    sample_rate: Count
    channels: Count = 1
    nominal_bitrate_bps: Rate = math.nan
    codebook_sizes: tuple[CodebookSize, ...] = ()
    frame_rates_hz: tuple[Rate, ...] = ()
    weights: str = ""
    revision: str = ""
    sha256: str = ""
    licence: str = ""
    citation: str = ""
    cite: str = ""
    label: str = ""
    series: str = ""
    domains: tuple[Domain, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CodecRequest:
    """What the user asked of a codec: ``files:DIR`` has argument ``DIR``.

    ``weights`` overrides the card's; ``device`` is ``cpu``, ``cuda`` or ``mps``, never ``auto``;
    ``num_threads`` bounds CPU threads (0: the library's default). ``num_streams`` is how many
    streams the card was cut down to (``NAME@k=2``), 0 where it was not.
    """

    card: CodecCard
    argument: str = ""
    weights: str = ""
    device: str = "cpu"
    num_threads: int = 0
    num_streams: int = 0


class Codec(Protocol):
    """A codec that is ready to be asked. Constructing one is cheap; ``prepare`` loads weights.

    An adapter may have more than what follows; :mod:`snac_eval.codecs.abilities` says what, and
    :mod:`snac_eval.codecs.opening` alone looks for it.
    """

    card: CodecCard
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
        """Waveforms of exactly ``num_samples`` each; ``seeds[i]`` seeds whatever item i draws."""


class ReconstructionSource(Protocol):
    """Reconstructions that some other program already made: read, never encoded."""

    card: CodecCard
    device: str

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
    decode_s: float = math.nan


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A clip before and after the codec: ``reference`` is the clip at its own sample rate (or the
    codec's, if the run says so), ``estimate`` the codec's output at the codec's rate, trimmed to
    the clip's length."""

    clip: Clip
    reference: Waveform
    estimate: Waveform
    codes: Codes | None = None
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True)
class Score:
    """A value and what must be known of it, or the reason why there is none. Never a sentinel.

    ``detail`` is what a metric of all clips keeps of one, without a value, or found of each stream.
    ``weight``, above 0, is how much the clip counts in a mean (:attr:`MetricInfo.weighted_by`).
    """

    value: float | None
    status: Status = "ok"
    reason: str = ""
    detail: bytes = b""
    weight: float = 1.0

    @classmethod
    def ok(cls, value: float, weight: float = 1.0) -> Score:
        """A finite value; anything else is an error of the metric and is reported as one."""
        if not math.isfinite(value):
            return cls(None, "error", f"the metric returned {value}")
        return cls(float(value), weight=float(weight))

    @classmethod
    def partial(cls, detail: bytes) -> Score:
        """One clip's part of a score that all clips have together."""
        return cls(None, detail=detail)

    @classmethod
    def undefined(cls, reason: str) -> Score:
        """The metric has no meaning for this pair (silence, too short, other domain)."""
        return cls(None, "undefined", reason)

    @classmethod
    def error(cls, reason: str) -> Score:
        """Something failed that should not have."""
        return cls(None, "error", reason)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identity of a metric's numbers: only numbers of equal fingerprints are compared.

    ``parts``: name, package versions, settings (``mode=wb``). Files join them by semicolons.
    """

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ";".join(self.parts)

    def extended(self, **settings: object) -> Fingerprint:
        """This identity under further settings."""
        return Fingerprint((*self.parts, *(f"{key}={value}" for key, value in settings.items())))

    def difference(self, other: Fingerprint) -> str:
        """The parts in which two fingerprints differ, for people."""
        sides = ((self.parts, other.parts), (other.parts, self.parts))
        only = ["; ".join(part for part in mine if part not in theirs) for mine, theirs in sides]
        return " against ".join(one or "nothing" for one in only)


class Heading:
    """How tables and plots write what has a name, a unit and a better side."""

    __slots__ = ()
    name: str
    unit: str
    higher_is_better: bool | None

    @property
    def heading(self) -> str:
        """``si_sdr [dB] ↑``: name, unit and an arrow towards better."""
        return " ".join(filter(None, (self.name, self.unit_text, self.arrow)))

    @property
    def unit_text(self) -> str:
        """``[MOS]``; empty where there is no unit."""
        return f"[{self.unit}]" if self.unit else ""

    @property
    def arrow(self) -> str:
        """``↑`` where higher is better, ``↓`` where lower is, empty where neither."""
        return {True: "↑", False: "↓", None: ""}[self.higher_is_better]


@dataclass(frozen=True, slots=True)
class MetricInfo(Heading):
    """What a metric's numbers mean."""

    name: str
    description: str
    unit: str
    higher_is_better: bool | None
    """None where neither direction is better (bitrate, delay)."""
    value_range: tuple[float, float]
    """What values can take."""
    domains: frozenset[Domain]
    sample_rate: int | None
    """The rate in Hz that both sides are resampled to; None: the reference's own."""
    fingerprint: Fingerprint
    kind: MetricKind = "audio"
    """What it scores: a clip's audio, a clip's codes, a clip with the codec's help, or the corpus:
    all clips together."""
    corpus_of: Literal["codes", "tokens", "audio"] = "codes"
    """What a metric of kind corpus looks at: how often tokens occur, in which order, or audio."""
    speed: Literal["", "run", "bench"] = ""
    """Set where it measures the machine too: in a run, in passing, or in a bench, alone."""
    floor: float | None = None
    """A clip whose score is worse than this is a catastrophe; None where no value says so."""
    ranked: bool = True
    """False where it is shown but decides nothing unless it is asked for by name."""
    weighted_by: str = ""
    """What clips' weights count (``words``): the mean is pooled over it. Empty: all count alike."""

    @property
    def is_quality(self) -> bool:
        """Whether it says how good a codec is: it has a better direction and is no speed."""
        return self.higher_is_better is not None and not self.speed and self.ranked


class Metric(Protocol):
    """What every metric has; :mod:`snac_eval.metrics.opening` has what each kind does."""

    info: MetricInfo
