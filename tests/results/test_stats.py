"""Intervals and tests against closed forms, scipy and known truths."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from snac_eval.results.stats import (
    holm,
    mean_interval,
    paired_difference,
    rank_intervals,
)

RNG = np.random.default_rng(0)
SYMMETRIC = [-3.0, -1.0, 0.5, 2.0, 3.5, 5.0, 7.0]
Array = NDArray[np.float64]


def _names(sizes: Sequence[int]) -> list[str]:
    return [f"s{index}" for index, size in enumerate(sizes) for _ in range(size)]


def test_the_interval_of_symmetric_values_is_the_textbooks() -> None:
    values = np.array([*SYMMETRIC, *(4.0 - np.array(SYMMETRIC))])
    interval = mean_interval(values.tolist())
    error = values.std(ddof=1) / math.sqrt(14)
    expected = scipy_stats.t.interval(0.95, 13, loc=values.mean(), scale=error)
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert (interval.unit, interval.num_units, interval.claim) == ("clip", 14, "general")
    tested = paired_difference(values.tolist(), [0.0] * 14)
    assert tested.p_value == pytest.approx(scipy_stats.ttest_1samp(values, 0).pvalue)


def test_skewed_values_stretch_the_interval_to_their_long_side_alone() -> None:
    values = np.exp(1.2 * RNG.standard_normal(30))
    interval = mean_interval(values.tolist())
    error = values.std(ddof=1) / math.sqrt(30)
    low, high = scipy_stats.t.interval(0.95, 29, loc=values.mean(), scale=error)
    assert interval.low == pytest.approx(low)
    assert interval.high > high + 0.1 * (high - low)
    mirrored = mean_interval((-values).tolist())
    assert (mirrored.low, mirrored.high) == pytest.approx((-interval.high, -interval.low))


def test_an_interval_ends_where_the_metric_does() -> None:
    values = [1.1, 1.3, 1.2, 4.0]
    free, bound = mean_interval(values), mean_interval(values, value_range=(1.0, 4.64))
    assert free.low < 1.0
    assert free.high > 4.64
    assert (bound.low, bound.high) == (1.0, 4.64)
    beyond = mean_interval([0.5, 0.6, 0.4, 0.5], value_range=(1.0, 2.0))
    assert 0.4 <= beyond.low < 0.5 < beyond.high


@pytest.mark.parametrize("sizes", [(1,) * 9, (5, 1, 8, 3, 3, 12)])
def test_p_values_and_intervals_never_contradict_each_other(sizes: tuple[int, ...]) -> None:
    rng, clusters = np.random.default_rng(3), _names(sizes)
    for shift in np.linspace(-1.5, 2.5, 200):
        values = rng.lognormal(0, 1, len(clusters)) - shift
        tested = paired_difference(values.tolist(), [0.0] * len(values), clusters)
        outside = not tested.interval.low <= 0 <= tested.interval.high
        assert (tested.p_value < 0.05) == outside


def test_clips_of_one_speaker_count_as_one() -> None:
    speakers = RNG.normal(0, 1, 20)
    values, names = np.repeat(speakers, 10), _names((10,) * 20)
    clustered, independent = mean_interval(values.tolist(), names), mean_interval(values.tolist())
    assert (clustered.unit, clustered.num_units) == ("speaker", 20)
    expected = mean_interval(speakers.tolist())
    assert (clustered.low, clustered.high) == pytest.approx((expected.low, expected.high))
    assert clustered.high - clustered.low > 2.5 * (independent.high - independent.low)


def test_the_error_of_unequal_speakers_is_the_jackknifes() -> None:
    values, names = RNG.normal(size=36), np.array(_names((1, 3, 7, 20, 5)))
    left_out = np.array([values[names != name].mean() for name in np.unique(names)])
    error = math.sqrt(4 / 5 * float(((left_out - values.mean()) ** 2).sum()))
    weights = np.array([1, 3, 7, 20, 5]) / 36
    residuals = np.eye(5) - weights[None]
    form = residuals.T @ np.diag((weights / (1 - weights)) ** 2) @ residuals
    freedom = np.trace(form) ** 2 / np.trace(form @ form)
    half = scipy_stats.t.ppf(0.975, freedom) * error
    found = mean_interval(values.tolist(), names.tolist())
    closer = min(found.high - values.mean(), values.mean() - found.low)
    assert closer == pytest.approx(half)


def test_clips_of_unknown_speakers_stand_for_themselves() -> None:
    values = RNG.normal(size=12).tolist()
    mixed = mean_interval(values, ["a"] * 4 + ["b"] * 4 + [""] * 4)
    assert (mixed.unit, mixed.num_units) == ("speaker or clip", 6)
    assert mean_interval(values, [""] * 12) == mean_interval(values)


@pytest.mark.parametrize(
    ("speakers", "claim", "units"),
    [
        (["a"] * 12, "one speaker", 12),
        (["a"] * 3, "too few", 3),
        (["a", "b"] * 6, "too few", 2),
        (["a", "b", "c"] * 4, "too few", 3),
        (["a"] * 11 + [""], "too few", 2),
        (["a", "b", "c", "d"] * 3, "general", 4),
        ([""] * 4, "general", 4),
        ([""] * 3, "too few", 3),
    ],
)
def test_an_interval_says_what_it_holds_for(speakers: list[str], claim: str, units: int) -> None:
    values = RNG.normal(5, 1, len(speakers)).tolist()
    found = paired_difference(values, [0.0] * len(values), speakers)
    assert (found.interval.claim, found.interval.num_units) == (claim, units)
    assert found.interval.low < found.mean < found.interval.high
    assert math.isnan(found.p_value) == math.isnan(found.p_wilcoxon) == (claim == "too few")


@pytest.mark.parametrize("values", [[], [1.0]])
def test_nothing_is_said_of_fewer_than_two(values: list[float]) -> None:
    interval = mean_interval(values)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert interval.claim == "too few"
    assert math.isnan(paired_difference(values, values).p_value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_by_name(bad: float) -> None:
    scores = [1.0, 2.0, bad, 4.0]
    with pytest.raises(ValueError, match=r"score 3 of 4 is -?(nan|inf), not a finite number"):
        mean_interval(scores)
    with pytest.raises(ValueError, match="score 3 of 4"):
        paired_difference(scores, [0.0] * 4)
    with pytest.raises(ValueError, match="score 3 of 4"):
        paired_difference([0.0] * 4, scores)
    with pytest.raises(ValueError, match="score 3 of 4"):
        rank_intervals([[1.0] * 4, scores], higher_is_better=True)


def test_speakers_and_scores_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="4 scores and 3 speakers; give"):
        mean_interval([1.0, 2.0, 3.0, 4.0], ["a", "b", "c"])
    with pytest.raises(ValueError, match="2 scores against 1"):
        paired_difference([1.0, 2.0], [1.0])


def test_paired_difference_pairs() -> None:
    clips = RNG.normal(0, 10, 30)
    better = paired_difference((clips + 0.5).tolist(), (clips + RNG.normal(0, 0.1, 30)).tolist())
    assert better.n == 30
    assert better.mean == pytest.approx(0.5, abs=0.1)
    assert better.p_value < 1e-6
    assert better.p_wilcoxon < 1e-4
    assert better.interval.low > 0.4


def test_one_sided_tests_share_the_two_sided_one() -> None:
    values = [0.4, -0.1, 0.9, 0.3, 0.6, 0.2]
    zeros = [0.0] * 6
    both = paired_difference(values, zeros).p_value
    greater = paired_difference(values, zeros, alternative="greater").p_value
    assert greater == pytest.approx(both / 2)
    assert paired_difference(values, zeros, alternative="less").p_value > 0.95


def test_equal_scores_differ_by_nothing_even_in_their_last_bits() -> None:
    assert paired_difference([0.1 + 0.2] * 5, [0.3] * 5).p_value == 1.0
    assert paired_difference([2.0] * 5, [1.0] * 5).p_value == 0.0
    assert paired_difference([2.0] * 5, [1.0] * 5, alternative="less").p_value == 1.0


# Of 2,000 repeats three standard errors are 1.5 points.
_DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "t3": lambda rng, shape: rng.standard_t(3, shape),
    "lognormal": lambda rng, shape: rng.lognormal(0, 0.5, shape) - math.exp(0.125),
}


@pytest.mark.parametrize("kind", _DRAWS)
@pytest.mark.parametrize("count", [5, 10])
def test_intervals_of_few_clips_hold_what_they_say(kind: str, count: int) -> None:
    """A percentile bootstrap holds 84 % of 5 normal clips and 90 % of 10."""
    draws = _DRAWS[kind](np.random.default_rng(count), (2000, count))
    assert _coverage(draws, ()) > 0.93


@pytest.mark.parametrize("speakers", [2, 4, 9])
@pytest.mark.parametrize("share", [0.05, 0.7])
@pytest.mark.parametrize("unequal", [False, True])
def test_few_speakers_widen_the_interval_rightly(
    speakers: int, share: float, unequal: bool
) -> None:
    """With clips as the unit, those of share 0.7 held 55 to 62 %."""
    rng = np.random.default_rng(speakers)
    sizes = [2 + 4 * (index % 3) if unequal else 6 for index in range(speakers)]
    which = np.repeat(np.arange(speakers), sizes)
    theirs, own = rng.normal(size=(800, speakers)), rng.normal(size=(800, len(which)))
    draws = math.sqrt(share) * theirs[:, which] + math.sqrt(1 - share) * own
    assert _coverage(draws, _names(sizes)) > 0.93


def _coverage(draws: Array, clusters: Sequence[str]) -> float:
    intervals = [mean_interval(row.tolist(), clusters) for row in draws]
    return float(np.mean([one.low <= 0 <= one.high for one in intervals]))


def test_holm_is_the_stepwise_correction() -> None:
    assert holm([0.01, 0.04, 0.03, math.nan]) == pytest.approx(
        [0.03, 0.06, 0.06, math.nan], nan_ok=True
    )
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"-0.1 is no p-value"):
        holm([0.5, -0.1])


def test_rank_intervals_overlap_where_codecs_tie() -> None:
    clips = RNG.normal(0, 1, 40)
    same = RNG.normal(0, 0.5, (2, 40))
    ranks = rank_intervals([clips + 3, clips + same[0], clips + same[1]], higher_is_better=True)
    assert ranks == [(1, 1), (2, 3), (2, 3)]
    assert rank_intervals([clips, clips], higher_is_better=False) == [(1, 1), (1, 1)]
    ranks = rank_intervals([clips + 3, clips, clips], higher_is_better=False)
    assert ranks == [(3, 3), (1, 1), (1, 1)]


def test_rank_intervals_of_few_speakers_stay_open() -> None:
    """Two speakers of whom each prefers another codec decide nothing, however many clips."""
    pull = np.repeat([1.0, 1.2, -1.1, -0.9], 20) + RNG.normal(0, 0.01, 80)
    ranks = rank_intervals([pull.tolist(), [0.0] * 80], True, _names((20,) * 4))
    assert ranks == [(1, 2), (1, 2)]
