"""How well a codec uses its codebooks, over all clips of a dataset together.

Entropy, perplexity and use are estimates that correct for what so many tokens cannot show
(:mod:`snac_eval.metrics.estimates`). A score says so where a stream has few tokens: where less than
:data:`FEW` of what the codec would emit are entries that occurred. Compare codecs on
the same dataset only.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import CodecError
from snac_eval.metrics.base import ALL_DOMAINS, UNKNOWN_SIZES, fingerprint
from snac_eval.metrics.estimates import coverage, entries_in_use, entropy_bits
from snac_eval.types import Codes, MetricInfo, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 0.95
"""Good's coverage below which a stream's tokens are called few."""
NO_TOKENS = "this codec emits no tokens, so it has no codebook to look at"


@dataclass(frozen=True, slots=True)
class StreamUse:
    """How often each entry of one stream's codebook occurs, over all clips: ``[codebook_size]``;
    empty where its size is unknown."""

    counts: NDArray[np.int64]

    @property
    def codebook_size(self) -> int:
        return len(self.counts)

    @property
    def num_tokens(self) -> int:
        return int(self.counts.sum())

    @property
    def entropy_bits(self) -> float:
        """Estimated entropy of a token in bits, 0..log2(codebook_size)."""
        return entropy_bits(self.counts)

    @property
    def perplexity(self) -> float:
        """How many equally likely entries would have this entropy, 1..codebook_size."""
        return float(2.0**self.entropy_bits)

    @property
    def seen(self) -> float:
        """Share of the codebook's entries that occur in these clips, in percent."""
        return 100 * int(np.count_nonzero(self.counts)) / self.codebook_size

    @property
    def usage(self) -> float:
        """Share of the codebook's entries that the codec uses at least, estimated, in percent."""
        return 100 * entries_in_use(self.counts) / self.codebook_size

    @property
    def coverage(self) -> float:
        """Estimated share of the codec's tokens whose entry occurs in these clips, 0..1."""
        return coverage(self.counts)


class CodesTogether:
    """What is known of the codes of many clips together: sums, to which one clip after another is
    added. Memory does not grow with the clips.

    ``duration_s`` is how long the clips last in all, in seconds.
    """

    def __init__(self, duration_s: float = 0.0) -> None:
        self.duration_s = duration_s
        self.num_clips = 0
        self.side_info_bits = 0
        """Sent beside tokens and packets."""
        self.streams: list[StreamUse] = []
        """Coarse to fine; none for codecs that emit packets."""

    @classmethod
    def of(cls, codes: Iterable[Codes], durations_s: Iterable[float]) -> CodesTogether:
        """These clips together. Raises CodecError as :meth:`add` does."""
        together = cls(math.fsum(durations_s))
        for one in codes:
            together.add(one)
        return together

    def add(self, codes: Codes) -> None:
        """Add one clip. Raises CodecError, and adds nothing, where it disagrees with those before
        about the codebooks or a token is outside of its own."""
        self._refuse_other_sizes(codes.codebook_sizes)
        counts = [_counts(codes, index, size) for index, size in enumerate(codes.codebook_sizes)]
        self._add(1, 8 * len(codes.side_info), counts)

    def join(self, other: CodesTogether) -> None:
        """Add other clips, and how long they last. Raises CodecError as :meth:`add` does."""
        if not other.num_clips:
            return
        self._refuse_other_sizes([one.codebook_size for one in other.streams])
        self._add(other.num_clips, other.side_info_bits, [one.counts for one in other.streams])
        self.duration_s += other.duration_s

    def _refuse_other_sizes(self, other: Sequence[int]) -> None:
        sizes = [one.codebook_size for one in self.streams]
        if self.num_clips and sizes != list(other):
            raise CodecError(f"clips disagree about the codebooks: {sizes} and {list(other)}")

    def _add(
        self, num_clips: int, side_info_bits: int, counts: Sequence[NDArray[np.int64]]
    ) -> None:
        if self.num_clips:
            for stream, more in zip(self.streams, counts, strict=True):
                stream.counts[:] += more
        else:
            self.streams = [StreamUse(one.copy()) for one in counts]
        self.num_clips += num_clips
        self.side_info_bits += side_info_bits

    def pack(self) -> bytes:
        """As bytes, less the duration."""
        buffer = io.BytesIO()
        known = np.array([self.num_clips, self.side_info_bits], dtype=np.int64)
        np.savez_compressed(buffer, known, *(one.counts for one in self.streams))
        return buffer.getvalue()

    @classmethod
    def unpack(cls, packed: bytes, duration_s: float) -> CodesTogether:
        """What :meth:`pack` packed, of clips that last as long in all."""
        found = cls(duration_s)
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            known, *counts = (arrays[name] for name in arrays.files)
        found.num_clips, found.side_info_bits = map(int, known)
        found.streams = [StreamUse(one) for one in counts]
        return found


def stream_table(codes: CodesTogether) -> list[dict[str, Any]]:
    """One row per stream, coarse to fine: what ``streams.csv`` holds.

    Keys: stream (from 0), codebook_size, num_tokens, tokens_per_second, usage (percent, estimated),
    seen (percent that occur), coverage (0..1), perplexity, entropy_bits (per token). No rows for
    codecs that emit packets, and for codebooks of unknown size.
    """
    total_s = codes.duration_s
    return [
        {
            "stream": index,
            "codebook_size": use.codebook_size,
            "num_tokens": use.num_tokens,
            "tokens_per_second": use.num_tokens / total_s if total_s > 0 else math.nan,
            "usage": use.usage,
            "seen": use.seen,
            "coverage": use.coverage,
            "perplexity": use.perplexity,
            "entropy_bits": use.entropy_bits,
        }
        for index, use in enumerate(codes.streams)
        if use.codebook_size
    ]


class EntropyCodedBitrate:
    """Bitrate if each stream's tokens were coded at their entropy, in kbps; side information is
    counted as it is sent."""

    papers = (
        "Chao, Wang and Jost, Methods in Ecology and Evolution 4, 2013 (the estimate of entropy)",
    )
    traps = (
        "An ideal coder of single tokens: no real one reaches it, and one that knows the"
        " context goes below.",
        "An estimate from the clips of this run: compare codecs on the same dataset.",
    )

    def __init__(self) -> None:
        self.info = _info(
            "bitrate_entropy",
            "kbps",
            "bitrate under ideal entropy coding of each stream, side information included",
            None,
        )

    def score_corpus(self, codes: CodesTogether) -> Score:
        """Undefined for codecs that emit packets and for no audio."""
        total_s = codes.duration_s
        if total_s <= 0:
            return Score.undefined("no clip was coded")
        return _over_streams(
            codes,
            lambda uses: (
                (codes.side_info_bits + sum(one.num_tokens * one.entropy_bits for one in uses))
                / total_s
                / 1000
            ),
        )


class CodebookUsage:
    """Share of codebook entries that the codec uses at least, mean over streams, in percent."""

    papers = ("Chao, Scandinavian Journal of Statistics 11, 1984 (the estimate of entries in use)",)
    traps = (
        "A lower bound: entries that are hardly ever used leave no trace.",
        "Few tokens show few entries: compare codecs on the same dataset.",
    )

    def __init__(self) -> None:
        self.info = _info(
            "codebook_usage", "%", "codebook entries in use, mean over streams", True, (0.0, 100.0)
        )

    def score_corpus(self, codes: CodesTogether) -> Score:
        """Undefined for codecs that emit packets."""
        return _over_streams(codes, lambda uses: _mean([one.usage for one in uses]))


class CodebookPerplexity:
    """2 to the entropy of a token, mean over streams."""

    papers = (
        "Chao, Wang and Jost, Methods in Ecology and Evolution 4, 2013 (the estimate of entropy)",
    )
    traps = ("An estimate from the clips of this run: compare codecs on the same dataset.",)

    def __init__(self) -> None:
        self.info = _info(
            "codebook_perplexity",
            "",
            "codebook entries in effective use (2^entropy), mean over streams",
            True,
            (1.0, math.inf),
        )

    def score_corpus(self, codes: CodesTogether) -> Score:
        """Undefined for codecs that emit packets."""
        return _over_streams(codes, lambda uses: _mean([one.perplexity for one in uses]))


def _over_streams(codes: CodesTogether, value: Callable[[list[StreamUse]], float]) -> Score:
    if not all(one.codebook_size for one in codes.streams):
        return Score.undefined(UNKNOWN_SIZES)
    if not any(one.num_tokens for one in codes.streams):
        return Score.undefined(NO_TOKENS)
    return replace(Score.ok(value(codes.streams)), reason=_few_tokens(codes.streams))


def _few_tokens(uses: Sequence[StreamUse]) -> str:
    """What a reader must know of figures from so few tokens; empty where they are enough."""
    few = [(index, one) for index, one in enumerate(uses) if one.coverage < FEW]
    if not few:
        return ""
    index, worst = min(few, key=lambda one: one[1].coverage)
    streams = "its stream" if len(uses) == 1 else f"{len(few)} of {len(uses)} streams"
    return (
        f"estimated from few tokens in {streams}: stream {index} has {worst.num_tokens} for"
        f" {worst.codebook_size} entries, of which {worst.seen:.1f} % occur"
    )


def _counts(codes: Codes, index: int, size: int) -> NDArray[np.int64]:
    tokens = codes.streams[index]
    if not size:
        return np.zeros(0, np.int64)
    if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < size:
        raise CodecError(
            f"stream {index} holds tokens {tokens.min()}..{tokens.max()},"
            f" outside of its codebook of {size} entries"
        )
    return np.bincount(tokens.ravel(), minlength=size).astype(np.int64, copy=False)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _info(
    name: str,
    unit: str,
    description: str,
    higher_is_better: bool | None,
    value_range: tuple[float, float] = (0.0, math.inf),
) -> MetricInfo:
    return MetricInfo(
        name=name,
        description=description,
        unit=unit,
        higher_is_better=higher_is_better,
        value_range=value_range,
        domains=ALL_DOMAINS,
        sample_rate=None,
        fingerprint=fingerprint(name, estimate="chao", v=2),
        kind="corpus",
    )
