"""How often the printed 95 % intervals hold what they say, and how often a verdict is wrong.

    python benchmarks/intervals_simulation.py [--repeats 2000]

Synthetic scores of mean 0 and variance 1 pass through the real ``mean_interval``. A p-value is
below 0.05 exactly where the interval leaves out 0, so 100 % less the coverage is the type I error
of an uncorrected verdict. What is printed is compared with what else could be: Student's t, the
percentile and the BCa bootstrap, and clips as units whoever speaks.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from snac_eval.results.stats import mean_interval, paired_difference

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
SEED = 20260101
RESAMPLES = 1000
CLIPS = (4, 5, 7, 10, 20, 40)
SPEAKERS = (2, 3, 4, 6, 9, 20, 40)
SHARES = (0.05, 0.2, 0.5, 0.7)


def _lognormal(sigma: float) -> Draw:
    mean, square = math.exp(sigma**2 / 2), math.exp(sigma**2)
    spread = math.sqrt((square - 1) * square)
    return lambda rng, shape: (rng.lognormal(0, sigma, shape) - mean) / spread


# Differences between Opus at 6 and 12 kbps and MP3 at 16 kbps, on 160 clips of 20 LibriSpeech
# speakers, by PESQ, STOI, ESTOI, SI-SDR and mel distance: the clips' skewness was at most 0.96, the
# speakers' at most 1.12, and the speakers' share of the variance 0.38 to 0.85.
DRAWS: Mapping[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "heavy tails (t3)": lambda rng, shape: rng.standard_t(3, shape) / math.sqrt(3),
    "lognormal, skewness 1.75": _lognormal(0.5),
    "exponential, skewness 2": lambda rng, shape: rng.exponential(1, shape) - 1,
    "lognormal, skewness 6.2": _lognormal(1.0),
}


def equal(count: int) -> list[int]:
    """Six clips of each speaker."""
    return [6] * count


def unequal(count: int) -> list[int]:
    """From 1 clip of the first speaker to 20 of the last."""
    return [max(1, round(size)) for size in np.geomspace(1, 20, count)]


def one_half(count: int) -> list[int]:
    """Half of the clips are of one speaker."""
    return [5 * (count - 1), *[5] * (count - 1)]


SIZES = {"6 each": equal, "1 to 20": unequal, "one has half": one_half}


def speaker_scores(
    draw: Draw, sizes: Sequence[int], share: float, repeats: int
) -> tuple[Array, list[str]]:
    """Scores ``[repeats, clips]``, of whose variance ``share`` is the speakers', and the names."""
    rng = np.random.default_rng(SEED)
    which = np.repeat(np.arange(len(sizes)), sizes)
    theirs, own = draw(rng, (repeats, len(sizes))), draw(rng, (repeats, len(which)))
    scores = math.sqrt(share) * theirs[:, which] + math.sqrt(1 - share) * own
    return scores, [f"speaker{index}" for index in which]


def coverage(scores: Array, names: Sequence[str] = (), true: float = 0.0) -> float:
    """Percentage of the rows ``[repeats, clips]`` whose printed interval holds the true mean."""
    found = [mean_interval(row.tolist(), names) for row in scores]
    return 100 * float(np.mean([one.low <= true <= one.high for one in found]))


def t_coverage(scores: Array) -> float:
    """The same for Student's t over clips."""
    count = scores.shape[1]
    error = scores.std(1, ddof=1) / math.sqrt(count)
    reach = float(stats.t.ppf(0.975, count - 1))
    return 100 * float(np.mean(np.abs(scores.mean(1)) <= reach * error))


def bootstrap_coverage(scores: Array) -> tuple[float, float]:
    """The same for the percentile bootstrap and BCa (Efron 1987) over clips."""
    rng, hits = np.random.default_rng(SEED), np.zeros(2)
    for row in scores:
        means = row[rng.integers(row.size, size=(RESAMPLES, row.size))].mean(1)
        for index, levels in enumerate((np.array([0.025, 0.975]), _bca_levels(row, means))):
            low, high = np.quantile(means, levels)
            hits[index] += low <= 0 <= high
    percentile, bca = 100 * hits / len(scores)
    return float(percentile), float(bca)


def _bca_levels(row: Array, means: Array) -> Array:
    below = (np.mean(means < row.mean()) + np.mean(means <= row.mean())) / 2
    bias = stats.norm.ppf(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    away = row - row.mean()
    acceleration = (away**3).sum() / (6 * (away @ away) ** 1.5)
    reach = bias + stats.norm.ppf([0.025, 0.975])
    return np.asarray(stats.norm.cdf(bias + reach / (1 - acceleration * reach)))


def clip_lines(repeats: int) -> Iterator[str]:
    """Independent clips."""
    yield f"{'Independent clips':26}  n | printed      t  percentile    BCa"
    for name, draw in DRAWS.items():
        for count in CLIPS:
            scores = draw(np.random.default_rng(SEED), (repeats, count))
            percentile, bca = bootstrap_coverage(scores)
            yield (
                f"{name:26} {count:2} |   {coverage(scores):5.1f}  {t_coverage(scores):5.1f}"
                f"       {percentile:5.1f}  {bca:5.1f}"
            )


def speaker_lines(repeats: int) -> Iterator[str]:
    """Clips of speakers."""
    heads = " ".join(f"{f'{share:g}':>14}" for share in SHARES)
    yield "Clips of speakers: printed (clips as units) by the speakers' share of the variance"
    yield f"{'':26} {'clips':12} speakers |{heads}"
    for name, draw in DRAWS.items():
        for kind, sizes in SIZES.items():
            for count in SPEAKERS:
                cells = []
                for share in SHARES:
                    scores, names = speaker_scores(draw, sizes(count), share, repeats)
                    cells.append(f"{coverage(scores, names):6.1f} ({t_coverage(scores):5.1f})")
                yield f"{name:26} {kind:12} {count:8} | " + " ".join(cells)


def telling_size_lines(repeats: int) -> Iterator[str]:
    """Speakers who say more score lower: the mean over clips is not that over speakers."""
    yield "Speakers of 1 to 20 clips at random, lower the more clips: printed"
    rng = np.random.default_rng(SEED)
    for count in SPEAKERS:
        hits = 0
        for _ in range(repeats):
            sizes = rng.integers(1, 21, count)
            which = np.repeat(np.arange(count), sizes)
            theirs = rng.standard_normal(count) - 0.1 * sizes
            scores = theirs[which] + rng.standard_normal(len(which))
            found = mean_interval(scores.tolist(), [f"speaker{index}" for index in which])
            # E[size^2] / E[size] of 1 to 20 is 41 / 3.
            hits += found.low <= -0.1 * 41 / 3 <= found.high
        yield f"{count:8} speakers | {100 * hits / repeats:5.1f}"


def pooled_lines(repeats: int) -> Iterator[str]:
    """Word error rates pooled over words, and the difference of two codecs' rates."""
    yield "Word error rate pooled over clips of 3 to 40 words, longer ones easier: printed"
    yield "units    | rate  mean of clips  difference of two   by weights of each"
    for count in SPEAKERS[2:]:
        for kind in ("clips", "speakers"):
            rate, plain, both, own = _pooled_coverage(count, kind == "speakers", repeats)
            yield f"{count:2} {kind:9} | {rate:5.1f}  {plain:8.1f}  {both:12.1f}  {own:16.1f}"


def _pooled_coverage(
    count: int, of_speakers: bool, repeats: int
) -> tuple[float, float, float, float]:
    """Of how many of ``repeats`` tries the interval holds what it is of, in percent.

    Of one codec's rate; of the mean of clips, were it taken for the rate; of the difference of two
    rates over the same words; and where the second codec's words are counted a little otherwise.
    """
    rng = np.random.default_rng(SEED)
    each = 6 if of_speakers else 1
    names = [f"speaker{index // each}" if of_speakers else "" for index in range(count * each)]
    hits = np.zeros(4)
    for _ in range(repeats):
        who = np.repeat(rng.lognormal(0, 0.4 * of_speakers, (count, 2)), each, axis=0)
        words = rng.integers(3, 41, count * each)
        hard = (0.04 + 0.4 / words) * who.T / math.exp(0.08 * of_speakers)
        errors = rng.poisson(hard * words)
        others = words + rng.integers(0, 2, words.size)
        rates = [100 * errors[0] / words, 100 * errors[1] / words, 100 * errors[1] / others]
        weights = words.tolist()
        one = mean_interval(rates[0].tolist(), names, weights=weights)
        plain = mean_interval(rates[0].tolist(), names)
        usual = ((), "two-sided", weights) if not of_speakers else (names, "two-sided", weights)
        sides = [side.tolist() for side in rates]
        same = paired_difference(sides[0], sides[1], *usual).interval
        own = paired_difference(sides[0], sides[2], *usual, others.tolist()).interval
        differs = _POOLED - _POOLED_OTHER
        for place, (found, true) in enumerate(
            ((one, _POOLED), (plain, _POOLED), (same, 0.0), (own, differs))
        ):
            hits[place] += found.low <= true <= found.high
    first, second, third, fourth = (100 * hits / repeats).tolist()
    return first, second, third, fourth


# Errors expected of a clip over words expected, for lengths alike from 3 to 40; and with half a
# word more in each.
_POOLED = 100 * (0.04 * 21.5 + 0.4) / 21.5
_POOLED_OTHER = 100 * (0.04 * 21.5 + 0.4) / 22.0


def catastrophe_lines(repeats: int) -> Iterator[str]:
    """One clip in twenty far worse, the rest a little better: equal means, and no normal noise."""
    yield "5 % of clips 19 steps worse, the rest one step better, noise of half a step: equal means"
    yield "clips | a difference of means is shown    and by Wilcoxon's test"
    rng = np.random.default_rng(SEED)
    for count in (10, 20, 40, 60, 100, 200):
        steps = np.where(rng.random((repeats, count)) < 0.05, -19.0, 1.0)
        scores = steps + 0.5 * rng.standard_normal((repeats, count))
        zeros = [0.0] * count
        found = [paired_difference(row.tolist(), zeros) for row in scores]
        mean = 100 * np.mean([one.p_value < 0.05 for one in found])
        wilcoxon = 100 * np.mean([one.p_wilcoxon < 0.05 for one in found])
        yield f"{count:5} | {mean:5.1f} %  {wilcoxon:27.1f} %"


def main() -> None:
    """Print the percentage of intervals that hold the true mean, in every setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    repeats = parser.parse_args().repeats
    every = (clip_lines, speaker_lines, telling_size_lines, pooled_lines, catastrophe_lines)
    for lines in every:
        for line in lines(repeats):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
