"""How far estimates from few tokens lie from the truth: entropy and use of a codebook.

``python -m benchmarks.token_estimates`` draws tokens from sources that are known and prints, per
source and number of tokens, the mean error of entropy in bits (the plain estimate, Miller-Madow,
Chao-Shen, ours) and of use in percent of the codebook (entries seen, ours), with the mean coverage.
``--model NAME --clips FOLDER`` adds the tokens of a codec as one more source per stream.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.audio import read_clip, resample, to_mono
from snac_eval.codecs.opening import open_model
from snac_eval.datasets.opening import open_dataset
from snac_eval.metrics.codebook import stream_use
from snac_eval.metrics.estimates import coverage, entries_in_use, entropy_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

SIZES = (1024, 4096)
TOKENS_PER_ENTRY = (0.5, 1, 2, 4, 8)
DRAWS = 20


def plain(counts: Array) -> float:
    """Entropy of the shares that were seen."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def miller_madow(counts: Array) -> float:
    """The plain estimate, and its first-order bias (Miller, 1955)."""
    return plain(counts) + (np.count_nonzero(counts) - 1) / (2 * counts.sum() * math.log(2))


def chao_shen(counts: Array) -> float:
    """Shares shrunk by the coverage, weighted by the chance to be seen (Chao and Shen, 2003)."""
    total, seen = counts.sum(), counts[counts > 0]
    share = max(coverage(counts), 1 / total) * seen / total
    return float(-(share * np.log2(share) / (1 - (1 - share) ** total)).sum())


ENTROPIES: dict[str, Callable[[Array], float]] = {
    "plain": plain,
    "Miller-Madow": miller_madow,
    "Chao-Shen": chao_shen,
    "ours": entropy_bits,
}


def sources(rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Names and probabilities of every entry."""
    for size in SIZES:
        half = np.zeros(size)
        half[: size // 2] = 1
        weights = {
            "uniform": np.ones(size),
            "half used": half,
            "Zipf": 1 / np.arange(1, size + 1),
            "gamma 0.5": rng.gamma(0.5, size=size),
            "log-normal 1.5": rng.lognormal(0, 1.5, size),
        }
        yield from ((f"{name}, {size}", one / one.sum()) for name, one in weights.items())


def of_codec(model: str, folder: Path) -> Iterator[tuple[str, Array]]:
    """The shares of every stream's tokens over a folder of clips."""
    opened = open_model(model)
    opened.prepare()
    assert opened.coder is not None
    codes = []
    for clip in open_dataset(f"folder:{folder}").clips:
        audio = resample(to_mono(read_clip(clip, 600.0)), opened.card.sample_rate)
        codes += opened.coder.encode([audio])
    for index, use in enumerate(stream_use(codes)):
        yield f"{model}, stream {index}, {use.num_tokens} tokens", use.counts / use.num_tokens


def line(shares: Array, num_tokens: int, rng: np.random.Generator) -> str:
    """Mean errors over the draws."""
    known = shares[shares > 0]
    truth = float(-(known * np.log2(known)).sum())
    draws = [rng.multinomial(num_tokens, shares) for _ in range(DRAWS)]
    errors = {name: np.mean([one(c) for c in draws]) - truth for name, one in ENTROPIES.items()}
    use = 100 * len(known) / len(shares)
    seen = np.mean([100 * np.count_nonzero(c) / len(c) for c in draws]) - use
    ours = np.mean([100 * entries_in_use(c) / len(c) for c in draws]) - use
    bits = ", ".join(f"{name} {error:+.2f}" for name, error in errors.items())
    known_share = np.mean([coverage(c) for c in draws])
    return f"{bits} bits; seen {seen:+.1f}, ours {ours:+.1f} %; coverage {known_share:.2f}"


def _main() -> None:
    parser: Any = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="")
    parser.add_argument("--clips", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    every = [*sources(rng), *(of_codec(options.model, options.clips) if options.model else ())]
    for name, shares in every:
        for per_entry in TOKENS_PER_ENTRY:
            print(f"{name}, {per_entry:g} tokens an entry: ", end="")
            print(line(shares, round(per_entry * len(shares)), rng), flush=True)


if __name__ == "__main__":
    _main()
