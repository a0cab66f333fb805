"""``compare``, ``baseline`` and ``check`` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import JUnitXml

from snac_eval.cli.main import main
from tests.runs import HARDWARE, noisy, shifted, write_run

PESQ = noisy(2.5, 0.4)
SPEED = noisy(0.1, 0.005)


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    scores = {"pesq_wb": PESQ, "encode_real_time_factor": SPEED}
    run, path = write_run(tmp_path / "base", scores), tmp_path / "baseline.json"
    assert main(["baseline", str(run), "-o", str(path)]) == 0
    return path


def _scores(by: float = 0.0) -> dict[str, list[float]]:
    return {"pesq_wb": shifted(PESQ, by, 0.02), "encode_real_time_factor": SPEED}


def test_check_passes(baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "new", dict(_scores()))
    files = ["--junit", str(tmp_path / "j.xml"), "--markdown", str(tmp_path / "m.md")]
    capsys.readouterr()
    assert main(["check", str(run), "--baseline", str(baseline), *files]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("## snac-eval check: passed: pesq_wb, encode_real_time_factor")
    assert (tmp_path / "m.md").read_text(encoding="utf-8") == printed
    assert "2 of 2 parts passed" in printed
    # Two metrics, and all parts in one case.
    assert JUnitXml.fromfile(str(tmp_path / "j.xml")).tests == 3


def test_check_fails_on_a_regression(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "new", dict(_scores(-0.3)))
    assert main(["check", str(run), "--baseline", str(baseline)]) == 1
    assert "| **regression** |" in capsys.readouterr().out
    relaxed = ["--tolerance", "pesq_wb=0.5"]
    assert main(["check", str(run), "--baseline", str(baseline), *relaxed]) == 0
    others = ["--metrics", "encode_real_time_factor"]
    assert main(["check", str(run), "--baseline", str(baseline), *others]) == 0


def test_check_cannot_tell_on_another_machine(baseline: Path, tmp_path: Path) -> None:
    hardware = HARDWARE | {"cpu": "Other CPU"}
    run = write_run(tmp_path / "new", dict(_scores()), hardware=hardware)
    assert main(["check", str(run), "--baseline", str(baseline)]) == 3
    assert main(["check", str(run), "--baseline", str(baseline), "--no-speed"]) == 0


def test_check_cannot_tell_from_a_few_clips(baseline: Path, tmp_path: Path) -> None:
    few = {"pesq_wb": shifted(PESQ[:3], -0.3, 0.02)}
    run = write_run(tmp_path / "new", dict(few))
    assert main(["check", str(run), "--baseline", str(baseline), "--metrics", "pesq_wb"]) == 3


def test_check_passes_a_partial_run_only_where_that_is_said(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = {name: scores[:20] for name, scores in _scores().items()}
    run = write_run(tmp_path / "part", dict(part))
    command = ["check", str(run), "--baseline", str(baseline)]
    assert main(command) == 3
    assert "part lost 20 of 40 clips (they are not among its clips)" in capsys.readouterr().out
    assert main([*command, "--allow-missing"]) == 0
    assert "20 of the baseline's 40 clips are not in this run" in capsys.readouterr().out


def test_broken_input_is_exit_code_2(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "new", dict(_scores()))
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    cases = {
        "not valid JSON": ["check", str(run), "--baseline", str(broken)],
        "no such run folder": ["check", str(tmp_path / "none"), "--baseline", str(baseline)],
        "write NAME=VALUE": ["check", str(run), "--baseline", str(baseline), "--tolerance", "x"],
        "unknown metric": ["check", str(run), "--baseline", str(baseline), "--metrics", "x"],
        "at least two": ["compare", str(run)],
        "--clips -1": ["compare", str(run), str(run), "--clips", "-1"],
        f"snac-eval baseline {run} -o": ["check", str(run), "--baseline", str(broken) + "x"],
        "no such": ["baseline", str(tmp_path / "none"), "-o", str(tmp_path / "x.json")],
    }
    for message, arguments in cases.items():
        capsys.readouterr()
        assert main(arguments) == 2
        printed = capsys.readouterr()
        assert message in printed.err
        assert printed.err.count("\n") == 1
        assert printed.out == ""


def test_the_summary_of_a_github_step_is_appended_to(
    baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    run = write_run(tmp_path / "new", dict(_scores()))
    assert main(["check", str(run), "--baseline", str(baseline)]) == 0
    assert summary.read_text(encoding="utf-8").startswith("before\n## snac-eval check: passed")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "folder"))
    assert main(["check", str(run), "--baseline", str(baseline)]) == 2


def test_compare_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        str(write_run(tmp_path / name, dict(_scores(by)), codec=name))
        for name, by in (("a", 0.0), ("b", -0.3))
    ]
    assert main(["compare", *runs]) == 0
    printed = capsys.readouterr().out
    assert "## a against b" in printed
    assert "**better**" in printed
    target = tmp_path / "c.csv"
    assert main(["compare", *runs, "--format", "csv", "-o", str(target)]) == 0
    assert capsys.readouterr().out == ""
    assert target.read_text().count("\n") == 3


def test_real_runs_of_one_codec_pass_and_another_bitrate_does_not(
    audio_dir: Path, tmp_path: Path
) -> None:
    for model in ("opus_12kbps", "opus_6kbps"):
        where = ["--dataset", f"folder:{audio_dir}", "--output", str(tmp_path / model)]
        what = ["--metrics", "mel_dac_paper,bitrate", "--workers", "0", "--quiet"]
        assert main(["run", "--model", model, *where, *what]) == 0
    path = str(tmp_path / "b.json")
    assert main(["baseline", str(tmp_path / "opus_12kbps"), "-o", path]) == 0
    assert main(["check", str(tmp_path / "opus_12kbps"), "--baseline", path]) == 0
    assert main(["check", str(tmp_path / "opus_6kbps"), "--baseline", path]) == 3
