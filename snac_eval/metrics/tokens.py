"""What the order of a codec's tokens tells: how well the next can be guessed from those before.

For builders of models of speech: from stored codes alone, over all clips of a dataset together.
Figures are in bits a token, or in percent of the bits sent, and neither side is better: what can be
guessed costs a model little and carries little.

- ``ngram_entropy`` (``@n=3``; 2 by default): entropy in bits of a token where the ``n - 1`` before
  it in its stream are known, mean over streams: that of n-grams less that of their first n - 1
  tokens, each by the estimate of :mod:`snac_eval.metrics.estimates`. ``@n=1`` is the entropy that
  ``bitrate_entropy`` is made of.
- ``token_compressibility``: percent of the bits sent that xz (LZMA2, from Python) saves where each
  stream is compressed for itself, clip after clip; 0 where it saves none. Repeats far apart show
  here and not in n-grams.
- ``stream_mutual_information``: bits that a token tells of the one that the next finer stream has
  at the same time, mean over neighbours. Streams of unlike rates meet by time: each token of the
  faster one with the token of the other in whose span its middle lies. Counts of pairs always look
  dependent where they are few, so that what the same clips give with one side shuffled in time is
  taken off. What a clip as a whole has in common (its speaker) is taken off with it.

From few tokens n-gram entropy and mutual information are far off, mostly too low. A score says so
where less than :data:`~snac_eval.metrics.codebook.FEW` of what would follow had occurred. Of very
many tokens the first 16 million are counted, so that memory has a bound.
"""

from __future__ import annotations

import json
import lzma
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import CodecError, UsageError
from snac_eval.metrics.base import ALL_DOMAINS, UNKNOWN_SIZES, Undefined, fingerprint
from snac_eval.metrics.codebook import FEW, NO_TOKENS
from snac_eval.metrics.estimates import coverage, entropy_bits
from snac_eval.types import Codes, MetricInfo, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.int64]

MOST_TOKENS = 1 << 24
"""Of all streams together; 16 bytes each at most are in memory, several times where none occurs
twice."""
_MOST_N = 5
_KEY_BITS = 62
_WAITING = 1 << 20
_PERCENT = 100.0


class Counts:
    """How often each of very many possible entries occurs, in memory for those that do."""

    def __init__(self) -> None:
        self._keys: Keys = np.zeros(0, np.int64)
        self._counts: Keys = np.zeros(0, np.int64)
        self._waiting: list[Keys] = []
        self._num_waiting = 0

    def add(self, keys: Keys) -> None:
        """Count these as well."""
        self._waiting.append(keys)
        self._num_waiting += keys.size
        if self._num_waiting >= _WAITING:
            self._merge()

    def found(self) -> tuple[Keys, Keys]:
        """The entries that occur, ascending, and how often each does."""
        self._merge()
        return self._keys, self._counts

    def _merge(self) -> None:
        if not self._waiting:
            return
        more, often = np.unique(np.concatenate(self._waiting), return_counts=True)
        self._keys, place = np.unique(np.concatenate([self._keys, more]), return_inverse=True)
        total = np.zeros(self._keys.size, np.int64)
        np.add.at(total, place, np.concatenate([self._counts, often]))
        self._counts, self._waiting, self._num_waiting = total, [], 0


@dataclass(frozen=True, slots=True)
class _Found:
    """What is found of one stream, or of it and its neighbour."""

    value: float
    num: int
    """From how much."""
    coverage: float = 1.0


def by_stream(score: Score) -> list[float | None]:
    """What a score of this module says of each stream, coarse to fine; None where it says nothing;
    empty for a score without a value."""
    found: list[float | None] = json.loads(score.detail) if score.detail else []
    return found


def _score(found: Sequence[_Found | None], value: float, cut: str) -> Score:
    few = [(one.coverage, index) for index, one in enumerate(found) if one and one.coverage < FEW]
    said = [cut] if cut else []
    if few:
        worst, index = min(few)
        one = found[index]
        assert one is not None
        said.append(
            f"estimated from few tokens in {len(few)} of {sum(map(bool, found))} streams: of what"
            f" would follow the {one.num} of stream {index}, {100 * worst:.0f} % had occurred"
        )
    detail = json.dumps([None if one is None else one.value for one in found])
    return Score(value, reason="; ".join(said), detail=detail.encode())


def _checked(clips: Iterable[Codes]) -> Iterator[tuple[tuple[Keys, ...], tuple[int, ...], bool]]:
    """Streams of each clip, the codebooks' sizes, and whether this is as many as are counted.

    Raises Undefined where there are no tokens or sizes, CodecError where clips disagree.
    """
    sizes: tuple[int, ...] | None = None
    num = 0
    for codes in clips:
        if not codes.streams:
            raise Undefined(NO_TOKENS)
        if not all(codes.codebook_sizes):
            raise Undefined(UNKNOWN_SIZES)
        if sizes is not None and sizes != codes.codebook_sizes:
            raise CodecError(f"clips disagree about the codebooks: {sizes}, {codes.codebook_sizes}")
        sizes = codes.codebook_sizes
        num += codes.num_tokens
        is_last = num >= MOST_TOKENS
        yield tuple(one.ravel().astype(np.int64) for one in codes.streams), sizes, is_last
        if is_last:
            return
    if not num:
        raise Undefined(NO_TOKENS)


def _cut(num_clips: int, is_cut: bool) -> str:
    return f"of the first {num_clips} clips, whose tokens are enough" if is_cut else ""


def _gathered(
    clips: Iterable[Codes], take: Callable[[tuple[Keys, ...], tuple[int, ...]], None]
) -> tuple[tuple[int, ...], str]:
    """Give each clip's streams to ``take``; the codebooks' sizes, and what was left out."""
    known: tuple[int, ...] = ()
    num_clips, is_cut = 0, False
    for streams, sizes, is_last in _checked(clips):
        take(streams, sizes)
        num_clips, known, is_cut = num_clips + 1, sizes, is_last
    return known, _cut(num_clips, is_cut)


class NgramEntropy:
    """Bits of a token where the ``n - 1`` before it are known, mean over streams."""

    papers = (
        "Shannon, Bell System Technical Journal 30, 1951; Chao, Wang and Jost 2013 (the estimate)",
    )
    traps = ("From few tokens it is far too low; the score says so.",)

    def __init__(self, n: int = 2) -> None:
        if not 1 <= n <= _MOST_N:
            raise UsageError(f"ngram_entropy@n={n}: must be 1 to {_MOST_N}")
        self._n = n
        self.info = _info(
            "ngram_entropy" if n == 2 else f"ngram_entropy@n={n}",
            "bits",
            f"entropy of a token given the {n - 1} before, mean over streams"
            if n > 1
            else "entropy of a token, mean over streams",
            (0.0, math.inf),
            fingerprint_of=("ngram_entropy", {"n": n, "estimate": "chao"}),
        )

    def score_tokens(self, clips: Iterable[Codes]) -> Score:
        """Undefined for codecs that emit packets, where clips are shorter than ``n`` tokens, and
        for codebooks of so many entries that n-grams cannot be numbered."""
        counts: list[Counts] = []

        def take(streams: tuple[Keys, ...], sizes: tuple[int, ...]) -> None:
            counts.extend(Counts() for _ in streams[len(counts) :])
            for stream, size, counted in zip(streams, sizes, counts, strict=True):
                counted.add(self._ngrams(stream, size))

        sizes, cut = _gathered(clips, take)
        found = [self._entropy(one, size) for one, size in zip(counts, sizes, strict=True)]
        return _score(found, math.fsum(one.value for one in found) / len(found), cut)

    def _ngrams(self, stream: Keys, size: int) -> Keys:
        if self._n * math.log2(size) > _KEY_BITS:
            raise Undefined(f"a codebook of {size} entries has too many {self._n}-grams")
        num = max(0, stream.size - self._n + 1)
        keys = np.zeros(num, np.int64)
        for place in range(self._n):
            keys = keys * size + stream[place : place + num]
        return keys

    def _entropy(self, counted: Counts, size: int) -> _Found:
        keys, counts = counted.found()
        if not keys.size:
            raise Undefined(f"no clip has {self._n} tokens in a stream")
        starts = np.flatnonzero(np.diff(keys // size, prepend=-1))
        before = entropy_bits(np.add.reduceat(counts, starts), float(size) ** (self._n - 1))
        value = entropy_bits(counts, float(size) ** self._n) - before
        value = min(max(0.0, value), math.log2(size))
        return _Found(value, int(counts.sum()), coverage(counts))


class TokenCompressibility:
    """Bits sent that a general compressor saves, all streams together, in percent."""

    traps = ("What one general compressor finds: a model of speech finds more.",)

    def __init__(self) -> None:
        self.info = _info(
            "token_compressibility",
            "%",
            "bits sent that xz saves, each stream for itself",
            (0.0, 100.0),
            fingerprint_of=("token_compressibility", {"by": "lzma2", "dictionary": _DICTIONARY}),
        )

    def score_tokens(self, clips: Iterable[Codes]) -> Score:
        """Undefined for codecs that emit packets."""
        packers: list[_Packer] = []

        def take(streams: tuple[Keys, ...], sizes: tuple[int, ...]) -> None:
            packers.extend(_Packer(size) for size in sizes[len(packers) :])
            for stream, packer in zip(streams, packers, strict=True):
                packer.add(stream)

        _, cut = _gathered(clips, take)
        kept = [one.kept_bits() for one in packers]
        sent = [one.sent_bits for one in packers]
        found = [
            _Found(_PERCENT * (1 - few / many) if many else 0.0, one.num)
            for few, many, one in zip(kept, sent, packers, strict=True)
        ]
        return _score(found, _PERCENT * (1 - math.fsum(kept) / math.fsum(sent)), cut)


_DICTIONARY = 1 << 22


class _Packer:
    """One stream on its way through the compressor. A token's upper bits lie at the top of its
    first byte, where LZMA looks for what to expect of the second."""

    def __init__(self, size: int) -> None:
        bits = max(1, math.ceil(math.log2(size)))
        self._bytes = next(width for width in (1, 2, 4) if bits <= 8 * width)
        self._shift = 8 * self._bytes - bits
        self._bits = math.log2(size)
        place = {1: 0, 2: 1, 4: 2}[self._bytes]
        how = {"dict_size": _DICTIONARY, "lc": 2, "lp": place, "pb": place}
        filters: list[dict[str, Any]] = [{"id": lzma.FILTER_LZMA2, "preset": 6, **how}]
        self._compressor = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=filters)
        self._num_bytes = 0
        self.num = 0

    @property
    def sent_bits(self) -> float:
        return self.num * self._bits

    def add(self, tokens: Keys) -> None:
        packed = (tokens << self._shift).astype(f">u{self._bytes}").tobytes()
        self._num_bytes += len(self._compressor.compress(packed))
        self.num += tokens.size

    def kept_bits(self) -> float:
        """What is left to send; once, at the end. What does not get shorter is sent as it is."""
        self._num_bytes += len(self._compressor.flush())
        return min(8.0 * self._num_bytes, self.sent_bits)


class StreamMutualInformation:
    """Bits that a token tells of that of the next stream at the same time, mean over neighbours."""

    traps = ("From few tokens it is far off, mostly too low; the score says so.",)

    def __init__(self) -> None:
        self.info = _info(
            "stream_mutual_information",
            "bits",
            "what a token tells of that of the next stream at the same time, mean over neighbours",
            (0.0, math.inf),
            fingerprint_of=("stream_mutual_information", {"less": "shuffled"}),
        )

    def score_tokens(self, clips: Iterable[Codes]) -> Score:
        """Undefined for codecs that emit packets, and for one stream alone."""
        pairs: list[tuple[Counts, Counts]] = []

        def take(streams: tuple[Keys, ...], sizes: tuple[int, ...]) -> None:
            if len(streams) < 2:
                raise Undefined("the codec has one stream, which has no neighbour")
            pairs.extend((Counts(), Counts()) for _ in streams[len(pairs) + 1 :])
            for index, (together, shuffled) in enumerate(pairs):
                one, other = _meet(streams[index], streams[index + 1])
                size = sizes[index + 1]
                together.add(one * size + other)
                shuffled.add(one * size + _shuffled(other))

        _, cut = _gathered(clips, take)
        found = [_dependence(*one) for one in pairs]
        value = math.fsum(one.value for one in found) / len(found)
        return _score([*found, None], value, cut)


def _meet(one: Keys, other: Keys) -> tuple[Keys, Keys]:
    """Tokens of two streams that are of the same time: as many as the faster one has."""
    if not (one.size and other.size):
        return one[:0], other[:0]
    num = max(one.size, other.size)
    middles = 2 * np.arange(num) + 1
    first, second = (side[middles * side.size // (2 * num)] for side in (one, other))
    return first, second


def _shuffled(tokens: Keys) -> Keys:
    # By their own content: the order in which clips come does not matter.
    return np.random.default_rng(zlib.crc32(tokens.tobytes())).permutation(tokens)


def _dependence(together: Counts, shuffled: Counts) -> _Found:
    _, counts = together.found()
    if not counts.size:
        raise Undefined("no clip has tokens in two streams")
    # The entropies of either side are the same in both, so that they cancel.
    value = _plain_entropy(shuffled.found()[1]) - _plain_entropy(counts)
    return _Found(max(0.0, value), int(counts.sum()), coverage(counts))


def _plain_entropy(counts: Keys) -> float:
    shares = counts / counts.sum()
    return -float((shares * np.log2(shares)).sum())


def _info(
    name: str,
    unit: str,
    description: str,
    value_range: tuple[float, float],
    fingerprint_of: tuple[str, dict[str, object]],
) -> MetricInfo:
    base, settings = fingerprint_of
    return MetricInfo(
        name=name,
        description=description,
        unit=unit,
        higher_is_better=None,
        value_range=value_range,
        domains=ALL_DOMAINS,
        sample_rate=None,
        fingerprint=fingerprint(base, **settings, most=MOST_TOKENS, v=1),
        kind="corpus",
        corpus_of="tokens",
    )
