"""Intervals that hold what they say, from resamples that say what a clip and a listener are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from snac_eval.results.agreement import intervals, resampling
from snac_eval.results.agreement.coefficients import correlation
from snac_eval.results.agreement.intervals import (
    noise_factor,
    over_clips,
    quantile,
    standard_error,
)
from snac_eval.results.agreement.points import Points
from snac_eval.results.agreement.resampling import draw, replicates

Array = NDArray[np.float64]
CODECS, CLIPS, LISTENERS = 7, 12, 10


def made(rng: np.random.Generator, noise: float, clips: int = CLIPS) -> tuple[Points, Array]:
    """Qualities ``[points]`` of variance 1, rated by ten listeners, of whom each has an offset."""
    at = np.arange(CODECS * clips)
    quality = rng.standard_normal(len(at))
    said = quality[:, None] + rng.standard_normal(LISTENERS)
    said = said + noise * rng.standard_normal(said.shape)
    points = Points(
        codecs=tuple(map(str, range(CODECS))),
        clips=tuple(map(str, range(clips))),
        listeners=tuple(map(str, range(LISTENERS))),
        codec=at // clips,
        clip=at % clips,
        row_point=np.repeat(at, LISTENERS),
        row_listener=np.tile(np.arange(LISTENERS), len(at)),
        row_value=said.ravel(),
    )
    return points, quality


def test_intervals_hold_a_known_correlation() -> None:
    """``benchmarks/agreement_simulation.py`` measures it closely; this sees what goes astray."""
    rho, noise, repeats = np.array([0.0, 0.6, 0.9]), 1.0, 40
    panel = rho / math.sqrt(1 + noise**2 / LISTENERS)
    rng, held = np.random.default_rng(11), np.zeros((2, 3))
    for seed in range(repeats):
        points, quality = made(rng, noise)
        errors = rng.standard_normal((3, len(quality)))
        scores = rho[:, None] * quality + np.sqrt(1 - rho[:, None] ** 2) * errors
        found = replicates(points, scores, 100, seed, ("pearson",))
        for metric, row in enumerate(scores):
            value = correlation("pearson", row, points.means())
            one = over_clips(value, found, "pearson", metric, points)
            held[0, metric] += one.low <= panel[metric] <= one.high
            held[1, metric] += one.low <= rho[metric] <= one.high
    # A binomial of 120 at 0.95 is below 105 once in 2,000 times.
    assert held.sum(axis=1).min() >= 105
    assert held.min() >= 33


def test_what_the_noise_of_few_listeners_takes() -> None:
    points, _ = made(np.random.default_rng(0), 1.5, clips=60)
    found = replicates(points, points.means()[None], 100, 0, ("pearson",))
    expected = math.sqrt(1 / (1 + 1.5**2 / LISTENERS))
    assert noise_factor(found.panels[0], LISTENERS) == pytest.approx(expected, abs=0.02)
    assert noise_factor(found.panels[0], 1) == 1


def test_standard_errors_are_those_of_a_two_way_clustered_mean() -> None:
    """A mean stands in for the coefficients: its variance is known."""
    rng = np.random.default_rng(5)
    points, _ = made(rng, 0.0, clips=40)
    of_clip, of_listener = rng.standard_normal(40), 0.5 * rng.standard_normal(LISTENERS)
    values = of_clip[points.row_clip] + of_listener[points.row_listener]
    weights = draw(points, 1000, rng)
    clips = points.clip[points.row_point]
    times = {"clips": weights.clips[clips], "listeners": weights.listeners}
    resampled = {name: values @ one / one.sum(axis=0) for name, one in times.items()}
    resampled["within clips"] = values @ weights.within / weights.within.sum(axis=0)
    error, freedom = standard_error(resampled, points)  # type: ignore[arg-type]
    expected = math.sqrt(np.var(of_clip, ddof=1) / 40 + np.var(of_listener, ddof=1) / LISTENERS)
    assert error == pytest.approx(expected, rel=0.1)
    assert 15 < freedom < 48


def test_a_resample_is_of_clips_and_of_listeners() -> None:
    points, _ = made(np.random.default_rng(0), 1.0)
    weights = draw(points, 50, np.random.default_rng(1))
    assert (weights.clips.sum(axis=0) == CLIPS).all()
    by_listener = weights.listeners.reshape(CODECS * CLIPS, LISTENERS, 50)
    assert (by_listener == by_listener[0]).all()
    assert (by_listener[0].sum(axis=0) == LISTENERS).all()
    within = weights.within.reshape(CODECS, CLIPS, LISTENERS, 50)
    assert (within == within[0]).all()
    assert (within[0].sum(axis=1) == LISTENERS).all()
    assert (within[0, 0] != within[0, 1]).any()


def test_bounds_apart_are_reached_beyond_by_less() -> None:
    near, far = (intervals._imbens_manski(distance, 11.0) for distance in (0.0, 50.0))
    assert near == pytest.approx(quantile(11)) == pytest.approx(stats.t.ppf(0.975, 11))
    assert far == pytest.approx(stats.t.ppf(0.95, 11))


def test_of_many_points_kendall_is_resampled_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    points, quality = made(np.random.default_rng(2), 1.0, clips=5)
    scores = (quality + np.random.default_rng(3).standard_normal(len(quality)))[None]
    at_once = replicates(points, scores, 20, 0, ("kendall",))
    monkeypatch.setattr(resampling, "_MANY", 3)
    one_by_one = replicates(points, scores, 20, 0, ("kendall",))
    for key, values in at_once.clips.items():
        assert one_by_one.clips[key] == pytest.approx(values, abs=1e-6)


def test_chunks_are_watched_and_change_nothing() -> None:
    points, quality = made(np.random.default_rng(2), 1.0, clips=5)
    seen: list[int] = []

    def watch(chunks: object) -> list[int]:
        seen.extend(chunks)  # type: ignore[call-overload]
        return seen

    found = replicates(points, quality[None], 150, 0, ("pearson",), watch)
    assert len(seen) == 2
    assert found.codecs["pearson"].shape == (1, 150)


def test_some_points_alone() -> None:
    points, _ = made(np.random.default_rng(2), 1.0)
    there = (points.clip != 3) & (points.codec < 2)
    own = points.only(there)
    assert own.clips == tuple(clip for clip in points.clips if clip != "3")
    assert own.means() == pytest.approx(points.means()[there])
    assert own.count == 22
