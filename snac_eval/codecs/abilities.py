"""An opened codec and what it can do beside encode and decode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from snac_eval.types import Clip, Codec, CodecCard, Codes, ReconstructionSource, Waveform

if TYPE_CHECKING:
    from snac_eval.types import FloatArray


class Away(Protocol):
    """What is asked of a codec that runs in another interpreter, and known here of all others."""

    def interpreter(self) -> Mapping[str, Any]:
        """Its Python: version, path, versions of NumPy and torch."""

    def num_parameters(self) -> int | None:
        """How many it runs with, once it is prepared; None where it has no torch module."""

    def counted(self) -> float:
        """Operations of every ``whole_pass`` since this was last asked; NaN: no torch model."""

    def memory_mib(self) -> tuple[float, float, float]:
        """MiB of its process: the peak, its size now, and what a GPU held of it at most."""


@dataclass(frozen=True, slots=True)
class OpenCodec:
    """A codec or a source of reconstructions, with what else it can do.

    :func:`snac_eval.codecs.opening.open_model` makes it, and nothing else asks an adapter what it
    can do. A codec around a codec (:mod:`~snac_eval.codecs.generations`,
    :mod:`~snac_eval.codecs.channels`) replaces ``coder`` and keeps the rest. In brackets stands the
    adapter's own attribute, which it need not have.
    """

    coder: Codec | None = None
    """The codec; None where reconstructions are read from files."""
    source: ReconstructionSource | None = None
    """Where reconstructions are read from; None for a codec. One of the two is there."""
    drops_streams: bool = False
    """Whether it emits and decodes no more streams than its request's card has, so that
    ``NAME@k=2`` works (``can_drop_streams``)."""
    imports: tuple[str, ...] = ()
    """Modules that preparing and using it loads, its own among them (``imports``)."""
    card_parameters: Callable[[], int | None] = lambda: None
    """How many parameters the model has by its card, which needs no weights; None where the card
    does not say (``card_parameters``)."""
    delay_samples: Callable[[], float] = float
    """Samples at the rate that comes out, fractions among them, by which its output is late:
    negative, early; what the adapter takes out does not count (``delay_samples``)."""
    delay_remedy: Callable[[float], str] | None = None
    """What is to be done where ``delay_samples`` should have been so many; None: the adapter is to
    be mended (``delay_remedy``)."""
    notes: Callable[[], tuple[str, ...]] = tuple
    """What a reader of its numbers must know and could not guess (``notes``)."""
    torch_modules: Callable[[], tuple[Any, ...]] = tuple
    """The torch modules that hold its weights, once it is prepared (``torch_modules``)."""
    whole_pass: Callable[[Waveform], None] | None = None
    """Encode and decode with every operation done by torch, so that it can be counted; None where
    ``encode`` and ``decode`` do so (``whole_pass``)."""
    encode_blocks: Callable[[Iterable[FloatArray]], Codes] | None = None
    """Codes of mono audio ``[1, time]`` at the card's rate as it comes in, in memory that does not
    grow with its length (``encode_blocks``)."""
    decode_blocks: Callable[[Codes, int], Iterator[FloatArray]] | None = None
    """Audio ``[1, time]`` of codes and a seed as it gets ready (``decode_blocks``)."""
    sent: Callable[[Clip, float], Codes | None] | None = None
    """The bits that a clip of so many seconds took, where a source knows them without codes; None
    for a clip that it does not know them of (``sent``)."""
    sent_by: str = ""
    """By what it knows them, ``declared`` or ``files``: part of the bitrate's fingerprint; empty
    where it does not (``sent_by``)."""
    matched: Callable[[], Mapping[str, str]] = dict
    """By a clip's relative path the file that a source found by its stem alone (``matched``)."""
    weights_sha256: Callable[[], str] = str
    """Digest of the weights in use, which the card's ``sha256`` is compared with; empty where it
    is not known (``weights_sha256``)."""
    decode_lossy: Callable[..., list[Waveform]] | None = None
    """Audio of codes of which some did not arrive, as long as if all had: takes the codes of each
    clip, which of its packets (or of its frames of tokens, one for each of the shortest stream) are
    lost, as Booleans, and a seed each. A packet that it cannot decode is lost as well. None: losses
    are concealed for it, by :mod:`~snac_eval.codecs.lossy` (``decode_lossy``)."""
    conceals: str = ""
    """What ``decode_lossy`` puts in their place: part of fingerprints, and a note (``conceals``).
    """
    frames_at: Callable[[Codes], tuple[float, float]] | None = None
    """When the audio of the first packet, or frame of tokens, begins in the clip, and how long each
    is, in seconds; None: they share the clip evenly (``frames_at``)."""
    takes_one_clip: bool = False
    """Whether clips never come in batches, however many are asked for (``takes_one_clip``)."""
    whole_clip: str = ""
    """What of it sees a clip as a whole, so that its memory grows with the clip's length; empty
    where it goes through long clips part by part (``whole_clip``)."""
    away: Away | None = None
    """The interpreter that it runs in, where that is another one (``away``)."""

    def __post_init__(self) -> None:
        if (self.coder is None) == (self.source is None):
            raise ValueError("an opened codec is either a codec or a source")

    @property
    def adapter(self) -> Codec | ReconstructionSource:
        """The codec or the source, whichever is there."""
        if self.coder is not None:
            return self.coder
        assert self.source is not None
        return self.source

    @property
    def card(self) -> CodecCard:
        """What the codec's configuration is."""
        return self.adapter.card

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda`` or ``mps``."""
        return self.adapter.device

    @property
    def fingerprint(self) -> str:
        """The adapter's own. May hash weights or ask a hub for them."""
        return self.adapter.fingerprint

    @property
    def num_parameters(self) -> int | None:
        """How many parameters it runs with, once it is prepared; None where it has no torch module
        to count them in."""
        if self.away is not None:
            return self.away.num_parameters()
        weights = {id(one): one for part in self.torch_modules() for one in part.parameters()}
        return sum(one.numel() for one in weights.values()) if weights else None

    def prepare(self) -> None:
        """Load what it needs. Raises SnacEvalError when that is impossible."""
        self.adapter.prepare()
