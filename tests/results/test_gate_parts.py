"""What an overall mean hides ends the gate with 1 or 3, and noise ends it with 0."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from junitparser import JUnitXml

from snac_eval.reports.checks import check_junit, check_markdown
from snac_eval.results.baseline import load_baseline, write_baseline
from snac_eval.results.gate import GateResult, check
from snac_eval.results.parts import stands_out
from snac_eval.results.record import read_run
from snac_eval.results.tolerances import load_tolerances
from tests.runs import noisy, shifted, write_run

NOISE = [0.0, 0.3, 1.0]
"""Standard deviation of unchanged clips, in tolerances; two seeds of SNAC differ by 0.01 to 0.2."""


def _gate(
    tmp_path: Path,
    metric: str,
    drops: Sequence[float],
    noise: float = 0.3,
    names: Callable[[int], str] = "clip{:04d}".format,
    floor: float | None = None,
    speakers: Sequence[str] = (),
    domains: Sequence[str] = (),
    allow_missing: bool = False,
    keep: int | None = None,
) -> GateResult:
    """A run whose clips are worse by ``drops`` and noise; ``keep`` is how many of them it has."""
    count, tolerances = len(drops), load_tolerances()
    sign = -1.0 if metric == "pesq_wb" else 1.0
    base = np.asarray(noisy(3.0, 0.3, count))
    size = tolerances.metrics[metric].value
    moved = np.asarray(shifted([0.0] * count, 0.0, noise * size, seed=7))
    new = base + sign * np.asarray(drops) + moved
    clips = [names(index) for index in range(count)]
    floors = {} if floor is None else {metric: floor}
    runs = [
        read_run(
            write_run(
                tmp_path / name,
                {metric: scores[:kept].tolist()},
                clips=clips[:kept],
                speakers=speakers[:kept],
                domains=domains[:kept],
                floors=floors,
            )
        )
        for name, scores, kept in (("base", base, count), ("new", new, keep or count))
    ]
    write_baseline(runs[0], tmp_path / "b.json")
    baseline = load_baseline(tmp_path / "b.json")
    return check(runs[1], baseline, tolerances, allow_missing=allow_missing)


def _failed(result: GateResult) -> dict[str, str]:
    return {one.name: one.outcome for one in result.failed_parts}


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("count", [40, 100, 1000])
def test_a_twentieth_of_the_clips_down_by_far(tmp_path: Path, count: int, noise: float) -> None:
    drops = [1.9 if index % 20 == 3 else 0.0 for index in range(count)]
    result = _gate(tmp_path, "pesq_wb", drops, noise)
    assert result.checks[0].drop < 0.1
    assert result.exit_code in (1, 3)
    assert _failed(result)["pesq_wb, single clips"] == "inconclusive"
    (clips,) = [one for one in result.failed_parts if one.part == "single clips"]
    assert f"{count // 20} of {count} clips, worst 'clip" in clips.reason


def test_many_clips_show_that_the_tail_fell(tmp_path: Path) -> None:
    drops = [1.9 if index % 20 == 3 else 0.0 for index in range(400)]
    result = _gate(tmp_path, "pesq_wb", drops)
    assert _failed(result)["pesq_wb, 5th percentile"] == "regression"
    assert result.exit_code == 1
    assert result.verdict == "regression: pesq_wb, 5th percentile"


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("each", [1, 3, 6])
def test_one_speaker_of_forty_down_by_far(tmp_path: Path, each: int, noise: float) -> None:
    speakers = [f"s{index % 40}" for index in range(40 * each)]
    drops = [2.0 if speaker == "s17" else 0.0 for speaker in speakers]
    result = _gate(tmp_path, "pesq_wb", drops, noise, speakers=speakers)
    assert result.checks[0].drop < 0.1
    assert result.exit_code in (1, 3)
    # A speaker of one clip is that clip.
    which = "speaker s17" if each > 1 else "single clips"
    assert f"pesq_wb, {which}" in _failed(result)
    assert f"pesq_wb, {which}" in result.verdict


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("each", [4, 10])
def test_one_language_of_ten_down(tmp_path: Path, each: int, noise: float) -> None:
    """The language is the folder, as in ``de/clip``; nothing else says it."""
    drops = [0.9 if index % 10 == 3 else 0.0 for index in range(10 * each)]
    result = _gate(tmp_path, "pesq_wb", drops, noise, names=lambda i: f"lang{i % 10}/clip{i}")
    assert result.checks[0].drop < 0.1
    assert result.exit_code in (1, 3)
    assert "pesq_wb, folder lang3" in _failed(result)
    assert "pesq_wb, folder lang3" in result.verdict


@pytest.mark.parametrize("noise", NOISE)
def test_one_language_of_ten_with_speakers_of_its_own(tmp_path: Path, noise: float) -> None:
    drops = [0.9 if index % 10 == 3 else 0.0 for index in range(200)]
    speakers = [f"s{index % 100}" for index in range(200)]
    result = _gate(
        tmp_path,
        "pesq_wb",
        drops,
        noise,
        names=lambda i: f"clips/lang{i % 10}/clip{i}",
        speakers=speakers,
    )
    assert _failed(result)["pesq_wb, folder clips/lang3"] == "regression"
    assert result.exit_code == 1


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize(("speech", "music"), [(20, 20), (6, 4)])
def test_speech_down_and_music_up(tmp_path: Path, speech: int, music: int, noise: float) -> None:
    domains = ["speech"] * speech + ["music"] * music
    drops = [0.12] * speech + [-0.12 * speech / music] * music
    result = _gate(tmp_path, "mel_dac_paper", drops, noise, domains=domains)
    assert abs(result.checks[0].drop) < 0.02
    assert result.exit_code in (1, 3)
    assert _failed(result)["mel_dac_paper, domain speech"] in ("regression", "inconclusive")
    if speech == 20:
        assert result.exit_code == 1


def test_many_speakers_down_are_not_hidden_by_each_other(tmp_path: Path) -> None:
    """Twelve of forty fall by three tolerances: none of them stands out, and each is shown."""
    speakers = [f"s{index % 40}" for index in range(800)]
    drops = [0.3 if index % 40 < 12 else 0.0 for index in range(800)]
    result = _gate(tmp_path, "pesq_wb", drops, speakers=speakers)
    assert result.checks[0].drop < 0.1
    assert result.exit_code == 3
    reasons = {one.reason for one in result.failed_parts if one.part.startswith("speaker")}
    assert reasons == {"its clips agree, but speakers differ as much from each other"}
    halved = _gate(tmp_path / "half", "pesq_wb", [0.5 * one for one in drops], speakers=speakers)
    assert halved.exit_code == 0


def test_catastrophes_that_multiply_are_a_regression(tmp_path: Path) -> None:
    drops = [1.9 if index % 20 == 3 else 0.0 for index in range(300)]
    result = _gate(tmp_path, "pesq_wb", drops, floor=2.0)
    (found,) = [one for one in result.failed_parts if one.part == "catastrophic clips"]
    assert (found.outcome, found.baseline_mean, found.run_mean) == ("regression", 0, 15)


def test_a_codec_that_did_not_change_passes(tmp_path: Path) -> None:
    speakers = [f"s{index % 20}" for index in range(80)]
    domains = ["speech" if index % 2 else "music" for index in range(80)]
    for noise in (0.0, 0.005, 0.1, 0.3):
        result = _gate(
            tmp_path / f"{noise}",
            "pesq_wb",
            [0.0] * 80,
            noise,
            names=lambda i: f"{i % 2}/{i}",
            floor=2.9,
            speakers=speakers,
            domains=domains,
        )
        assert result.exit_code == 0
        assert not result.failed_parts


def test_speakers_that_scatter_are_no_finding(tmp_path: Path) -> None:
    """A speaker's clips agree on a drop, but so do all others' on theirs."""
    rng = np.random.default_rng(5)
    groups = [np.arange(index, 200, 10) for index in range(10)]
    effects = rng.normal(0, 1.0, 10)
    drops = rng.normal(0, 0.1, 200) + effects[np.arange(200) % 10]
    apart = stands_out(drops, groups, 1.0, np.ones(len(drops)))
    assert min(apart) > 0.01
    far = drops + 20.0 * (np.arange(200) % 10 == 4)
    assert int(np.argmin(stands_out(far, groups, 1.0, np.ones(len(far))))) == 4
    assert min(stands_out(far, groups, 1.0, np.ones(len(far)))) < 1e-4


def test_what_moves_alone_stands_out_where_nothing_else_moved() -> None:
    groups = [np.array([0, 1]), np.array([2, 3])]
    assert stands_out(np.zeros(4), groups, 0.2, np.ones(4)) == [1.0, 1.0]
    assert stands_out(np.array([0.0, 0.0, 0.3, 0.3]), groups, 0.2, np.ones(4)) == [1.0, 0.0]


def test_a_partial_run_never_passes_unless_that_is_said(tmp_path: Path) -> None:
    result = _gate(tmp_path, "pesq_wb", [0.0] * 24, keep=1)
    said = "new lost 23 of 24 clips (they are not among its clips)"
    assert (result.exit_code, result.checks[0].num_lost) == (3, 23)
    assert result.checks[0].reason == said
    text = check_markdown(result)
    assert text.index(f"**Clips were lost.** {said}.") < text.index("| metric")
    allowed = _gate(tmp_path, "pesq_wb", [0.0] * 24, noise=0.1, keep=20, allow_missing=True)
    assert (allowed.exit_code, allowed.checks[0].num_lost) == (0, 0)
    assert "4 of the baseline's 24 clips are not in this run" in check_markdown(allowed)


def test_failed_clips_are_not_missing_clips(tmp_path: Path) -> None:
    scores = noisy(3.0, 0.3, 24)
    base = read_run(write_run(tmp_path / "base", {"pesq_wb": scores}))
    for lost in ("error: the codec answered an audible clip with silence", "undefined: silent"):
        new = read_run(write_run(tmp_path / "new", {"pesq_wb": [lost, *scores[1:]]}))
        result = check(new, base, load_tolerances(), allow_missing=True)
        assert (result.exit_code, result.checks[0].num_lost) == (3, 1)


@pytest.mark.parametrize(
    ("then", "now", "outcome", "code"),
    [(80.0, 79.0, "passed", 0), (80.0, 81.0, "passed", 0), (80.0, 70.0, "inconclusive", 3)],
)
def test_a_metric_of_all_clips_is_judged_by_its_one_value(
    tmp_path: Path, then: float, now: float, outcome: str, code: int
) -> None:
    scores = {"pesq_wb": noisy(3.0, 0.3)}
    base = write_run(tmp_path / "base", scores, corpus={"codebook_usage": then})
    write_baseline(read_run(base), tmp_path / "b.json")
    new = read_run(write_run(tmp_path / "new", scores, corpus={"codebook_usage": now}))
    result = check(new, load_baseline(tmp_path / "b.json"), load_tolerances())
    found = {one.metric: one for one in result.checks}["codebook_usage"]
    assert (found.outcome, result.exit_code) == (outcome, code)
    assert found.drop == pytest.approx(then - now)
    assert "not tested for chance" in found.reason
    assert "may be in none of 40, unseen" in check_markdown(result)


def test_one_value_of_other_clips_is_not_comparable(tmp_path: Path) -> None:
    scores = noisy(3.0, 0.3, 24)
    values = {"codebook_usage": 50.0}
    base = read_run(write_run(tmp_path / "base", {"pesq_wb": scores}, corpus=values))
    part = read_run(write_run(tmp_path / "new", {"pesq_wb": scores[:20]}, corpus=values))
    whole = {one.metric: one for one in check(part, base, load_tolerances()).checks}
    assert whole["codebook_usage"].outcome == "not comparable"
    allowed = check(part, base, load_tolerances(), allow_missing=True)
    assert allowed.exit_code == 0
    fewer = write_run(tmp_path / "fewer", {"pesq_wb": scores}, corpus=values)
    manifest = json.loads((fewer / "manifest.json").read_text())
    manifest["corpus_scores"]["codebook_usage"]["counts"] = [18, 0, 6]
    (fewer / "manifest.json").write_text(json.dumps(manifest))
    found = {one.metric: one for one in check(read_run(fewer), base, load_tolerances()).checks}
    assert found["codebook_usage"].outcome == "inconclusive"
    assert found["codebook_usage"].reason == "a value of 18 clips, the baseline's of 24"
    none = read_run(write_run(tmp_path / "none", {"pesq_wb": scores}))
    lacking = {one.metric: one for one in check(none, base, load_tolerances()).checks}
    assert lacking["codebook_usage"].reason == "not measured in none"


def test_reports_name_the_parts_that_did_not_pass(tmp_path: Path) -> None:
    speakers = [f"s{index % 40}" for index in range(240)]
    drops = [2.0 if speaker in ("s17", "s3") else 0.0 for speaker in speakers]
    result = _gate(tmp_path, "pesq_wb", drops, speakers=speakers)
    text = check_markdown(result)
    assert "pesq_wb [MOS] ↑, speaker s17" in text
    assert "speaker s4" not in text
    passed = sum(one.outcome == "passed" for one in result.parts)
    assert f"{passed} of {len(result.parts)} parts passed" in text
    parsed = JUnitXml.fromstring(check_junit(result).encode())
    cases = {case.name for suite in parsed for case in suite}
    assert {"pesq_wb", "pesq_wb, speaker s17", "the other parts"} <= cases


def test_parts_are_silent_where_the_whole_says_as_much(tmp_path: Path) -> None:
    speakers = [f"s{index % 8}" for index in range(80)]
    result = _gate(tmp_path, "pesq_wb", [0.5] * 80, speakers=speakers)
    assert result.verdict == "regression: pesq_wb"
    assert result.failed_parts == []
