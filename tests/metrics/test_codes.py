"""Bitrates, speeds and codebook use, against sums done by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from snac_eval.errors import CodecError
from snac_eval.metrics.bitrate import Bitrate, NominalBitrate, TokensPerSecond
from snac_eval.metrics.codebook import (
    CodebookPerplexity,
    CodebookUsage,
    CodesTogether,
    EntropyCodedBitrate,
    stream_table,
)
from snac_eval.metrics.opening import CodesMetric, CorpusMetric
from snac_eval.metrics.speed import DecodeRealTimeFactor, EncodeRealTimeFactor
from snac_eval.types import CodecCard, Codes, Score, Timing


def card(nominal_bitrate_bps: float = 1000.0) -> CodecCard:
    return CodecCard("toy", "toy", "", 16000, 1, nominal_bitrate_bps)


def token_codes(*streams: list[int], size: int = 8) -> Codes:
    arrays = tuple(np.array(stream, dtype=np.int32) for stream in streams)
    return Codes(16000, arrays, (size,) * len(arrays))


def packet_codes() -> Codes:
    return Codes(16000, packets=(bytes(10), bytes(15)), side_info=bytes(5), header=bytes(100))


def value(metric: CodesMetric, codes: Codes | None, duration_s: float = 2.0) -> float | None:
    return metric.score_codes(codes, card(), Timing(1.0, 0.5), duration_s).value


def test_bitrate_counts_every_bit_that_was_sent() -> None:
    assert value(Bitrate(), token_codes([1, 2], [3, 4, 5, 6])) == pytest.approx(6 * 3 / 2 / 1000)
    assert value(Bitrate(), packet_codes()) == pytest.approx(30 * 8 / 2 / 1000)


def test_rates_from_card_tokens_and_timing() -> None:
    codes = token_codes([1, 2], [3, 4, 5, 6])
    assert value(NominalBitrate(), codes) == 1.0
    assert value(TokensPerSecond(), codes) == 3.0
    assert value(EncodeRealTimeFactor(), codes) == 0.5
    assert value(DecodeRealTimeFactor(), codes) == 0.25


@pytest.mark.parametrize(
    ("metric", "codes", "duration_s", "reason"),
    [
        (Bitrate(), None, 1.0, "carry no codes"),
        (TokensPerSecond(), None, 1.0, "carry no codes"),
        (TokensPerSecond(), packet_codes(), 1.0, "packets"),
        (TokensPerSecond(), token_codes([1]), 0.0, "empty"),
        (Bitrate(), token_codes([1]), 0.0, "empty"),
        (EncodeRealTimeFactor(), None, 1.0, "not timed"),
        (DecodeRealTimeFactor(), None, 1.0, "not timed"),
        (NominalBitrate(), None, 1.0, "states no bitrate"),
    ],
)
def test_what_is_unknown_is_undefined(
    metric: CodesMetric, codes: Codes | None, duration_s: float, reason: str
) -> None:
    score = metric.score_codes(codes, card(math.nan), Timing(), duration_s)
    assert (score.value, score.status) == (None, "undefined")
    assert reason in score.reason


CORPUS_METRICS = [EntropyCodedBitrate(), CodebookUsage(), CodebookPerplexity()]


def test_uniform_use_of_half_a_codebook() -> None:
    clips = [token_codes([0, 1, 0, 1], [0, 0, 0, 0]), token_codes([2, 3, 2, 3], [0, 0, 0, 0])]
    codes = CodesTogether.of(clips, [1.0, 1.0])
    assert CodebookUsage().score_corpus(codes).value == pytest.approx((50 + 12.5) / 2)
    assert CodebookPerplexity().score_corpus(codes).value == pytest.approx((4 + 1) / 2)
    entropy_coded = EntropyCodedBitrate().score_corpus(codes).value
    assert entropy_coded == pytest.approx(8 * 2 / 2 / 1000)


def test_entropy_coding_does_not_do_away_with_side_information() -> None:
    clips = [token_codes([0, 1, 0, 1]), token_codes([0, 1, 0, 1])]
    bare = EntropyCodedBitrate().score_corpus(CodesTogether.of(clips, [1.0, 1.0])).value
    sent = [replace(one, side_info=bytes(4)) for one in clips]
    with_scales = EntropyCodedBitrate().score_corpus(CodesTogether.of(sent, [1.0, 1.0])).value
    assert bare == pytest.approx(8 / 2 / 1000)
    assert with_scales == pytest.approx((8 + 2 * 4 * 8) / 2 / 1000)


def _uniform(size: int, num_tokens: int, seed: int = 0) -> Codes:
    rng = np.random.default_rng(seed)
    return token_codes(rng.integers(0, size, num_tokens).tolist(), size=size)


def _alone(codes: Codes) -> CodesTogether:
    return CodesTogether.of([codes], [1.0])


def test_few_tokens_of_a_codebook_in_full_use_do_not_look_like_a_third_of_it() -> None:
    (row,) = stream_table(_alone(_uniform(1024, 500)))
    assert row["seen"] == pytest.approx(38.7, abs=2)
    assert row["usage"] > 85
    assert row["entropy_bits"] == pytest.approx(10, abs=0.25)
    for metric in CORPUS_METRICS:
        reason = metric.score_corpus(_alone(_uniform(1024, 500))).reason
        assert "few tokens in its stream: stream 0 has 500 for 1024 entries, of which" in reason


def test_many_tokens_need_no_word_of_caution() -> None:
    assert CodebookUsage().score_corpus(_alone(_uniform(64, 5000))) == Score.ok(100.0)


def test_the_stream_with_the_fewest_tokens_is_the_one_that_is_named() -> None:
    coarse, fine = _uniform(64, 50).streams[0], _uniform(64, 5000).streams[0]
    reason = CodebookUsage().score_corpus(_alone(Codes(1, (fine, coarse), (64, 64)))).reason
    assert "in 1 of 2 streams: stream 1 has 50 for 64 entries" in reason


def test_streams_of_different_length_make_a_row_each() -> None:
    rows = stream_table(CodesTogether.of([token_codes([0, 1] * 500, [5, 5, 5, 6] * 500)], [1000.0]))
    assert [row["stream"] for row in rows] == [0, 1]
    assert [row["num_tokens"] for row in rows] == [1000, 2000]
    assert [row["tokens_per_second"] for row in rows] == [1.0, 2.0]
    assert rows[0]["entropy_bits"] == pytest.approx(1.0)
    skewed = -0.75 * math.log2(0.75) - 0.25 * math.log2(0.25)
    assert rows[1]["entropy_bits"] == pytest.approx(skewed, abs=1e-3)
    assert rows[1]["perplexity"] == 2 ** rows[1]["entropy_bits"]
    assert rows[1]["usage"] == rows[1]["seen"] == 25.0
    assert rows[1]["coverage"] == 1.0


def test_entropy_never_exceeds_what_was_sent() -> None:
    rng = np.random.default_rng(0)
    clips = [token_codes(rng.integers(0, 8, 5000).tolist()) for _ in range(3)]
    exact = sum(one.num_bits for one in clips) / 3 / 1000
    coded = EntropyCodedBitrate().score_corpus(CodesTogether.of(clips, [1.0] * 3)).value
    assert coded is not None
    assert 0.99 * exact < coded <= exact


@pytest.mark.parametrize("metric", CORPUS_METRICS, ids=lambda metric: metric.info.name)
@pytest.mark.parametrize("codes", [[], [packet_codes()], [token_codes([])]])
def test_no_tokens_no_codebook_figures(metric: CorpusMetric, codes: list[Codes]) -> None:
    score = metric.score_corpus(CodesTogether.of(codes, [1.0] * len(codes)))
    assert (score.value, score.status) == (None, "undefined")
    assert score.reason


def test_a_clip_that_does_not_fit_is_refused_and_adds_nothing() -> None:
    together = CodesTogether.of([token_codes([1, 2])], [1.0])
    before = together.pack()
    for odd, problem in (
        (token_codes([1], size=16), "disagree about the codebooks"),
        (token_codes([0, 8]), "outside of its codebook of 8 entries"),
        (packet_codes(), "disagree about the codebooks"),
    ):
        with pytest.raises(CodecError, match=problem):
            together.add(odd)
    assert together.pack() == before


def test_counts_of_parts_are_those_of_the_whole_kept_or_not() -> None:
    rng = np.random.default_rng(0)
    clips = [token_codes(rng.integers(0, 8, 50).tolist()) for _ in range(4)]
    whole = CodesTogether.of(clips, [0.5] * 4)
    half = CodesTogether.of(clips[:2], [0.5] * 2)
    kept = CodesTogether.unpack(half.pack(), 2.0)
    for one in clips[2:]:
        kept.add(one)
    assert stream_table(kept) == stream_table(whole)
    assert (kept.num_clips, kept.side_info_bits) == (4, whole.side_info_bits)


def test_packets_have_no_stream_rows() -> None:
    assert stream_table(CodesTogether.of([packet_codes()], [1.0])) == []
