"""What a channel takes away: packets that do not arrive, and bits that arrive flipped.

Losses are drawn in time, in steps of one packet (20 ms unless told otherwise), by a Markov chain of
two states, so that they come in bursts (E. N. Gilbert, BSTJ 39(5), 1960, with a bad state in which
nothing arrives). ``burst`` is the burst ratio of ITU-T G.107's E-model: the mean length of a burst
over what it is where losses are independent, ``1 / (1 - packet_loss)`` packets. 1: independent.

Every codec of a run that hears one clip loses the same moments, and all that it loses at 5 % it
loses at 10 % too: conditions differ by as little as they can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import CodecError, UsageError
from snac_eval.types import Codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.types import IntArray

    FloatArray = NDArray[np.floating[Any]]

    BoolArray = NDArray[np.bool_]

_LOSSES, _FLIPS = 1, 2
"""Part what is drawn for one clip, so that either is the same with the other and without."""
_AT_ONCE = 1 << 20
# Raised whenever other packets or bits could be hit.
VERSION = "1"
PACKET_LOSS, BIT_ERRORS = "packet_loss", "bit_errors"
DEFAULTS = {"burst": Decimal(2), "packet_ms": Decimal(20)}


@dataclass(frozen=True, slots=True)
class Channel:
    """What codes go through between encoder and decoder. Raises UsageError for what there is not.

    >>> Channel(packet_loss=Decimal("0.05")).words
    '5 % loss'
    """

    packet_loss: Decimal = Decimal(0)
    """The share of packets that do not arrive, above 0 and below 1; 0: all arrive."""
    burst: Decimal = DEFAULTS["burst"]
    """How many times as long as independent losses a burst is on average, 1 to 1000."""
    packet_ms: Decimal = DEFAULTS["packet_ms"]
    """How long a packet is, in milliseconds, 1 to 1000."""
    bit_errors: Decimal = Decimal(0)
    """The probability that a bit arrives flipped, above 0 and at most 0.5; 0: none is."""

    def __post_init__(self) -> None:
        if not 0 <= self.packet_loss < 1:
            raise UsageError(_no_share("packet_loss", self.packet_loss, "below 1", "5 % is 0.05"))
        if not 0 <= self.bit_errors <= Decimal("0.5"):
            raise UsageError(_no_share("bit_errors", self.bit_errors, "0.5", "1 % is 0.01"))
        for name in DEFAULTS:
            if not 1 <= (value := getattr(self, name)) <= 1000:
                raise UsageError(f"{name}={value}: give a number from 1 to 1000")

    @classmethod
    def of(cls, options: Mapping[str, Decimal]) -> Channel | None:
        """The channel that a name's options say; None where they say none."""
        said = {name: options[name] for name in OPTIONS if name in options}
        if not said:
            return None
        if bare := [name for name in DEFAULTS if name in said and PACKET_LOSS not in said]:
            raise UsageError(f"@{bare[0]} is of losses; say how many, such as @packet_loss=0.05")
        for name in (PACKET_LOSS, BIT_ERRORS):
            if name in said and not said[name]:
                raise UsageError(f"{name}=0 is no loss; leave it out")
        return cls(**said)

    @property
    def options(self) -> str:
        """As a model's name has them; those that are as by default are not named."""
        return "".join(f"@{name}={plain(value)}" for name, value in self._said().items())

    @property
    def words(self) -> str:
        """As a label has them."""
        return ", ".join(words_of(name, value) for name, value in self._said().items())

    def _said(self) -> dict[str, Decimal]:
        """Those that are not as by default."""
        values = {name: getattr(self, name) for name in OPTIONS}
        return {name: one for name, one in values.items() if one != DEFAULTS.get(name, 0)}

    @property
    def mean_burst(self) -> float:
        """The expected length of a burst in packets."""
        return float(self.burst / (1 - self.packet_loss))

    def lost(self, num_packets: int, seed: int) -> BoolArray:
        """Which of so many packets in a row do not arrive; more packets begin with the same."""
        rate, leave = float(self.packet_loss), 1 / self.mean_burst
        enter = leave * rate / (1 - rate)
        draws = np.random.default_rng([seed, _LOSSES]).random(num_packets)
        found, is_lost = np.zeros(num_packets, np.bool_), False
        # The first is as likely to be lost as any: its predecessor is not known.
        limit = rate
        for place, draw in enumerate(draws):
            is_lost = bool(draw < limit)
            found[place] = is_lost
            limit = 1 - leave if is_lost else enter
        return found

    def lost_frames(self, middles_s: FloatArray, seed: int) -> BoolArray:
        """Which frames do not arrive, whose audio has its middle at these seconds of the clip:
        those at whose middle a packet is lost."""
        places = np.maximum(np.floor(1000 * middles_s / float(self.packet_ms)), 0).astype(np.int64)
        found: BoolArray = self.lost(int(places.max(initial=0)) + 1, seed)[places]
        return found

    def flips(self, num_bits: int, seed: int) -> NDArray[np.int64]:
        """Which of so many bits arrive flipped: their places in order."""
        return np.concatenate([np.zeros(0, np.int64), *self._flips(num_bits, seed)])

    def _flips(self, num_bits: int, seed: int) -> Iterator[NDArray[np.int64]]:
        generator, probability = np.random.default_rng([seed, _FLIPS]), float(self.bit_errors)
        for start in range(0, num_bits, _AT_ONCE):
            draws = generator.random(min(_AT_ONCE, num_bits - start))
            yield start + np.flatnonzero(draws < probability)


OPTIONS = (PACKET_LOSS, *DEFAULTS, BIT_ERRORS)
"""Of a model's name."""


def plain(value: Decimal) -> str:
    """A number as names have it: ``0.001``, never ``1E-3``."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def words_of(name: str, value: Decimal) -> str:
    """What a label says of one option: ``5 % loss``."""
    return {
        PACKET_LOSS: f"{plain(100 * value)} % loss",
        "burst": f"burst ratio {plain(value)}",
        "packet_ms": f"packets of {plain(value)} ms",
        BIT_ERRORS: f"bit errors {plain(value)}",
    }[name]


def _no_share(name: str, value: Decimal, most: str, such: str) -> str:
    such = f"for {plain(value)} % give {plain(value / 100)}" if 1 <= value < 100 else such
    return f"{name}={value}: is no share from 0 to {most}; {such}"


def damaged(codes: Codes, channel: Channel, seed: int) -> tuple[Codes, BoolArray]:
    """The codes with bits flipped, and which packets were hit.

    The bits are those of the packets (the first ``packet_bits`` of each, the highest of a byte
    first), or those of the tokens, each an index of ``ceil(log2(codebook size))`` bits. A token
    that arrives as no index of its codebook is seen to be damaged: the one before it stands in.
    Header and side information are protected. Raises CodecError where bits are not known.
    """
    if codes.is_continuous:
        raise CodecError("no bit can be flipped: its latents are continuous numbers, not bits")
    if codes.packets:
        return _damaged_packets(codes, channel, seed)
    return _damaged_tokens(codes, channel, seed), np.zeros(0, np.bool_)


def _damaged_packets(codes: Codes, channel: Channel, seed: int) -> tuple[Codes, BoolArray]:
    lengths = np.array([len(packet) for packet in codes.packets], np.int64)
    bits = np.full(len(lengths), codes.packet_bits) if codes.packet_bits else 8 * lengths
    ends = np.cumsum(bits)
    flips = channel.flips(int(ends[-1]), seed)
    packets = np.searchsorted(ends, flips, "right")
    places = flips - (ends - bits)[packets]
    payload = np.frombuffer(b"".join(codes.packets), np.uint8).copy()
    starts = np.cumsum(lengths) - lengths
    np.bitwise_xor.at(payload, starts[packets] + places // 8, (128 >> places % 8).astype(np.uint8))
    hit = np.zeros(len(lengths), np.bool_)
    hit[packets] = True
    parts = [payload[a : a + n].tobytes() for a, n in zip(starts, lengths, strict=True)]
    return replace(codes, packets=tuple(parts)), hit


def _damaged_tokens(codes: Codes, channel: Channel, seed: int) -> Codes:
    if not codes.streams or 0 in codes.codebook_sizes:
        why = "does not say how large its codebooks are; declare codebook_size"
        raise CodecError(f"no bit can be flipped: it {why if codes.streams else 'sends no codes'}")
    widths = [max(1, (size - 1).bit_length()) for size in codes.codebook_sizes]
    counts = [s.size * width for s, width in zip(codes.streams, widths, strict=True)]
    flips = channel.flips(sum(counts), seed)
    streams, start = [], 0
    for stream, size, width, count in zip(
        codes.streams, codes.codebook_sizes, widths, counts, strict=True
    ):
        mine = flips[(flips >= start) & (flips < start + count)] - start
        start += count
        found = stream.astype(np.int64)
        np.bitwise_xor.at(found, mine // width, np.int64(1) << (width - 1 - mine % width))
        streams.append(repeated(found.astype(stream.dtype), found >= size))
    return replace(codes, streams=tuple(streams))


def repeated(stream: IntArray, is_lost: BoolArray) -> IntArray:
    """The stream with the last token that came in place of each lost one; before any came, 0."""
    last = np.maximum.accumulate(np.where(is_lost, -1, np.arange(stream.size)))
    found: IntArray = np.where(last >= 0, stream[np.maximum(last, 0)], 0).astype(stream.dtype)
    return found


def without_frames(codes: Codes, is_lost: BoolArray) -> Codes:
    """The codes of which whole frames are lost, and repeated: a frame is a token of the slowest
    stream and what lies beside it in the others."""
    return replace(
        codes,
        streams=tuple(
            repeated(stream, is_lost[np.arange(stream.size) * is_lost.size // stream.size])
            if stream.size
            else stream
            for stream in codes.streams
        ),
    )


def num_frames(codes: Codes) -> int:
    """How many frames of tokens there are."""
    return min((stream.size for stream in codes.streams if stream.size), default=0)


def muted(samples: NDArray[Any], places: Sequence[tuple[float, float]], rate: int) -> NDArray[Any]:
    """Samples ``[channels, time]`` with silence from one second to another."""
    found = samples.copy()
    for start, end in places:
        found[:, round(start * rate) : round(end * rate)] = 0
    return found
