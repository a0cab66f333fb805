"""Verdicts of comparisons on scores whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from snac_eval.errors import UsageError
from snac_eval.reports.verdicts import comparison_csv, comparison_markdown
from snac_eval.results.compare import Comparison, Difference, compare
from snac_eval.results.record import read_run
from snac_eval.results.stats import holm, paired_difference
from snac_eval.results.tolerances import load_tolerances
from tests.runs import noisy, shifted, write_run

PESQ = noisy(2.5, 0.4, 20)
MEL = noisy(1.0, 0.1, 20, seed=5)
RATE = [6.0] * 20
SPEED = noisy(0.1, 0.005, 20, seed=6)


def _compare(
    tmp_path: Path, *runs: dict[str, list[float]], metrics: tuple[str, ...] = ()
) -> Comparison:
    folders = [
        write_run(tmp_path / f"r{index}", scores, codec=f"codec{index}")
        for index, scores in enumerate(runs)
    ]
    return compare([read_run(folder) for folder in folders], load_tolerances(), metrics)


def _by_metric(result: Comparison) -> dict[str, Difference]:
    return {one.metric: one for one in result.differences}


def test_better_worse_and_neither_follow_the_metrics_direction(tmp_path: Path) -> None:
    first = {"pesq_wb": PESQ, "mel_dac_paper": MEL, "stoi": [0.9] * 20, "bitrate": RATE}
    second = {
        "pesq_wb": shifted(PESQ, 0.3, 0.1),
        "mel_dac_paper": shifted(MEL, 0.1, 0.02),
        "stoi": [0.9] * 20,
        "bitrate": [12.0] * 20,
    }
    found = _by_metric(_compare(tmp_path, first, second))
    assert found["pesq_wb"].verdict == "worse"
    assert found["mel_dac_paper"].verdict == "better"
    assert found["stoi"].verdict == "no difference shown"
    assert found["bitrate"].verdict == "different"
    assert found["pesq_wb"].difference == pytest.approx(-0.3)
    assert found["pesq_wb"].low < -0.3 < found["pesq_wb"].high
    assert found["bitrate"].difference == pytest.approx(-0.5)
    assert found["bitrate"].relative


def test_p_values_are_corrected_over_metrics_and_pairs(tmp_path: Path) -> None:
    columns = [noisy(2.5, 0.4, 12, seed) for seed in range(3)]
    result = _compare(tmp_path, *({"pesq_wb": one, "stoi": one} for one in columns))
    assert [(one.first, one.second) for one in result.differences[::2]] == [
        ("codec0", "codec1"),
        ("codec0", "codec2"),
        ("codec1", "codec2"),
    ]
    raw = [one.p_value for one in result.differences]
    assert raw[0] == paired_difference(columns[0], columns[1]).p_value
    assert [one.p_holm for one in result.differences] == holm(raw)


def test_speeds_that_a_run_measured_in_passing_are_shown_and_not_tested(tmp_path: Path) -> None:
    name = "encode_real_time_factor"
    slower = [3 * one for one in SPEED]
    result = _compare(tmp_path, {name: slower, "stoi": PESQ}, {name: SPEED, "stoi": PESQ})
    found = _by_metric(result)[name]
    assert (found.verdict, math.isnan(found.p_holm)) == ("not tested", True)
    assert found.difference == pytest.approx(2.0)
    assert found.low == pytest.approx(2.0)
    assert "snac-eval bench tests speeds" in found.reason


def test_raw_si_sdr_decides_nothing_unless_it_is_asked_for(tmp_path: Path) -> None:
    runs = {"si_sdr": PESQ, "stoi": PESQ}, {"si_sdr": shifted(PESQ, 3.0, 0.1), "stoi": PESQ}
    result = _compare(tmp_path / "all", *runs)
    found = _by_metric(result)["si_sdr"]
    assert (found.verdict, math.isnan(found.p_holm)) == ("not tested", True)
    assert found.reason == "decides nothing unless asked for: --metrics si_sdr"
    assert found.difference == pytest.approx(-3.0)
    assert "si_sdr" not in {one.metric for one in result.sections[0].frontiers}
    assert all(
        "si_sdr" not in one.differences for one in result.sections[0].clips["codec0", "codec1"]
    )
    asked = _compare(tmp_path / "asked", *runs, metrics=("si_sdr",))
    assert _by_metric(asked)["si_sdr"].verdict == "worse"
    assert all("si_sdr" in one.differences for one in asked.sections[0].clips["codec0", "codec1"])


def test_what_cannot_be_compared_has_its_reason(tmp_path: Path) -> None:
    prints = {"stoi": "stoi;v=2"}
    first = write_run(
        tmp_path / "a", {"pesq_wb": PESQ, "stoi": PESQ}, corpus={"codebook_usage": 50.0}
    )
    second = write_run(tmp_path / "b", {"pesq_wb": PESQ, "stoi": PESQ}, fingerprints=prints)
    result = compare([read_run(first), read_run(second)], load_tolerances())
    found = _by_metric(result)
    assert (found["stoi"].verdict, found["stoi"].n) == ("not comparable", 0)
    assert "v=1 against v=2" in found["stoi"].reason
    assert math.isnan(found["stoi"].p_holm)
    assert found["codebook_usage"].verdict == "not tested"
    text = comparison_markdown(result)
    assert "Not comparable (measured in two ways: v=1 against v=2): stoi." in text
    assert "Not tested (no value per clip): codebook_usage." in text
    assert [run.name for run in result.sections[0].runs] == ["codec (a)", "codec (b)"]


def test_one_clip_and_values_without_a_ratio(tmp_path: Path) -> None:
    found = _by_metric(_compare(tmp_path, {"pesq_wb": [1.0]}, {"pesq_wb": [2.0]}))
    assert found["pesq_wb"].verdict == "not tested"
    assert found["pesq_wb"].reason == "one clip: nothing to test"
    found = _by_metric(_compare(tmp_path, {"bitrate": [0.0, 1.0]}, {"bitrate": [1.0, 1.0]}))
    assert "no ratio" in found["bitrate"].reason


def test_the_most_telling_clip_comes_first(tmp_path: Path) -> None:
    worst = shifted(PESQ, 0.1, 0.02)
    worst[7] += 3.0
    result = _compare(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": worst})
    clips = result.sections[0].clips["codec0", "codec1"]
    assert clips[0].clip == "clip007"
    assert clips[0].strength < 0
    assert clips[0].differences["pesq_wb"] == pytest.approx(PESQ[7] - worst[7])
    strengths = [abs(one.strength) for one in clips]
    assert strengths == sorted(strengths, reverse=True)
    assert "clip007" in comparison_markdown(result, num_clips=1)
    assert "Clips on which" not in comparison_markdown(result, num_clips=0)


def test_the_frontier_holds_what_no_other_beats(tmp_path: Path) -> None:
    def run(rate: float, quality: float, seconds: float) -> dict[str, list[float]]:
        return {
            "bitrate": [rate] * 3,
            "pesq_wb": [quality] * 3,
            "encode_real_time_factor": [seconds] * 3,
            "decode_real_time_factor": [seconds] * 3,
        }

    result = _compare(tmp_path, run(6, 2.0, 0.5), run(12, 3.0, 0.1), run(12, 2.5, 0.2))
    bitrate, speed = result.sections[0].frontiers
    assert (bitrate.metric, bitrate.cost, bitrate.n) == ("pesq_wb", "bitrate", 3)
    assert [point.on_frontier for point in bitrate.points] == [True, True, False]
    assert [point.on_frontier for point in speed.points] == [False, True, False]
    text = comparison_markdown(result)
    assert "◆: by their means on these clips, no other beats them" in text
    assert "3.000 ◆" in text
    assert speed.points[0].cost == pytest.approx(1.0)


def test_a_frontier_that_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    result = _compare(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": PESQ})
    assert result.sections[0].frontiers == ()
    assert (
        result.sections[0]
        .notes[0]
        .startswith("No frontier over bitrate: bitrate of codec0 and codec1: not")
    )


def test_names_and_numbers_of_runs_are_checked(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "a", {"pesq_wb": PESQ}))
    with pytest.raises(UsageError, match="at least two"):
        compare([run], load_tolerances())
    with pytest.raises(UsageError, match="unknown metric"):
        compare([run, run], load_tolerances(), ["nothing"])
    twice = compare([run, run], load_tolerances()).sections[0].runs
    assert [one.name for one in twice] == ["codec (a) 1", "codec (a) 2"]


def _two_of(tmp_path: Path, speakers: Sequence[str], drop: float = 0.5) -> Comparison:
    """Codec a, better than codec b on every clip."""
    columns = {"a": PESQ, "b": shifted(PESQ, -drop, 0.02)}
    return compare(
        [
            read_run(write_run(tmp_path / key, {"pesq_wb": column}, codec=key, speakers=speakers))
            for key, column in columns.items()
        ],
        load_tolerances(),
    )


def test_of_two_or_three_speakers_only_what_their_clips_show_is_said(tmp_path: Path) -> None:
    result = _two_of(tmp_path, [f"s{index % 3}" for index in range(20)])
    (found,) = result.differences
    assert (found.verdict, found.claim) == ("better on these clips", "too few")
    assert math.isnan(found.p_holm)
    assert (found.num_units, found.p_sign) == (3, pytest.approx(0.25))
    assert found.low < 0.5 < found.high
    text = comparison_markdown(result)
    assert "Better on these clips (each of the 20 clips by more than 0.1, by 0.4" in text
    assert "3 speakers are too few for a verdict, which needs 4" in text
    assert not result.is_answered
    assert "Too few for any verdict: 3 speakers, of at least 4." in text
    assert "**" not in text


def test_one_speaker_is_spoken_of_alone_and_never_bold(tmp_path: Path) -> None:
    result = _two_of(tmp_path, ["s"] * 20)
    (found,) = result.differences
    assert (found.verdict, found.claim) == ("better for this speaker", "one speaker")
    text = comparison_markdown(result)
    assert "All clips are of one speaker, and what is shown holds for that speaker alone." in text
    assert "**" not in text
    assert _two_of(tmp_path / "b", ["s"] * 20, -1.0).differences[0].verdict.startswith("worse for")


def test_four_speakers_are_enough_for_a_verdict(tmp_path: Path) -> None:
    result = _two_of(tmp_path, [f"s{index % 4}" for index in range(20)])
    assert result.differences[0].verdict == "better"
    text = comparison_markdown(result)
    assert "20 (4 speakers)" in text
    assert "**better**" in text
    assert "Too few" not in text
    assert "of one speaker" not in text


def test_csv_has_a_row_per_pair_and_metric(tmp_path: Path) -> None:
    result = _compare(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": [*PESQ[:19], "error: x"]})  # type: ignore[list-item]
    lines = comparison_csv(result).splitlines()
    assert lines[0].startswith("dataset,first,second,metric,verdict,n,left_out,mean_first")
    assert lines[1].startswith("data,codec0,codec1,pesq_wb,clips lost,19,1 error in codec1,")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    clips = ["<script>alert(1)</script>", "a|b\nc"]
    runs = [
        read_run(write_run(tmp_path / name, {"pesq_wb": column}, clips=clips, codec=name))
        for name, column in (("a", [1.0, 2.0]), ("b", [1.5, 2.0]))
    ]
    text = comparison_markdown(compare(runs, load_tolerances()))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "a\\|b c" in text


def test_many_questions_can_still_be_answered(tmp_path: Path) -> None:
    names = ["pesq_wb", "stoi", "si_sdr_aligned", "mel_dac_paper", "estoi"]
    runs = [dict.fromkeys(names, shifted(PESQ, 0.3 * index, 0.05)) for index in range(3)]
    result = _compare(tmp_path, *runs)
    assert len(result.differences) == 15
    assert {one.verdict for one in result.differences} == {"better", "worse"}


def test_three_runs_get_rank_intervals(tmp_path: Path) -> None:
    best, tied = shifted(PESQ, 1.0, 0.05), shifted(PESQ, 0.0, 0.3)
    three = _compare(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": best}, {"pesq_wb": tied})
    ranking = three.sections[0].ranks[0]
    assert (ranking.metric, ranking.n) == ("pesq_wb", 20)
    assert ranking.intervals == {"codec0": (2, 3), "codec1": (1, 1), "codec2": (2, 3)}
    assert _compare(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": best}).sections[0].ranks == ()
    text = comparison_markdown(three)
    assert "| codec1  | 1 " in text or "| codec1 | 1 " in text
    assert "2 to 3" in text


def test_few_speakers_have_no_ranks(tmp_path: Path) -> None:
    def ranks(speakers: int) -> int:
        names = [f"s{index % speakers}" for index in range(20)]
        folders = [
            write_run(tmp_path / f"{speakers}{index}", {"pesq_wb": PESQ}, f"c{index}", names)
            for index in range(3)
        ]
        return len(compare([read_run(one) for one in folders], load_tolerances()).sections[0].ranks)

    assert (ranks(1), ranks(3), ranks(4)) == (0, 0, 1)


def test_what_a_test_cannot_see_is_said(tmp_path: Path) -> None:
    text = comparison_markdown(_compare(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": PESQ}))
    assert "A failure of fewer than 14% of clips may be in none of 20, unseen." in text
    alone = _compare(tmp_path / "one", {"pesq_wb": [1.0]}, {"pesq_wb": [2.0]})
    assert "unseen" not in comparison_markdown(alone)


# Opus at 12 and at 6 kbps on the speech of the bundled clips: visqol_speech.
UNEVEN = [4.0, 4.1, 4.1, 4.1, 4.4, 4.1], [2.92, 3.46, 1.95, 1.7, 2.04, 1.67]


def test_clips_that_all_differ_are_not_called_no_difference(tmp_path: Path) -> None:
    first, second = ({"visqol_speech": values} for values in UNEVEN)
    result = _compare(tmp_path, first, second)
    (found,) = result.differences
    assert found.verdict == "better on these clips"
    assert found.p_holm > 0.05
    assert (found.num_higher, found.num_lower, found.p_sign) == (6, 0, pytest.approx(2 / 2**6))
    assert found.least == pytest.approx(0.64)
    text = comparison_markdown(result)
    said = "each of the 6 clips by more than 0.1, by 0.64 at least"
    assert f"Better on these clips ({said}; p 0.0" in text
    assert "sign test over 6 clips: p 0.031, uncorrected): visqol_speech." in text
    assert "**" not in text
    mirrored = _compare(tmp_path / "mirrored", second, first)
    assert mirrored.differences[0].verdict == "worse on these clips"


@pytest.mark.parametrize(
    "second",
    [[*UNEVEN[1][:4], 4.35, 4.05], [*UNEVEN[1][:5], "error: died"]],
    ids=["one within the tolerance", "one lost"],
)
def test_one_clip_that_disagrees_or_is_lost_takes_that_verdict_away(
    tmp_path: Path, second: list[float]
) -> None:
    result = _compare(tmp_path, {"visqol_speech": UNEVEN[0]}, {"visqol_speech": second})
    assert result.differences[0].verdict in ("no difference shown", "clips lost")


def _study(tmp_path: Path) -> Comparison:
    """Three codecs on two datasets."""
    runs = [
        write_run(
            tmp_path / f"{codec}_{data}",
            {"pesq_wb": shifted(PESQ, by, 0.05)},
            codec,
            clips=[f"{data}{index}" for index in range(20)],
            dataset={"name": data},
        )
        for data in ("speech", "songs")
        for codec, by in (("a", 0.0), ("b", 0.3), ("c", 0.6))
    ]
    return compare([read_run(run) for run in runs], load_tolerances())


def test_runs_of_several_datasets_get_a_section_each(tmp_path: Path) -> None:
    result = _study(tmp_path)
    assert [section.dataset for section in result.sections] == ["speech", "songs"]
    assert [run.name for run in result.sections[1].runs] == ["a", "b", "c"]
    pairs = [(one.dataset, one.first, one.second) for one in result.differences]
    assert len(pairs) == len(set(pairs)) == 6
    assert {one.verdict for one in result.differences} == {"worse"}
    assert [one.p_holm for one in result.differences] == holm(
        [one.p_value for one in result.differences]
    )
    text = comparison_markdown(result)
    headings = [line for line in text.splitlines() if line.startswith("# ")]
    assert headings == ["# speech", "# songs"]
    assert text.count("## a against b") == 2
    assert "| a against b | pesq_wb |" in text
    lines = comparison_csv(result).splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["speech"] * 3 + ["songs"] * 3


def test_a_run_without_another_of_its_dataset_is_named(tmp_path: Path) -> None:
    def run(name: str, data: str, clip: str) -> Path:
        scores = {"pesq_wb": PESQ}
        clips = [f"{clip}{index}" for index in range(20)]
        return write_run(tmp_path / name, scores, name, clips=clips, dataset={"name": data})

    # The same clips under another name of the dataset are the same dataset.
    folders = run("a", "x", "x"), run("b", "folder:x", "x"), run("c", "y", "y")
    runs = [read_run(folder) for folder in folders]
    result = compare(runs, load_tolerances())
    assert [section.dataset for section in result.sections] == ["x, folder:x"]
    assert result.notes == ("c on y: no other run of this dataset, so nothing to compare it with.",)
    assert result.notes[0] in comparison_markdown(result)
    nobody = compare(runs[1:], load_tolerances())
    assert not nobody.is_answered
    assert "no clip in common (folder:x and y)" in comparison_markdown(nobody)
