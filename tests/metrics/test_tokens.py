"""What the order of tokens tells, on sources whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from snac_eval.errors import UsageError
from snac_eval.metrics import tokens
from snac_eval.metrics.tokens import (
    NgramEntropy,
    StreamMutualInformation,
    TokenCompressibility,
    by_stream,
)
from snac_eval.registry import plugins
from snac_eval.types import Codes

Tokens = NDArray[np.int32]
ALL = [NgramEntropy(), TokenCompressibility(), StreamMutualInformation()]
every_metric = pytest.mark.parametrize("metric", ALL, ids=lambda one: one.info.name)


def _walk(size: int, num: int, choices: int, seed: int = 0) -> Tokens:
    """Each token is followed by one of so many, all equally likely."""
    rng = np.random.default_rng(seed)
    followers = np.stack([rng.choice(size, choices, replace=False) for _ in range(size)])
    walk, now = np.empty(num, np.int32), 0
    for place, choice in enumerate(rng.integers(0, choices, num)):
        walk[place] = now = followers[now, choice]
    return walk


def _clips(*streams: Tokens, size: int, num: int = 20) -> list[Codes]:
    parts = zip(*(np.array_split(one, num) for one in streams), strict=True)
    return [Codes(1, part, (size,) * len(part)) for part in parts]


@pytest.mark.parametrize("n", [2, 3])
def test_bits_of_a_token_are_the_choices_that_the_one_before_leaves(n: int) -> None:
    clips = _clips(_walk(64, 10000, 4), size=64)
    metric = NgramEntropy(n)
    assert metric.score_tokens(clips).value == pytest.approx(2, abs=0.06)
    assert NgramEntropy(1).score_tokens(clips).value == pytest.approx(5.77, abs=0.05)


def test_a_chain_that_leaves_no_choice_has_no_bits_and_compresses_away() -> None:
    clips = _clips(np.arange(20000, dtype=np.int32) % 50, size=64)
    assert NgramEntropy().score_tokens(clips).value == 0
    packed = TokenCompressibility().score_tokens(clips).value
    assert packed is not None
    assert packed > 97


def test_no_ngram_spans_two_clips() -> None:
    halves = [Codes(1, (np.full(500, one, np.int32),), (8,)) for one in (3, 5)]
    assert NgramEntropy().score_tokens(halves).value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("size", [200, 1024, 70000])
def test_noise_cannot_be_compressed_and_costs_no_more_than_it_did(size: int) -> None:
    noise = np.random.default_rng(0).integers(0, size, 5000).astype(np.int32)
    value = TokenCompressibility().score_tokens(_clips(noise, size=size)).value
    assert value is not None
    assert 0 <= value < 3


def test_what_repeats_after_a_long_time_compresses_though_no_ngram_shows_it() -> None:
    once = np.random.default_rng(0).integers(0, 1024, 4000).astype(np.int32)
    value = TokenCompressibility().score_tokens(_clips(np.tile(once, 4), size=1024)).value
    assert value == pytest.approx(75, abs=5)


def _copied(size: int, num: int, share: float, times: int) -> tuple[list[Codes], float]:
    """A stream and one so many times as fast that copies it in so many of its tokens; and the bits
    that they share."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, size, num).astype(np.int32)
    drawn = rng.integers(0, size, num * times).astype(np.int32)
    is_copied = rng.random(num * times) < share
    second = np.where(is_copied, np.repeat(first, times), drawn)
    same, other = share + (1 - share) / size, (1 - share) / size
    bits = math.log2(size) + same * math.log2(same) + (size - 1) * other * math.log2(other)
    return _clips(first, second, size=size), bits


@pytest.mark.parametrize("times", [1, 2])
def test_what_a_stream_tells_of_the_next_is_what_it_shares(times: int) -> None:
    clips, bits = _copied(64, 20000, 0.5, times)
    score = StreamMutualInformation().score_tokens(clips)
    assert score.value == pytest.approx(bits, abs=0.1)
    assert by_stream(score) == [score.value, None]
    swapped = [Codes(1, one.streams[::-1], one.codebook_sizes) for one in clips]
    assert StreamMutualInformation().score_tokens(swapped).value == pytest.approx(bits, abs=0.1)


def test_streams_that_share_nothing_share_nothing_though_pairs_are_few() -> None:
    clips, _ = _copied(256, 2000, 0, 1)
    score = StreamMutualInformation().score_tokens(clips)
    assert score.value == pytest.approx(0, abs=0.05)
    assert "from few tokens in 1 of 1 streams: of what would follow the 2000" in score.reason


def test_streams_have_values_of_their_own() -> None:
    calm, busy = _walk(64, 10000, 2), _walk(64, 10000, 8, seed=1)
    score = NgramEntropy().score_tokens(_clips(calm, busy, size=64))
    assert by_stream(score) == pytest.approx([1, 3], abs=0.1)
    assert score.value == pytest.approx(2, abs=0.1)
    assert score.reason == ""


def test_few_tokens_are_told() -> None:
    noise = np.random.default_rng(0).integers(0, 1024, 2000).astype(np.int32)
    score = NgramEntropy().score_tokens(_clips(noise, size=1024))
    assert "estimated from few tokens in 1 of 1 streams: of what would follow" in score.reason
    assert "the 1980 of stream 0, 0 % had occurred" in score.reason


def test_very_many_tokens_are_cut_off_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 3000)
    monkeypatch.setattr(tokens, "_WAITING", 500)
    taken: list[int] = []

    def clips() -> Iterator[Codes]:
        for place, one in enumerate(_clips(_walk(8, 20000, 2), size=8)):
            taken.append(place)
            yield one

    score = NgramEntropy().score_tokens(clips())
    assert taken == [0, 1, 2]
    assert score.reason == "of the first 3 clips, whose tokens are enough"
    assert score.value == pytest.approx(1, abs=0.1)


@every_metric
@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (Codes(1, packets=(b"abc",)), "emits no tokens"),
        (Codes(1, (np.ones(5, np.int32),), (0,)), "how large its codebooks are"),
        (Codes(1, (np.zeros(0, np.int32),) * 2, (8, 8)), "emits no tokens"),
    ],
)
def test_undefined_says_why(metric: NgramEntropy, codes: Codes, reason: str) -> None:
    from snac_eval.metrics.base import guarded

    score = guarded(metric.info, lambda: metric.score_tokens([codes]))
    assert (score.value, score.status) == (None, "undefined")
    assert reason in score.reason


def test_clips_that_disagree_are_an_error_and_odd_options_are_refused() -> None:
    from snac_eval.metrics.base import guarded

    metric = NgramEntropy()
    odd = [Codes(1, (np.ones(5, np.int32),), (size,)) for size in (8, 16)]
    score = guarded(metric.info, lambda: metric.score_tokens(odd))
    assert (score.status, "disagree" in score.reason) == ("error", True)
    one = guarded(metric.info, lambda: StreamMutualInformation().score_tokens(odd[:1]))
    assert (one.status, "has no neighbour" in one.reason) == ("undefined", True)
    huge = [Codes(1, (np.ones(5, np.int32),), (1 << 20,))]
    many = guarded(metric.info, lambda: NgramEntropy(4).score_tokens(huge))
    assert (many.status, "too many 4-grams" in many.reason) == ("undefined", True)
    assert plugins.metric("ngram_entropy@n=2").info.name == "ngram_entropy"
    with pytest.raises(UsageError, match="must be 1 to 5"):
        plugins.metric("ngram_entropy@n=6")
