"""A study on the command line: killed and continued, read whole by every command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from snac_eval.cli.main import main
from snac_eval.results.study import FILE_NAME, StudyRun, read_runs, read_study
from tests.cli.helpers import command, repeatable, scores
from tests.conftest import tone

METRICS = "bitrate,mel_dac_paper,si_sdr"


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "speech"
    folder.mkdir()
    for index in range(4):
        soundfile.write(folder / f"{index}.wav", tone(0.6, seed=index), 16000)
    return folder


def _arguments(clips: Path, folder: Path, *models: str) -> list[str]:
    named = [part for model in models for part in ("--model", model)]
    data = ["--dataset", f"folder:{clips}", "--metrics", METRICS]
    return ["run", *named, *data, "--output", str(folder), "--no-html"]


def test_a_killed_study_goes_on_where_it_was(clips: Path, tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    models = ("pcm_8bit,opus_6kbps", "opus_12kbps", "pcm_16bit")
    process = subprocess.Popen(
        command(*_arguments(clips, killed, *models)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while sum(not one.problem for one in _listed(killed)) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert main([*_arguments(clips, killed, *models), "--workers", "0"]) == 0
    assert main([*_arguments(clips, whole, *models), "--workers", "0"]) == 0
    names = [one.folder for one in _listed(whole)]
    assert names == [one.folder for one in _listed(killed)]
    for name in names:
        pd.testing.assert_frame_equal(
            repeatable(scores(killed / name)), repeatable(scores(whole / name))
        )
    done = [json.loads((killed / name / "manifest.json").read_text()) for name in names]
    assert [one["argv"] for one in done[:2]] == [done[0]["argv"]] * 2
    assert "--workers" not in done[0]["argv"]  # the killed call did these, and they stayed
    assert "--workers" in done[-1]["argv"]


def _listed(folder: Path) -> tuple[StudyRun, ...]:
    return read_study(folder) if (folder / FILE_NAME).is_file() else ()


def test_every_command_takes_a_study_whole(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    arguments = [*_arguments(clips, study, "pcm_8bit", "opus_6kbps"), "--workers", "0"]
    labels = ["--label", "opus_6kbps=Opus, slow"]
    assert main([*arguments, *labels]) == 0
    printed = capsys.readouterr().out
    assert "Opus, slow" in printed
    assert f"8 clips computed now; files in {study}/" in printed
    assert main([*arguments, *labels]) == 0
    assert "0 clips computed now" in capsys.readouterr().out
    assert [run.codec for run in read_runs([study])] == ["pcm_8bit", "opus_6kbps"]
    for given in (["table"], ["table", "--format", "latex"], ["compare"], ["report"]):
        assert main([given[0], str(study), *given[1:]]) in (0, 3)
        assert "opus" in capsys.readouterr().out.lower()
    assert main(["report", str(study), "--html", "--report-clips", "1"]) == 0
    assert (study / "report.html").is_file()
    assert main(["plot", str(study), "--y", "mel_dac_paper", "-o", str(tmp_path / "f.svg")]) == 0
    assert (tmp_path / "f.svg").is_file()


def test_a_study_without_anything_to_do_keeps_its_page(clips: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    arguments = [*_arguments(clips, study, "pcm_8bit", "pcm_16bit"), "--workers", "0"]
    html = [*(one for one in arguments if one != "--no-html"), "--report-clips", "1"]
    assert main(html) == 0
    written = (study / "report.html").stat().st_mtime_ns
    assert main(html) == 0
    assert main(arguments) == 0
    assert (study / "report.html").stat().st_mtime_ns == written
    assert main([*arguments, "--seed", "0", "--metrics", "stft_distance"]) == 0
    assert not (study / "report.html").exists()


def test_one_that_fails_is_named_and_the_exit_code_is_one(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    arguments = _arguments(clips, study, f"files:{tmp_path / 'nowhere'}", "pcm_8bit")
    assert main([*arguments, "--workers", "0"]) == 1
    said = capsys.readouterr()
    assert f"files:{tmp_path / 'nowhere'} on folder:{clips} failed:" in said.err
    assert "4 clips computed now" in said.out
    assert [bool(one.problem) for one in read_study(study)] == [True, False]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--model", "pcm_8bti"], "did you mean 'pcm_8bit'"),
        (["--model", "pcm_16bit", "--weights", "w"], "--weights is of one model"),
        (["--model", "pcm_16bit", "--plan-only"], "--plan-only is of one run"),
        (["--model", "pcm_16bit", "--label", "opsu=O"], "unknown model 'opsu'"),
        (["--study", "nowhere.toml"], "leave --model and --dataset"),
    ],
)
def test_what_does_not_fit_is_one_line(
    clips: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    assert main([*_arguments(clips, tmp_path / "study", "pcm_8bit"), *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_another_limit_does_not_replace_what_is_there(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    arguments = [*_arguments(clips, run, "pcm_8bit"), "--workers", "0"]
    assert main([*arguments, "--limit", "2"]) == 0
    assert main(arguments) == 0
    assert main([*arguments, "--limit", "2"]) == 2
    assert "holds a run of 4 clips, 2 of which --limit 2 leaves out" in capsys.readouterr().err
    assert len(set(scores(run)["clip_id"])) == 4


def test_other_metrics_add_to_those_that_are_there(clips: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = [*_arguments(clips, run, "pcm_8bit"), "--workers", "0"]
    assert main(arguments) == 0
    arguments[arguments.index(METRICS)] = "stft_distance,bitrate"
    assert main(arguments) == 0
    assert set(scores(run)["metric"]) == {*METRICS.split(","), "stft_distance"}


def test_a_page_of_other_scores_does_not_stay(clips: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = [*_arguments(clips, run, "pcm_8bit"), "--workers", "0", "--report-clips", "0"]
    html = [one for one in arguments if one != "--no-html"]
    assert main([*html, "--limit", "2"]) == 0
    assert (run / "report.html").is_file()
    assert main([*arguments, "--limit", "2"]) == 0
    assert (run / "report.html").is_file()
    assert main(arguments) == 0
    assert not (run / "report.html").exists()
