"""A rate that is pooled over words: one number everywhere, with an interval that is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snac_eval.errors import StoreError
from snac_eval.metrics.checks import checked
from snac_eval.metrics.waveform import SiSdr
from snac_eval.reports.checks import check_markdown
from snac_eval.reports.compact import compact_grid
from snac_eval.reports.grid import plain_values
from snac_eval.reports.html.groups import show
from snac_eval.reports.html.tables import breakdown_table
from snac_eval.reports.paper import paper_grid
from snac_eval.reports.summary import summary_markdown
from snac_eval.reports.verdicts import comparison_markdown
from snac_eval.results.baseline import load_baseline, write_baseline
from snac_eval.results.compare import compare
from snac_eval.results.curves import panels
from snac_eval.results.frames import summary_frame
from snac_eval.results.gate import check
from snac_eval.results.parts import stands_out
from snac_eval.results.ranking import frontiers, ranks
from snac_eval.results.record import Run, read_run
from snac_eval.results.stats import (
    _Mean,
    mean_interval,
    mean_of,
    paired_difference,
    rank_intervals,
)
from snac_eval.results.tolerances import Tolerance, Tolerances
from snac_eval.types import Score
from tests.runs import noisy, write_run

METRIC = "word_error_rate"
SPEAKERS = [f"speaker{index // 4}" for index in range(24)]


def sentences(share: float, seed: int) -> tuple[list[str], list[str]]:
    """What was said on 24 clips of 3 to 40 words, and what was heard: so many of them otherwise."""
    lengths = np.random.default_rng(0).integers(3, 41, 24)
    rng = np.random.default_rng(seed)
    said = [[f"word{place}" for place in range(length)] for length in lengths]
    heard = [
        ["other" if rng.random() < share * (1 + index % 3) else word for word in words]
        for index, words in enumerate(said)
    ]
    return [" ".join(one) for one in said], [" ".join(one) for one in heard]


def recognised(folder: Path, share: float, seed: int) -> tuple[Run, float]:
    """A run of those sentences, and jiwer's word error rate of all of them together, in percent."""
    jiwer = pytest.importorskip("jiwer", reason="needs the extra wer")
    said, heard = sentences(share, seed)
    rates = [100 * jiwer.wer(one, other) for one, other in zip(said, heard, strict=True)]
    scores = {METRIC: rates, "bitrate": noisy(1.0 + share, 0.01, 24), "stoi": noisy(0.9, 0.01, 24)}
    words = {METRIC: [float(len(one.split())) for one in said]}
    write_run(folder, scores, codec=folder.name, speakers=SPEAKERS, words=words)
    return read_run(folder), 100 * jiwer.wer(said, heard)


def test_every_reader_prints_the_rate_of_all_words(tmp_path: Path) -> None:
    found = [recognised(tmp_path / name, s, i) for i, (name, s) in enumerate(SHARES.items())]
    runs, rates = [run for run, _ in found], [rate for _, rate in found]
    first, second, _ = runs
    assert abs(rates[0] - np.mean(list(first.metrics[METRIC].values.values()))) > 0.3

    printed: dict[str, list[float]] = {"record": [run.metrics[METRIC].mean for run in runs]}
    printed["summary"] = [
        float(summary_frame(run).set_index("metric").loc[METRIC, "mean"]) for run in runs
    ]
    (word_panel,), _, _ = panels(runs, [METRIC], "bitrate")
    printed["figure"] = sorted(point.mean for point in word_panel.points)
    drawn, _ = frontiers(runs, [METRIC])
    printed["frontier"] = [point.quality for point in drawn[0].points]
    for name, grid in (("table", paper_grid(runs)), ("compact", compact_grid(runs))):
        rows = (plain_values(grid, row) for row in grid.rows)
        printed[name] = sorted(float(row[METRIC]) for row in rows)
    tolerances = Tolerances(metrics={METRIC: Tolerance(1.0)})
    differences = compare(runs, tolerances, [METRIC]).differences
    printed["compare"] = [differences[0].mean_first, *(one.mean_second for one in differences[:2])]
    for name, numbers in printed.items():
        assert numbers == pytest.approx(rates), name
    one = differences[0]
    assert one.difference == pytest.approx(rates[0] - rates[1])

    write_baseline(first, tmp_path / "baseline.json", [METRIC])
    (checked_one,) = check(second, load_baseline(tmp_path / "baseline.json"), tolerances).checks
    assert checked_one.baseline_mean == pytest.approx(rates[0], rel=1e-5)
    assert checked_one.run_mean == pytest.approx(rates[1], rel=1e-5)
    assert checked_one.drop == pytest.approx(rates[1] - rates[0], rel=1e-4)


SHARES = {"good": 0.05, "fair": 0.1, "poor": 0.2}


def test_the_page_and_the_parts_of_a_check_pool_as_well(tmp_path: Path) -> None:
    jiwer = pytest.importorskip("jiwer", reason="needs the extra wer")
    run, _ = recognised(tmp_path / "good", SHARES["good"], 7)
    other, _ = recognised(tmp_path / "poor", SHARES["poor"], 7)
    said, heard = sentences(SHARES["good"], 7)
    mine = [index for index, speaker in enumerate(SPEAKERS) if speaker == "speaker2"]
    expected = 100 * jiwer.wer([said[index] for index in mine], [heard[index] for index in mine])
    grid = breakdown_table(show([run]), "speaker")
    assert grid is not None
    place = [column.name for column in grid.columns].index(METRIC)
    row = next(row for row in grid.rows if row[0].text == "speaker2")
    assert row[place].key == pytest.approx(expected)
    write_baseline(run, tmp_path / "baseline.json", [METRIC])
    tolerances = Tolerances(metrics={METRIC: Tolerance(1.0)})
    result = check(other, load_baseline(tmp_path / "baseline.json"), tolerances)
    part = next(one for one in result.parts if one.part == "speaker speaker2")
    assert part.baseline_mean == pytest.approx(expected, rel=1e-5)
    assert part.drop == pytest.approx(part.run_mean - part.baseline_mean)


def test_it_is_said_that_a_mean_is_pooled(tmp_path: Path) -> None:
    one, _ = recognised(tmp_path / "good", SHARES["good"], 7)
    other, _ = recognised(tmp_path / "poor", SHARES["poor"], 7)
    said = f"Pooled over words, not a mean of clips: {METRIC}."
    tolerances = Tolerances(metrics={METRIC: Tolerance(1.0), "stoi": Tolerance(0.01)})
    assert said in summary_markdown(one)
    assert said in comparison_markdown(compare([one, other], tolerances))
    assert said in check_markdown(check(one, other, tolerances))
    assert said in paper_grid([one, other]).notes
    assert "Pooled" not in check_markdown(check(one, other, tolerances, ["stoi"]))


def test_a_baseline_without_the_weights_is_no_baseline_of_it(tmp_path: Path) -> None:
    run, _ = recognised(tmp_path / "run", 0.1, 1)
    path = tmp_path / "baseline.json"
    write_baseline(run, path, [METRIC])
    assert load_baseline(path).metrics[METRIC].weights == run.metrics[METRIC].weights
    text = path.read_text()
    path.write_text(text.replace('"weights"', '"wights"'))
    with pytest.raises(StoreError, match="has not a weight for each of its scores"):
        load_baseline(path)
    path.write_text(text.replace('"weights": {\n    "clip000": ', '"weights": {\n    "clip000": -'))
    with pytest.raises(StoreError, match=r"'clip000' has the weight -"):
        load_baseline(path)


def jackknife(rate: Any, units: list[Any]) -> float:  # noqa: ANN401 - a function of units left in
    whole = rate(units)
    moved = [rate(units[:out] + units[out + 1 :]) - whole for out in range(len(units))]
    return float(np.sqrt((1 - 1 / len(units)) * np.sum(np.square(moved))))


def test_the_error_is_the_jackknife_of_the_ratio() -> None:
    rng = np.random.default_rng(3)
    words = rng.integers(1, 50, 40).astype(float)
    rates = rng.normal(20.0, 3.0, 40)
    who = np.sort(rng.integers(0, 6, 40))
    clips = np.array([rates, words]).T
    for names, units in (
        ([], [clips[index : index + 1] for index in range(40)]),
        ([f"speaker{one}" for one in who], [clips[who == one] for one in range(6)]),
    ):
        found = _Mean.of(rates, names, words)
        assert found.mean == pytest.approx(np.sum(rates * words) / words.sum())
        rate = lambda left: mean_of(*np.concatenate(left).T)  # noqa: E731
        assert found.error == pytest.approx(jackknife(rate, units))
        interval = mean_interval(rates.tolist(), names, weights=words.tolist())
        assert interval.low < found.mean - 1.96 * found.error
        assert interval.high > found.mean + 1.96 * found.error


def test_a_difference_of_rates_that_count_other_words() -> None:
    rng = np.random.default_rng(4)
    ours, theirs = rng.normal(20, 3, 30), rng.normal(22, 3, 30)
    words = rng.integers(5, 40, 30).astype(float)
    others = words + rng.integers(0, 3, 30)
    found = paired_difference(ours.tolist(), theirs.tolist(), (), "two-sided", words, others)
    assert found.mean == pytest.approx(mean_of(ours, words) - mean_of(theirs, others))

    def difference(left: list[tuple[float, ...]]) -> float:
        first, second, own, other = np.array(left).T
        return float(np.average(first, weights=own) - np.average(second, weights=other))

    error = jackknife(difference, list(zip(ours, theirs, words, others, strict=True)))
    same = paired_difference(ours.tolist(), theirs.tolist(), (), "two-sided", words)
    width, usual = (one.interval.high - one.interval.low for one in (found, same))
    first, second, own, _ = np.array(list(zip(ours, theirs, words, others, strict=True))).T
    alike = jackknife(difference, list(zip(first, second, own, own, strict=True)))
    assert width / usual == pytest.approx(error / alike, rel=0.02)


def test_clips_that_count_alike_are_counted_as_ever() -> None:
    rng = np.random.default_rng(5)
    values, others = rng.lognormal(0, 1, 40).tolist(), rng.lognormal(0, 1, 40).tolist()
    who = [f"speaker{index}" for index in rng.integers(0, 9, 40)]
    ones = [1.0] * 40
    assert mean_of(values, ones) == mean_of(values) == float(np.mean(values))
    assert mean_interval(values, who, weights=ones) == mean_interval(values, who)
    pooled = paired_difference(values, others, who, "less", ones, ones)
    assert pooled == paired_difference(values, others, who, "less")
    assert rank_intervals([values, others], True, who, [ones, ones]) == rank_intervals(
        [values, others], True, who
    )
    groups = [np.arange(index, 40, 5) for index in range(5)]
    drops = np.array(values)
    scaled = [stands_out(drops, groups, 1.0, np.full(40, weight)) for weight in (1.0, 8.0)]
    assert scaled[0] == pytest.approx(scaled[1])


def test_a_clip_of_many_words_decides_who_is_ahead(tmp_path: Path) -> None:
    words = {METRIC: [100.0] + [1.0] * 23}
    for name, long in (("a", 5.0), ("b", 20.0), ("c", 30.0)):
        rest = noisy(10.0 - long / 10, 0.5, 23, seed=int(long))
        write_run(tmp_path / name, {METRIC: [long, *rest]}, codec=name, words=words)
    runs = [read_run(tmp_path / name) for name in "abc"]
    means = [run.metrics[METRIC].mean for run in runs]
    assert means == sorted(means)
    clipwise = [float(np.mean(list(run.metrics[METRIC].values.values()))) for run in runs]
    assert clipwise != sorted(clipwise)
    (found,) = ranks(runs, [METRIC])
    assert found.intervals == {"a": (1, 3), "b": (1, 3), "c": (1, 3)}  # one clip shows nothing


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0, 2.0, 1.0], [1.0, float("nan"), 2.0, 1.0]])
def test_weights_that_are_none(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        mean_interval([1.0, 2.0, 3.0, 4.0], weights=weights)


def test_a_metric_must_say_what_it_weighs_by() -> None:
    info = SiSdr().info
    refused = checked(info, Score.ok(1.0, weight=3))
    assert refused.status == "error"
    assert "its info does not say of what" in refused.reason
    for weight in (0.0, -1.0, float("inf"), "3"):
        assert "whose weight is" in checked(info, Score(1.0, weight=weight)).reason  # type: ignore[arg-type]
