"""Metrics that follow people, contradict them, or have nothing to do with them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from snac_eval.errors import UsageError
from snac_eval.results.agreement.agree import agree
from snac_eval.results.agreement.shapes import KINDS, Agreement, LeftOut
from snac_eval.results.record import clip_result
from snac_eval.types import Fingerprint, Score
from tests.results.agreement.data import CLIPS, CODECS, LISTENERS, changed, qualities, rated, runs

QUALITY = qualities()
NOISE = np.random.default_rng(7).standard_normal((5, *QUALITY.shape))
SCORES = {
    "pesq_wb": 4.5 - QUALITY / 30 + 0.03 * NOISE[0],
    "stoi": 0.5 + 0.01 * NOISE[1],
    "visqol_audio": QUALITY / 25 + 0.03 * NOISE[2],
    "mel_dac_paper": 5 - QUALITY / 30 + 0.2 * NOISE[3],
}
SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}


@pytest.fixture(scope="module")
def found() -> Agreement:
    return agree(runs(SCORES), rated(QUALITY), num_resamples=200)


def test_coefficients_are_scipys_on_the_same_table(found: Agreement) -> None:
    rows = pd.DataFrame([(one.codec, one.clip, one.value) for one in rated(QUALITY).rows])
    means = rows.groupby([0, 1])[2].mean()
    clips = np.array([[means[codec, clip] for clip in CLIPS] for codec in CODECS])
    for metric, scores in SCORES.items():
        one = found.metric(metric)
        assert one is not None
        for kind in KINDS:
            over_clips = SCIPY[kind](scores.ravel(), clips.ravel()).statistic
            over_codecs = SCIPY[kind](scores.mean(axis=1), clips.mean(axis=1)).statistic
            assert one.coefficients["clips"][kind].value == pytest.approx(over_clips, abs=1e-12)
            assert one.coefficients["codecs"][kind].value == pytest.approx(over_codecs, abs=1e-12)


def test_a_codecs_score_is_pooled_where_clips_have_weights() -> None:
    words = dict(zip(CLIPS, np.arange(1.0, 1 + len(CLIPS)), strict=True))
    made = []
    for run in runs({"stoi": SCORES["stoi"]}):
        result = replace(run.metrics["stoi"], weights=words)
        made.append(replace(run, metrics={"stoi": result}))
    one = agree(made, rated(QUALITY), num_resamples=200).metric("stoi")
    assert one is not None
    pooled = SCORES["stoi"] @ np.array([*words.values()]) / sum(words.values())
    assert [point.score for point in one.points["codecs"]] == pytest.approx(pooled)
    for coefficient in one.coefficients["codecs"].values():
        assert coefficient.low <= coefficient.value <= coefficient.high


def test_best_first_and_every_interval_holds_its_value(found: Agreement) -> None:
    names = [one.metric for one in found.metrics]
    assert set(names[:2]) == {"visqol_audio", "mel_dac_paper"}
    assert names[2:] == ["stoi", "pesq_wb"]
    for one in found.metrics:
        for level in one.coefficients.values():
            for coefficient in level.values():
                assert -1 <= coefficient.low <= coefficient.value <= coefficient.high <= 1
    assert (found.num_clips, found.num_listeners) == (len(CLIPS), len(LISTENERS))
    assert found.num_ratings == len(rated(QUALITY).rows)
    assert found.data == "up.csv"


def test_points_say_what_stands_behind_a_coefficient(found: Agreement) -> None:
    one = found.metrics[0]
    first, best = one.points["clips"][0], one.points["codecs"][0]
    assert (first.codec, first.clip, first.num_ratings) == ("best", CLIPS[0], 7)
    values = [
        row.value for row in rated(QUALITY).rows if (row.codec, row.clip) == ("best", CLIPS[0])
    ]
    low, high = stats.t.interval(0.95, 6, np.mean(values), stats.sem(values))
    assert (first.rating_low, first.rating_high) == pytest.approx((low, high))
    assert (best.codec, best.clip, best.num_ratings) == ("best", "", 49)
    assert best.rating_low < best.rating < best.rating_high


def test_pairs_are_ordered_rightly_wrongly_or_not_at_all(found: Agreement) -> None:
    by_name = {one.metric: one.pairs for one in found.metrics}
    assert by_name["visqol_audio"].right == by_name["visqol_audio"].total == 10
    assert by_name["pesq_wb"].wrong == 10
    assert by_name["pesq_wb"].wrong_pairs[0] == ("best", "good")
    assert by_name["stoi"].tied >= 8


def test_the_words_follow_the_intervals(found: Agreement) -> None:
    said = {one.metric: one.sentence for one in found.metrics}
    assert said["visqol_audio"].startswith("ranks clips of these codecs much as listeners do (")
    assert "a negative coefficient is agreement" in said["mel_dac_paper"]
    assert said["pesq_wb"].startswith("ranks clips of these codecs much against listeners (")
    assert said["pesq_wb"].endswith(
        "0 rightly, 10 wrongly and 0 not at all). Its coefficients are negative: what it scores"
        " higher, listeners rate lower."
    )
    assert said["stoi"].startswith("is not shown to rank clips of these codecs as listeners do")


def test_differences_are_of_all_pairs_corrected_together(found: Agreement) -> None:
    assert len(found.differences) == 6
    top = found.differences[0]
    assert (top.second, top.p_holm < 0.01) == ("pesq_wb", True)
    assert 0 < top.low < top.difference < top.high
    assert all(one.p_value <= one.p_holm and one.difference >= 0 for one in found.differences)
    pairs = {frozenset((one.first, one.second)): one for one in found.differences}
    assert pairs[frozenset(("visqol_audio", "mel_dac_paper"))].difference < 0.1


def test_the_mapping_is_of_points_and_of_codecs(found: Agreement) -> None:
    best, worst = found.metric("visqol_audio"), found.metric("pesq_wb")
    assert best is not None
    assert worst is not None
    assert best.mapped["clips"].rmse_star < best.mapped["clips"].rmse < 6
    assert worst.mapped["clips"].rmse == pytest.approx(
        math.sqrt(36 / 36 * np.var([p.rating for p in worst.points["clips"]]) * 40 / 36)
    )
    assert len(best.mapped["codecs"].coefficients) == 4


def test_the_same_seed_gives_the_same_result(found: Agreement) -> None:
    again = agree(runs(SCORES), rated(QUALITY), num_resamples=200, metrics=["stoi"])
    one, other = again.metric("stoi"), found.metric("stoi")
    assert one is not None
    assert other is not None
    assert one.coefficients == other.coefficients


def test_reference_and_anchors_are_in_by_flag_and_need_runs() -> None:
    ratings = rated(QUALITY, [("ref", "reference", 95.0), ("low", "anchor", 10.0)])
    of_codecs = runs(SCORES)
    assert agree(of_codecs, ratings, num_resamples=100).left_out == (
        LeftOut("codec", "ref", "the reference, which was not asked for"),
        LeftOut("codec", "low", "the anchor, which was not asked for"),
    )
    with_run = [*of_codecs, replace(of_codecs[0], codec="ref", manifest={}, name="r")]
    both = agree(with_run, ratings, num_resamples=100, with_reference=True, with_anchors=True)
    assert both.codecs == (*CODECS, "ref")
    assert both.left_out == (LeftOut("codec", "low", "the anchor; no run of it"),)


def test_clips_without_a_score_are_counted_and_differences_are_of_those_of_both() -> None:
    of_codecs = runs({name: SCORES[name] for name in ("pesq_wb", "visqol_audio")})
    values = dict(of_codecs[1].metrics["pesq_wb"].values)
    gone = {clip: Score(None, "error", "it crashed") for clip in CLIPS[:2]}
    for clip in gone:
        del values[clip]
    lossy = clip_result(of_codecs[1].info("pesq_wb"), values, gone)
    of_codecs[1] = changed(of_codecs[1], lossy)
    found = agree(of_codecs, rated(QUALITY), num_resamples=100)
    one = found.metric("pesq_wb")
    assert one is not None
    assert one.left_out == {"good: error: it crashed": 2}
    assert [len(one.points[level]) for level in ("clips", "codecs")] == [38, 5]
    assert one.points["codecs"][0].num_ratings == 36
    assert len(found.differences) == 1


def test_what_cannot_be_held_against_ratings_says_why() -> None:
    of_codecs = runs({"stoi": SCORES["stoi"], "pesq_wb": SCORES["pesq_wb"]})
    missing = {clip: Score(None, "undefined", "silent") for clip in CLIPS}
    of_codecs = [changed(run, clip_result(run.info("stoi"), {}, missing)) for run in of_codecs]
    found = agree(of_codecs, rated(QUALITY), num_resamples=100)
    assert found.metrics[-1].problem == "no score of a rated clip (best: undefined: silent)"
    assert found.metrics[-1].sentence.startswith("cannot be held against the ratings: no score")
    pesq = of_codecs[1].metrics["pesq_wb"]
    other = replace(pesq, info=replace(pesq.info, fingerprint=Fingerprint(("pesq_wb", "v=2"))))
    mixed = agree([of_codecs[0], changed(of_codecs[1], other)], rated(QUALITY), metrics=["pesq_wb"])
    assert mixed.metrics[0].problem.startswith("measured in two ways")


def test_bad_input_is_refused_in_one_line() -> None:
    of_codecs = runs({"stoi": SCORES["stoi"]})
    with pytest.raises(UsageError, match="did you mean 'stoi'"):
        agree(of_codecs, rated(QUALITY), metrics=["stoy"])
    with pytest.raises(UsageError, match="20 resamples: an interval needs 100"):
        agree(of_codecs, rated(QUALITY), num_resamples=20)
    strangers = [replace(of_codecs[0], codec="a", manifest={}, name="b")]
    with pytest.raises(UsageError, match=r"no rated codec \(best, .*--map RATED=RUN"):
        agree(strangers, rated(QUALITY))


def test_a_single_codec_has_clips_alone() -> None:
    one = agree(runs({"visqol_audio": SCORES["visqol_audio"]})[:1], rated(QUALITY)).metrics[0]
    found = one.coefficients["clips"]["spearman"]
    assert -0.9 < found.low < found.value < found.high <= 1
    assert math.isnan(one.coefficients["codecs"]["spearman"].value)
    assert one.mapped["codecs"].reason == "1 point; the mapping has 4 coefficients"
    assert "listeners tell no two codecs apart" in one.sentence


def test_few_clips_and_single_ratings_have_no_more_than_they_can() -> None:
    of_codecs = runs({"visqol_audio": SCORES["visqol_audio"]})
    ratings = rated(QUALITY)
    first = [row for row in ratings.rows if row.clip in CLIPS[1:4]]
    few = agree(of_codecs, replace(ratings, rows=tuple(first)), num_resamples=100)
    assert few.notes == (
        "Too few clips for intervals over clips and codecs: 3 clips; they need 4.",
    )
    assert "has too few clips to tell" in few.metrics[0].sentence
    single = tuple(row for row in ratings.rows if row.listener == LISTENERS[-1])
    one = agree(of_codecs, replace(ratings, rows=single), num_resamples=100)
    assert one.notes[0].startswith("Every clip of a codec has one rating")
    assert math.isnan(one.metrics[0].mapped["clips"].rmse_star)
    assert one.metrics[0].coefficients["clips"]["pearson"].low > 0
