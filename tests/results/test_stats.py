"""Intervals and tests against closed forms, scipy and known truths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from snac_eval.results.stats import (
    holm,
    mean_interval,
    paired_difference,
    rank_intervals,
    sign_flip_test,
)

RNG = np.random.default_rng(0)


def test_t_interval_of_clips_is_the_textbooks() -> None:
    values = RNG.normal(3, 2, 25)
    interval = mean_interval(values.tolist())
    low, high = scipy_stats.t.interval(0.95, 24, loc=values.mean(), scale=values.std(ddof=1) / 5)
    assert (interval.t_low, interval.t_high) == pytest.approx((low, high))
    assert interval.unit == "clip"
    assert interval.num_units == 25
    assert interval.low == pytest.approx(low, abs=0.2)
    assert interval.high == pytest.approx(high, abs=0.2)
    assert interval == mean_interval(values.tolist())


def test_clips_of_one_speaker_count_as_one() -> None:
    speakers = RNG.normal(0, 1, 20)
    values = np.repeat(speakers, 10)
    names = [str(index) for index in range(20) for _ in range(10)]
    clustered, independent = mean_interval(values.tolist(), names), mean_interval(values.tolist())
    assert clustered.unit == "speaker"
    assert clustered.num_units == 20
    expected = mean_interval(speakers.tolist())
    assert (clustered.t_low, clustered.t_high) == pytest.approx((expected.t_low, expected.t_high))
    assert clustered.high - clustered.low > 2.5 * (independent.high - independent.low)


def test_too_few_speakers_leave_the_clips_as_units() -> None:
    values = RNG.normal(size=40).tolist()
    few = mean_interval(values, [str(index % 4) for index in range(40)])
    unknown = mean_interval(values, [""] * 40)
    assert few == unknown == mean_interval(values)
    assert few.unit == "clip"


@pytest.mark.parametrize("values", [[], [1.0]])
def test_nothing_is_said_of_fewer_than_two(values: list[float]) -> None:
    interval = mean_interval(values)
    assert math.isnan(interval.low)
    assert math.isnan(interval.t_high)
    assert math.isnan(sign_flip_test(values))


def test_sign_flips_are_exact_for_few_units() -> None:
    assert sign_flip_test([1.0, 1.0, 1.0]) == 2 / 8
    assert sign_flip_test([1.0, 1.0, 1.0], alternative="greater") == 1 / 8
    assert sign_flip_test([1.0, 1.0, 1.0], alternative="less") == 1.0
    assert sign_flip_test([0.0] * 5) == 1.0
    data = RNG.normal(0.4, 1, 10)
    theirs = scipy_stats.permutation_test(
        (data,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_test(data) == pytest.approx(theirs.pvalue)


def test_many_units_agree_with_the_t_test() -> None:
    data = RNG.normal(0.2, 1, 150)
    assert sign_flip_test(data) == pytest.approx(scipy_stats.ttest_1samp(data, 0).pvalue, abs=0.01)
    assert sign_flip_test(data + 5) == pytest.approx(1e-4)


def test_paired_difference_pairs() -> None:
    clips = RNG.normal(0, 10, 30)
    better = paired_difference((clips + 0.5).tolist(), (clips + RNG.normal(0, 0.1, 30)).tolist())
    assert better.n == 30
    assert better.mean == pytest.approx(0.5, abs=0.1)
    assert better.p_value == pytest.approx(1e-4)
    assert better.p_wilcoxon < 1e-4
    assert better.interval.low > 0.4
    with pytest.raises(ValueError, match="2 scores against 1"):
        paired_difference([1.0, 2.0], [1.0])


def test_the_test_keeps_its_level_with_and_without_speakers() -> None:
    rng, clusters = np.random.default_rng(1), [str(index // 4) for index in range(48)]
    speakers = rng.normal(0, 1, (300, 12)).repeat(4, axis=1)
    differences = speakers + rng.normal(0, 1, (300, 48))
    zeros = [0.0] * 48
    clustered = [paired_difference(row.tolist(), zeros, clusters).p_value for row in differences]
    naive = [paired_difference(row.tolist(), zeros).p_value for row in differences]
    assert np.mean(np.array(clustered) < 0.05) < 0.09
    assert np.mean(np.array(naive) < 0.05) > 0.12


def test_holm_is_the_stepwise_correction() -> None:
    assert holm([0.01, 0.04, 0.03, math.nan]) == pytest.approx(
        [0.03, 0.06, 0.06, math.nan], nan_ok=True
    )
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_rank_intervals_overlap_where_codecs_tie() -> None:
    clips = RNG.normal(0, 1, 40)
    same = RNG.normal(0, 0.5, (2, 40))
    ranks = rank_intervals([clips + 3, clips + same[0], clips + same[1]], higher_is_better=True)
    assert ranks[0] == (1, 1)
    assert ranks[1][0] == 2
    assert ranks[1] == ranks[2] == (2, 3)
    assert rank_intervals([clips, clips], higher_is_better=False) == [(1, 1), (1, 1)]
