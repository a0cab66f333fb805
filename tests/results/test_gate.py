"""The gate's outcomes on scores whose truth is known, and the baseline file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from markdown_it import MarkdownIt

from snac_eval.errors import StoreError, UsageError
from snac_eval.reports.checks import check_junit, check_markdown
from snac_eval.results.baseline import load_baseline, write_baseline
from snac_eval.results.gate import ExitCode, GateResult, MetricCheck, check
from snac_eval.results.record import read_run
from snac_eval.results.stats import paired_difference
from snac_eval.results.tolerances import load_tolerances
from snac_eval.types import Score
from tests.runs import HARDWARE, Column, noisy, shifted, write_run

PESQ = noisy(2.5, 0.4)
MEL = noisy(1.0, 0.1, seed=3)
SPEED = noisy(0.1, 0.005, seed=4)


def _check(
    tmp_path: Path, base: dict[str, Column], new: dict[str, Column], **changes: object
) -> GateResult:
    write_baseline(read_run(write_run(tmp_path / "base", base)), tmp_path / "b.json")
    run = read_run(write_run(tmp_path / "new", new, **changes))  # type: ignore[arg-type]
    return check(run, load_baseline(tmp_path / "b.json"), load_tolerances())


def _only(result: GateResult) -> MetricCheck:
    assert len(result.checks) == 1
    return result.checks[0]


def test_a_drop_beyond_tolerance_and_chance_is_a_regression(tmp_path: Path) -> None:
    new = shifted(PESQ, -0.15, 0.1)
    result = _check(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": new})
    found = _only(result)
    assert found.outcome == "regression"
    assert result.exit_code == ExitCode.REGRESSION == 1
    assert found.drop == pytest.approx(0.15, abs=1e-5)
    assert found.drop_low < 0.15 < found.drop_high
    expected = paired_difference(PESQ, new, alternative="greater").p_value
    assert found.p_value == pytest.approx(expected)


def test_lower_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    worse = shifted(MEL, 0.1, 0.02)
    assert _only(_check(tmp_path, {"mel_dac_paper": MEL}, {"mel_dac_paper": worse})).drop > 0
    result = _check(tmp_path, {"mel_dac_paper": worse}, {"mel_dac_paper": MEL})
    assert _only(result).drop < 0
    assert result.exit_code == ExitCode.PASSED == 0


def test_a_significant_drop_within_the_tolerance_passes(tmp_path: Path) -> None:
    result = _check(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": shifted(PESQ, -0.05, 0.02)})
    assert _only(result).p_holm < 0.01
    assert (_only(result).outcome, _only(result).reason) == (
        "passed",
        "worse, but within the tolerance",
    )


def test_a_large_drop_within_chance_is_inconclusive(tmp_path: Path) -> None:
    result = _check(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": shifted(PESQ, -0.15, 1.0)})
    assert _only(result).outcome == "inconclusive"
    assert "within chance" in _only(result).reason
    assert result.exit_code == ExitCode.NOT_KNOWN == 3


def test_clips_that_could_not_show_a_drop_are_inconclusive(tmp_path: Path) -> None:
    few = _check(tmp_path, {"pesq_wb": PESQ[:3]}, {"pesq_wb": [*PESQ[1:3], 1.0]})
    assert "3 clips or speakers are too few to show it" in _only(few).reason
    assert "2 of 3 clips fell by that" in _only(few).reason
    uneven = _check(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": shifted(PESQ, 0.0, 1.0)})
    assert "twice the tolerance would not show" in _only(uneven).reason
    assert few.exit_code == uneven.exit_code == ExitCode.NOT_KNOWN


def test_a_few_clips_pass_where_they_exclude_a_drop(tmp_path: Path) -> None:
    result = _check(tmp_path, {"pesq_wb": PESQ[:4]}, {"pesq_wb": shifted(PESQ[:4], 0.0, 0.02)})
    assert _only(result).drop_high < 0.2
    assert result.exit_code == ExitCode.PASSED
    one = _check(tmp_path, {"pesq_wb": [2.0]}, {"pesq_wb": [1.95]})
    assert one.exit_code == ExitCode.NOT_KNOWN


def test_equal_scores_pass_however_few(tmp_path: Path) -> None:
    result = _check(tmp_path, {"pesq_wb": PESQ[:2]}, {"pesq_wb": PESQ[:2]})
    assert _only(result).reason == "no clip moved by over 1% of the tolerance"
    assert _only(result).drop == 0
    assert result.exit_code == ExitCode.PASSED


def test_holm_runs_over_the_whole_check(tmp_path: Path) -> None:
    names = ["pesq_wb", "stoi", "si_sdr_aligned", "visqol_speech"]
    new = {name: shifted(PESQ, -0.02, 0.05, seed=i) for i, name in enumerate(names, start=1)}
    result = _check(tmp_path, dict.fromkeys(names, PESQ), dict(new))
    smallest = min(result.checks, key=lambda one: one.p_value)
    # Of every metric the mean and the 5th percentile.
    assert result.num_tests == 8
    assert smallest.p_holm == pytest.approx(8 * smallest.p_value)


def test_failed_clips_are_never_silently_left_out(tmp_path: Path) -> None:
    result = _check(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": [*PESQ[:39], "error: crashed"]})
    found = _only(result)
    assert (found.outcome, found.num_lost, found.n) == ("inconclusive", 1, 39)
    assert found.left_out == {"error in new": 1}
    was_missing = {"pesq_wb": [*PESQ[:39], "undefined: silence"]}
    result = _check(tmp_path, dict(was_missing), dict(was_missing))
    assert result.exit_code == ExitCode.PASSED


def test_a_rate_that_rises_is_a_regression_too(tmp_path: Path) -> None:
    base = {"bitrate": [6.0] * 10}
    assert _check(tmp_path, dict(base), {"bitrate": [6.3] * 10}).exit_code == 1
    found = _only(_check(tmp_path, dict(base), {"bitrate": [5.7] * 10}))
    assert found.outcome == "passed"
    assert found.drop == pytest.approx(-0.05)


def test_what_has_no_direction_or_no_tolerance_is_not_tested(tmp_path: Path) -> None:
    scores: dict[str, Column] = {"delay": PESQ, "pesq_wb": PESQ, "bitrate_nominal": PESQ}
    result = _check(tmp_path, scores, scores)
    outcomes = {one.metric: one.outcome for one in result.checks}
    assert outcomes == {"delay": "not tested", "pesq_wb": "passed", "bitrate_nominal": "not tested"}
    assert result.exit_code == ExitCode.PASSED
    never: dict[str, Column] = {"stoi": ["undefined: x"] * 40, "pesq_wb": PESQ}
    first = _check(tmp_path, never, never).checks[0]
    assert (first.outcome, first.reason) == ("not tested", "no clip has a score in the baseline")
    nothing = _check(tmp_path, {"delay": PESQ}, {"delay": PESQ})
    assert (nothing.exit_code, nothing.problem) == (3, "no metric was tested")


def test_other_machines_audio_and_metrics_are_not_comparable(tmp_path: Path) -> None:
    speed: dict[str, Column] = {"encode_real_time_factor": SPEED}
    quality: dict[str, Column] = {"pesq_wb": PESQ}
    other = HARDWARE | {"cpu": "Other CPU"}
    assert _check(tmp_path, quality, quality, hardware=other).exit_code == 0
    result = _check(tmp_path, speed, speed, hardware=other)
    assert "cpu Other CPU against Test CPU" in _only(result).reason
    assert result.exit_code == 3
    result = _check(tmp_path, quality, quality, fingerprints={"pesq_wb": "pesq_wb;v=2"})
    assert "v=2 against v=1" in _only(result).reason
    assert result.exit_code == 3
    assert _check(tmp_path, quality, speed).exit_code == 3


def test_a_regression_outweighs_what_is_not_known(tmp_path: Path) -> None:
    base: dict[str, Column] = {"pesq_wb": PESQ, "stoi": PESQ}
    result = _check(tmp_path, base, {"pesq_wb": shifted(PESQ, -0.5, 0.1)})
    assert result.exit_code == ExitCode.REGRESSION
    assert result.verdict == "regression: pesq_wb"


def test_an_interrupted_run_never_passes(tmp_path: Path) -> None:
    result = _check(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": PESQ}, state="interrupted")
    assert (result.exit_code, result.verdict) == (
        3,
        "not known: the run was not finished",
    )
    interrupted = read_run(write_run(tmp_path / "x", {"pesq_wb": PESQ}, state="interrupted"))
    with pytest.raises(UsageError, match="x: the run was not finished; run it again"):
        write_baseline(interrupted, tmp_path / "x.json")


def test_speeds_may_be_left_out(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "a", {"pesq_wb": PESQ, "decode_real_time_factor": SPEED}))
    assert [one.metric for one in check(run, run, load_tolerances(), speed=False).checks] == [
        "pesq_wb"
    ]


def test_speakers_are_the_units_where_there_are_enough(tmp_path: Path) -> None:
    speakers = [f"s{index % 10}" for index in range(40)]
    paths = [
        write_run(tmp_path / name, {"pesq_wb": column}, speakers=speakers)
        for name, column in (("new", shifted(PESQ, -0.3, 0.1)), ("base", PESQ))
    ]
    result = check(read_run(paths[0]), read_run(paths[1]), load_tolerances())
    assert (_only(result).num_units, _only(result).outcome) == (10, "regression")


def _check_of(tmp_path: Path, speakers: int) -> GateResult:
    """A clear drop of every clip, of which the speakers take turns."""
    names = [f"s{index % speakers}" for index in range(40)]
    paths = [
        write_run(tmp_path / f"{speakers}{name}", {"pesq_wb": column}, speakers=names)
        for name, column in (("new", shifted(PESQ, -0.3, 0.02)), ("base", PESQ))
    ]
    return check(read_run(paths[0]), read_run(paths[1]), load_tolerances())


def test_three_speakers_cannot_show_a_drop(tmp_path: Path) -> None:
    result = _check_of(tmp_path, 3)
    assert (result.exit_code, _only(result).outcome) == (ExitCode.NOT_KNOWN, "worse on these clips")
    assert "too few to say it of others" in _only(result).reason
    text = check_markdown(result)
    assert "Too few for any verdict: 3 speakers, of at least 4." in text
    assert "**" not in text


def test_one_speaker_is_judged_for_that_speaker_alone(tmp_path: Path) -> None:
    result = _check_of(tmp_path, 1)
    assert result.exit_code == ExitCode.REGRESSION
    assert _only(result).reason.endswith("beyond chance for this speaker")
    text = check_markdown(result)
    assert "All clips are of one speaker, and what is shown holds for that speaker alone." in text
    assert "**" not in text
    assert "**regression**" in check_markdown(_check_of(tmp_path, 4))


def test_a_baseline_says_all_of_the_run_and_repeats(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path / "a",
        {"pesq_wb": [1.23456789, "undefined: silence"], "stoi": [0.5, 0.6]},
        speakers=["x", "y"],
        corpus={"codebook_usage": 50.0},
    )
    run = read_run(folder)
    write_baseline(run, tmp_path / "a.json")
    write_baseline(run, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    kept = load_baseline(tmp_path / "a.json")
    assert kept.metrics["pesq_wb"].values == {"clip000": 1.23457}
    assert kept.metrics["pesq_wb"].missing == run.metrics["pesq_wb"].missing
    assert [(name, one.digest, one.speaker) for name, one in kept.clips.items()] == [
        (name, one.digest, one.speaker) for name, one in run.clips.items()
    ]
    assert kept.info("stoi") == run.info("stoi")
    assert kept.place == run.place
    assert (kept.codec_fingerprint, kept.versions) == (run.codec_fingerprint, run.versions)
    write_baseline(run, tmp_path / "c.json", ["stoi"])
    assert list(load_baseline(tmp_path / "c.json").metrics) == ["stoi"]
    write_baseline(run, tmp_path / "d.json", ["codebook_usage"])
    (whole,) = load_baseline(tmp_path / "d.json").metrics.values()
    assert (whole.whole, whole.counts) == (Score.ok(50.0), (2, 0, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": 99}, "no baseline of this version"),
        ({"metrics": {"pesq_wb": {}}}, "a broken baseline"),
        ({"clips": {"clip000": "x"}}, "a broken baseline"),
    ],
)
def test_a_broken_baseline_is_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "b.json"
    write_baseline(read_run(write_run(tmp_path / "a", {"pesq_wb": [1.0]})), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StoreError, match=message):
        load_baseline(path)


def _mixed(tmp_path: Path) -> GateResult:
    base: dict[str, Column] = {"pesq_wb": PESQ, "stoi": PESQ, "si_sdr_aligned": PESQ, "delay": PESQ}
    worse = shifted(PESQ, -0.5, 0.1)
    new: dict[str, Column] = {"pesq_wb": worse, "stoi": PESQ, "si_sdr_aligned": PESQ, "delay": PESQ}
    fingerprints = {"si_sdr_aligned": "<si_sdr_aligned>;\x00v=2"}
    return _check(tmp_path, base, new, fingerprints=fingerprints, codec="<b>&\x01")


def test_junit_has_a_case_per_metric(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(check_junit(_mixed(tmp_path)), encoding="utf-8")
    parsed = JUnitXml.fromfile(str(path))
    assert (parsed.tests, parsed.failures, parsed.errors) == (5, 1, 1)
    cases = {case.name: case.result for suite in parsed for case in suite}
    assert isinstance(cases["pesq_wb"][0], Failure)
    assert "drop +0.500" in cases["pesq_wb"][0].message
    assert cases["stoi"] == []
    assert isinstance(cases["si_sdr_aligned"][0], Error)
    assert isinstance(cases["delay"][0], Skipped)
    (suite,) = parsed
    (others,) = [case for case in suite if case.name == "the other parts"]
    assert others.system_out == "1 passed"
    assert suite.tests == len(list(suite)) == 5
    assert suite.skipped == 1


# What Jenkins' junit-10.xsd allows of each element: attributes, then children.
JUNIT = {
    "testsuites": ({"name", "time", "tests", "failures", "disabled", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "disabled", "skipped", "timestamp"},
        {"testcase", "properties", "system-out", "system-err"},
    ),
    "testcase": (
        {"name", "assertions", "time", "classname", "status"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}


def test_junit_holds_nothing_that_the_schema_does_not_know(tmp_path: Path) -> None:
    root = ElementTree.fromstring(check_junit(_mixed(tmp_path)))
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = JUNIT[element.tag]
        assert set(element.attrib) <= attributes
        assert {child.tag for child in element} <= children


def test_junit_counts_an_interrupted_run_as_an_error(tmp_path: Path) -> None:
    result = _check(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": PESQ}, state="interrupted")
    parsed = JUnitXml.fromstring(check_junit(result).encode())
    assert (parsed.tests, parsed.errors) == (2, 1)


def test_markdown_has_the_worst_first(tmp_path: Path) -> None:
    text = check_markdown(_mixed(tmp_path))
    assert text.startswith("## snac-eval check: regression: pesq_wb\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split("|")[2].strip() for row in rows[1:]] == [
        "**regression**",
        "not comparable",
        "passed",
    ]
    assert "Not tested (neither direction is better: delay)." in text
    assert len({row.count("|") for row in rows}) == 1
    assert "<b>" not in text
    assert "\x00" not in text


def test_markdown_renders_as_one_table(tmp_path: Path) -> None:
    rendered = MarkdownIt("commonmark").enable("table").render(check_markdown(_mixed(tmp_path)))
    root = ElementTree.fromstring(f"<page>{rendered}</page>")
    assert [element.tag for element in root] == ["h2", "p", "table", "p", "p", "ul", "p", "p"]
    rows = root.findall("table/tbody/tr")
    assert [row[0].text for row in rows] == [
        "pesq_wb [MOS] ↑",
        "si_sdr_aligned [dB] ↑",
        "stoi ↑",
    ]
    assert len({len(row) for row in rows}) == 1
    assert "<si_sdr_aligned>" in "".join(rows[1][-1].itertext())


def test_markdown_names_versions_that_changed(tmp_path: Path) -> None:
    result = _check(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": PESQ}, versions={"python": "3.12"})
    assert "python 3.11 → 3.12" in check_markdown(result)


def test_a_metric_without_a_direction_or_a_tolerance_is_not_tested(tmp_path: Path) -> None:
    result = _check(tmp_path, {"no_such": PESQ}, {"no_such": PESQ})
    assert _only(result).outcome == "not tested"
    assert _only(result).reason == "neither direction is better"
    assert math.isnan(_only(result).p_holm)
    result = _check(tmp_path, {"squim_pesq": PESQ}, {"squim_pesq": PESQ})
    assert "no tolerance" in _only(result).reason
