"""What a check says where every clip went one way, and the clips that it names."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from junitparser import JUnitXml

from snac_eval.cli.main import main
from snac_eval.reports.checks import accept_command, check_junit, check_markdown
from snac_eval.results.baseline import load_baseline, write_baseline
from snac_eval.results.gate import ExitCode, GateResult, MetricCheck, check
from snac_eval.results.record import read_run
from snac_eval.results.tolerances import load_tolerances
from tests.runs import Column, write_run

# Opus at 12 and at 6 kbps on the bundled speech: falls of 0.64 to 2.43, too uneven for a t-test.
BEFORE = [4.0, 4.1, 4.1, 4.1, 4.4, 4.1]
AFTER = [2.92, 3.46, 1.95, 1.7, 2.04, 1.67]


def _check(
    tmp_path: Path, before: Column, after: Column, metric: str = "visqol_speech", **said: object
) -> GateResult:
    base = read_run(write_run(tmp_path / "base", {metric: before}))
    write_baseline(base, tmp_path / "b.json")
    run = read_run(write_run(tmp_path / "new", {metric: after}, **said))  # type: ignore[arg-type]
    return check(run, load_baseline(tmp_path / "b.json"), load_tolerances())


def _only(result: GateResult) -> MetricCheck:
    (one,) = result.checks
    return one


def test_six_clips_that_all_fell_by_twice_the_tolerance_are_a_regression(tmp_path: Path) -> None:
    result = _check(tmp_path, BEFORE, AFTER)
    found = _only(result)
    assert found.p_holm > 0.05
    assert (result.exit_code, found.outcome) == (ExitCode.REGRESSION, "regression")
    assert found.reason == (
        "worse on each of these clips: all 6 clips fell, by 0.64 to 2.43"
        " (sign test over 6 clips: p 0.016)"
    )
    assert "or a fall of every clip by more than twice the tolerance" in check_markdown(result)


@pytest.mark.parametrize(
    ("number", "after"),
    [(5, AFTER[:5]), (6, [3.85, *AFTER[1:]]), (2, AFTER[:2]), (1, AFTER[:1])],
    ids=["five clips", "one fell by less than twice", "two clips", "one clip"],
)
def test_fewer_or_smaller_falls_are_worse_on_these_clips(
    tmp_path: Path, number: int, after: list[float]
) -> None:
    result = _check(tmp_path, BEFORE[:number], after)
    assert (result.exit_code, _only(result).outcome) == (3, "worse on these clips")
    assert result.verdict == "worse on these clips: visqol_speech"
    assert "to say it of others" in _only(result).reason
    (case, *_) = next(iter(JUnitXml.fromstring(check_junit(result).encode())))
    assert case.result[0].type == "worse on these clips"


def test_a_clip_that_stayed_is_counted_and_leaves_it_open(tmp_path: Path) -> None:
    found = _only(_check(tmp_path, BEFORE, [*AFTER[:4], 4.4, 4.05]))
    assert found.outcome == "inconclusive"
    assert found.reason.endswith("but within chance; 4 of 6 clips fell by that")


def test_few_speakers_are_few_however_many_clips_they_have(tmp_path: Path) -> None:
    speakers = ["a", "b", "c", "d", "e"] * 4
    paths = [
        write_run(tmp_path / name, {"visqol_speech": column}, speakers=speakers)
        for name, column in (("new", (AFTER[:5] * 4)), ("base", BEFORE[:5] * 4))
    ]
    (found,) = check(read_run(paths[0]), read_run(paths[1]), load_tolerances()).checks
    # 20 clips all fell, and their 5 speakers do not agree by how much.
    assert (found.num_units, found.outcome) == (5, "worse on these clips")
    assert "sign test over 5 speakers: p 0.031" in found.reason


def test_a_lost_clip_is_said_before_what_the_others_did(tmp_path: Path) -> None:
    found = _only(_check(tmp_path, BEFORE[:5], [3.85, *AFTER[1:4], "error: died"]))
    assert (found.outcome, found.num_lost) == ("inconclusive", 1)
    assert found.reason.startswith("new lost 1 of 5 clips")


def test_speeds_that_all_fell_say_nothing_of_every_clip(tmp_path: Path) -> None:
    found = _only(
        _check(tmp_path, [0.1] * 6, [0.3, 0.9, 2.0, 0.25, 4.0, 0.5], "encode_real_time_factor")
    )
    assert found.tally is None
    assert "fell" not in found.reason


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ([2.0, 2.1, 2.2, 2.3], [2.0, 2.1, 2.2, 4.0], 0),
        ([2.0, 2.1], [2.2, 4.0], 0),
        ([2.0, 2.1], [2.05, 4.0], 3),
        ([2.0], [4.0], 3),
        ([2.0, 2.1, 2.2, 2.3], [1.98, 2.1, 2.2, 4.0], 3),
    ],
    ids=["none of four fell", "two rose by more", "two rose", "one rose", "one of four fell"],
)
def test_clips_of_which_none_fell_pass_where_they_are_enough(
    tmp_path: Path, before: list[float], after: list[float], code: int
) -> None:
    result = _check(tmp_path, before, after)
    assert result.exit_code == code
    assert (_only(result).reason == f"none of the {len(before)} clips fell") == (code == 0)


def test_the_clips_that_fell_most_are_named_everywhere(tmp_path: Path) -> None:
    result = _check(tmp_path, BEFORE, AFTER)
    said = "clip005 4.100 → 1.670 (-2.43), clip003 4.100 → 1.700 (-2.40)"
    text = check_markdown(result, num_clips=2)
    assert f"- visqol_speech (6 of 6 clips fell by more than 0.1): {said}\n" in text
    assert f"fell most: {said}" in check_junit(result, num_clips=2)
    assert "fell most" not in check_markdown(result, num_clips=0)
    assert "fell most" not in check_markdown(_check(tmp_path, BEFORE, BEFORE))


def test_falls_of_a_metric_with_a_relative_tolerance_are_shares(tmp_path: Path) -> None:
    result = _check(tmp_path, [6.0] * 6, [6.3] * 5 + [18.0], "bitrate")
    assert "bitrate (6 of 6 clips fell by more than 2 %): clip005 6.000 → 18.00 (+200.0 %)" in (
        check_markdown(result, num_clips=1)
    )
    assert "all 6 clips fell, by 5 % to 200 %" in _only(result).reason


def test_a_domain_of_which_every_clip_fell_says_so(tmp_path: Path) -> None:
    domains = ["speech"] * 6 + ["music"] * 6
    paths = [
        write_run(tmp_path / name, {"si_sdr_aligned": column}, domains=domains)
        for name, column in (
            ("new", [8.0, 6.5, 3.0, 2.0, 1.0, 0.5, 18.0, 13.0, 14.0, 17.0, 12.0, 16.0]),
            ("base", [10.0] * 12),
        )
    ]
    result = check(read_run(paths[0]), read_run(paths[1]), load_tolerances())
    shown = [one for one in result.parts if one.part == "domain speech"]
    assert [one.outcome for one in shown] == ["regression"] or "each of its 6" in shown[0].reason
    assert result.exit_code != ExitCode.PASSED


def test_how_to_accept_is_the_command_that_does_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {"visqol_speech": BEFORE, "stoi": BEFORE}
    base = write_run(tmp_path / "base", scores)
    new = write_run(tmp_path / "new run", {"visqol_speech": AFTER, "stoi": BEFORE})
    kept = tmp_path / "it's.json"
    assert main(["baseline", str(base), "-o", str(kept), "--metrics", "visqol_speech"]) == 0
    assert main(["check", str(new), "--baseline", str(kept)]) == 1
    lines = capsys.readouterr().out.splitlines()
    (accept,) = [line.strip() for line in lines if line.startswith("    snac-eval")]
    program, *arguments = shlex.split(accept)
    assert program == "snac-eval"
    assert main(arguments) == 0
    assert list(load_baseline(kept).metrics) == ["visqol_speech"]
    assert main(["check", str(new), "--baseline", str(kept)]) == 0


@pytest.mark.parametrize("after", [[*AFTER[:5], "error: died"], BEFORE], ids=["lost", "passed"])
def test_what_is_no_baseline_is_not_offered_as_one(tmp_path: Path, after: Column) -> None:
    result = _check(tmp_path, BEFORE, after)
    assert accept_command(result, Path("runs/new"), Path("b.json")) == ""


def test_an_unfinished_run_is_not_offered_as_a_baseline(tmp_path: Path) -> None:
    result = _check(tmp_path, BEFORE, AFTER, state="interrupted")
    assert accept_command(result, Path("runs/new"), Path("b.json")) == ""
    lacking = read_run(write_run(tmp_path / "other", {"stoi": BEFORE}))
    found = check(lacking, load_baseline(tmp_path / "b.json"), load_tolerances())
    assert (found.exit_code, accept_command(found, Path("o"), Path("b.json"))) == (3, "")
