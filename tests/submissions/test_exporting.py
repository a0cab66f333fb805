"""A run as a submission: the same to every reader, the same bytes each time, nobody's secrets."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from snac_eval.cli.main import main
from snac_eval.reports.summary import summary_markdown
from snac_eval.reports.verdicts import comparison_markdown
from snac_eval.results.compare import compare
from snac_eval.results.record import read_run
from snac_eval.results.study import read_runs
from snac_eval.results.tolerances import Tolerances
from snac_eval.submissions.exporting import submission_of, unfit
from snac_eval.submissions.public import public_text
from tests.runs import write_run
from tests.submissions.tampering import RESULTS, problems

SECRET = "hf_" + "a" * 34


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two real runs of three clips, below a folder that tells whose it is."""
    folder = tmp_path_factory.mktemp("ada lovelace") / "runs"
    words = ["run", "--model", "pcm_16bit,opus_6kbps", "--dataset", "demo", "--limit", "3"]
    metrics = ["--metrics", "bitrate,si_sdr_aligned"]
    quiet = ["--no-html", "--quiet", "--workers", "0"]
    assert main([*words, *metrics, *quiet, "--output", str(folder)]) == 0
    return folder


def test_a_study_is_exported_and_reads_as_the_same_runs(ran: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    assert main(["export", str(ran), "-o", str(out)]) == 0
    assert main(["export", "--check", str(out)]) == 0
    before, after = read_runs([ran]), read_runs([out])
    assert {one.codec for one in after} == {"pcm_16bit", "opus_6kbps"}
    for run in before:
        (same,) = [one for one in after if one.codec == run.codec]
        assert same.metrics == run.metrics
        assert same.clips == run.clips
        order = ["clip_id", "metric"]
        rows = [one.rows.sort_values(order, ignore_index=True) for one in (run, same)]
        assert rows[0].equals(rows[1])
        assert summary_markdown(replace(same, name=run.name)) == summary_markdown(run)
    after.sort(key=lambda one: one.codec != before[0].codec)
    verdicts = [comparison_markdown(compare(runs, Tolerances())) for runs in (before, after)]
    assert verdicts[0] == verdicts[1]


def test_exporting_twice_and_exporting_an_export_give_the_same_bytes(
    ran: Path, tmp_path: Path
) -> None:
    for run in read_runs([ran]):
        first = submission_of(run)
        assert submission_of(run) == first
        folder = tmp_path / first.place
        folder.mkdir(parents=True)
        for name, text in first.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        assert submission_of(read_run(folder)) == first


def test_nothing_tells_where_or_by_whom(ran: Path) -> None:
    for run in read_runs([ran]):
        everything = "".join(submission_of(run).files.values())
        assert "ada" not in everything.lower().replace("adaptive", "")
        assert str(ran) not in everything
        assert "store.sqlite" not in everything


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("cannot read /home/ada/clips/a.wav: gone", "cannot read a.wav: gone"),
        ("files:/srv/My clips", "files:My clips"),
        (r"C:\Users\ada\a.wav is no file", "a.wav is no file"),
        ("in /root and ~/x/y.py", "in ~ and y.py"),
        (f"token {SECRET}", "token ***"),
        ("https://ada:pw@host/a?token=b", "https://***@host/a?token=***"),
        ("MIT/Apache, 1/s, and/or, https://doi.org/10.1/x", None),
        ("encode = ffmpeg -i {input} -b:a {bit_rate} {bitstream}", None),
    ],
)
def test_a_text_loses_paths_and_secrets_alone(text: str, public: str | None) -> None:
    assert public_text(text) == (text if public is None else public)
    assert public_text(public_text(text)) == public_text(text)


def test_a_run_that_says_too_little_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {"stoi": [0.9, 0.8, "error: decoder failed", 0.7]}
    lost = read_run(write_run(tmp_path / "lost", scores, kind="run"))
    assert unfit(lost).startswith("1 of 4 clips failed, more than 10%")
    stopped = write_run(tmp_path / "stopped", {"stoi": [0.9]}, kind="run", state="interrupted")
    assert main(["export", str(stopped), "-o", str(tmp_path / "out")]) == 1
    assert "the run was not finished" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_no_submission_is_not_overwritten(
    ran: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = next(iter(read_runs([ran])))
    folder = tmp_path / submission_of(run).place
    assert run.folder is not None
    shutil.copytree(run.folder, folder)
    assert main(["export", str(run.folder), "-o", str(tmp_path)]) == 1
    assert "holds something that is no submission" in capsys.readouterr().err


def test_a_folder_without_submissions_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--check", str(tmp_path)]) == 2
    assert "holds no submission" in capsys.readouterr().err
    assert main(["export", str(RESULTS)]) == 2
    assert "give either -o DIR, to export, or --check" in capsys.readouterr().err


def test_a_refused_submission_gives_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo" / "opus_6kbps"
    shutil.copytree(RESULTS / "demo/opus_6kbps", folder)
    assert problems(folder) == ""
    (folder / "summary.csv").unlink()
    assert main(["export", "--check", str(tmp_path)]) == 1
    assert "has no summary.csv\n1 submissions checked, 1 do not hold" in capsys.readouterr().out
