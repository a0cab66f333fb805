"""Entropy and use of a codebook from few tokens, against sources that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snac_eval.metrics.estimates import coverage, entries_in_use, entropy_bits


def _counts(*counts: int) -> np.ndarray:
    return np.array(counts, dtype=np.int64)


def _weights(name: str, size: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    weights = {
        "uniform": np.ones(size),
        "half used": np.arange(size) < size // 2,
        "Zipf": 1 / np.arange(1, size + 1),
        "log-normal": rng.lognormal(0, 1.5, size),
    }[name]
    return weights / weights.sum()


@pytest.mark.parametrize("name", ["uniform", "half used", "Zipf", "log-normal"])
def test_two_tokens_an_entry_tell_the_entropy_to_a_twentieth_of_a_bit(name: str) -> None:
    size = 1024
    shares = _weights(name, size)
    known = shares[shares > 0]
    truth = -(known * np.log2(known)).sum()
    rng = np.random.default_rng(0)
    draws = [rng.multinomial(2 * size, shares) for _ in range(20)]
    assert np.mean([entropy_bits(one) for one in draws]) == pytest.approx(truth, abs=0.05)
    plain = [-(p := one[one > 0] / one.sum()) @ np.log2(p) for one in draws]
    assert truth - np.mean(plain) > 0.15


@pytest.mark.parametrize(("name", "used"), [("uniform", 1024), ("half used", 512)])
def test_entries_that_are_used_alike_are_counted_though_half_were_not_seen(
    name: str, used: int
) -> None:
    rng = np.random.default_rng(0)
    draws = [rng.multinomial(used // 2, _weights(name, 1024)) for _ in range(50)]
    assert np.mean([np.count_nonzero(one) for one in draws]) < 0.4 * used
    assert np.mean([entries_in_use(one) for one in draws]) == pytest.approx(used, rel=0.05)


def test_what_is_in_use_lies_between_what_was_seen_and_the_codebook() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        size = int(rng.integers(2, 50))
        counts = rng.multinomial(int(rng.integers(1, 100)), rng.dirichlet(np.full(size, 0.3)))
        used = entries_in_use(counts)
        assert np.count_nonzero(counts) <= used <= size
        assert 0 <= entropy_bits(counts) <= math.log2(used) + 1e-12
        assert 0 <= coverage(counts) <= 1


def test_the_entropy_of_what_was_not_seen_is_the_sum_that_the_paper_gives() -> None:
    seen = (1, 1, 1, 1, 2, 2, 20)
    total, once, twice = sum(seen), 4, 2
    rate = 2 * twice / ((total - 1) * once + 2 * twice)
    of_seen = sum(n / total * sum(1 / k for k in range(n, total)) for n in seen)
    tail = -math.log(rate) - sum((1 - rate) ** r / r for r in range(1, total))
    nats = of_seen + once / total * (1 - rate) ** (1 - total) * tail
    counts = _counts(*seen, *[0] * 500)
    assert nats / math.log(2) < math.log2(entries_in_use(counts))
    assert entropy_bits(counts) == pytest.approx(nats / math.log(2), rel=1e-9)


@pytest.mark.parametrize(
    ("counts", "bits", "used", "covered"),
    [
        (_counts(0, 0, 0), 0.0, 0.0, 0.0),
        (_counts(1, 0), 0.0, 1.0, 0.0),
        (_counts(9, 0, 0), 0.0, 1.0, 1.0),
        (_counts(1, 1), 1.0, 2.0, 0.0),
        (_counts(5000, 5000), 1.0, 2.0, 1.0),
    ],
)
def test_edges(counts: np.ndarray, bits: float, used: float, covered: float) -> None:
    found = (entropy_bits(counts), entries_in_use(counts), coverage(counts))
    assert found == pytest.approx((bits, used, covered), abs=1e-3)


def test_a_million_tokens_are_no_numerical_trouble() -> None:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(10**6, _weights("Zipf", 4096))
    shares = _weights("Zipf", 4096)
    assert entropy_bits(counts) == pytest.approx(-(shares * np.log2(shares)).sum(), abs=0.01)
    rare = _counts(*[1] * 3, 10**9)
    assert 0 < entropy_bits(rare) < 1e-6
