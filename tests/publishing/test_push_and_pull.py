"""What push sends, pull reads back: an equal run, and nothing that nobody should know."""

from __future__ import annotations

import getpass
import json
import platform
from dataclasses import fields
from pathlib import Path

import pytest

from snac_eval.cli.main import main
from snac_eval.results.record import Run, read_run
from snac_eval.results.study import StudyRun, read_runs, write_study
from snac_eval.submissions.exporting import submission_of
from tests.publishing.conftest import HOME, make_run
from tests.writable_hub import Hub, Repo

_OTHER = {"name", "folder", "manifest", "compact"}
"""Of a run, what is not its results: where it lies, and its files."""


def facts(run: Run) -> dict[str, object]:
    """All else that a run says, its scores among it."""
    return {one.name: getattr(run, one.name) for one in fields(run) if one.name not in _OTHER}


def assert_equal(pulled: Run, mine: Run) -> None:
    result = mine.metrics["pesq_wb"]
    mine.metrics["pesq_wb"].missing["clip008"] = type(result.missing["clip008"])(  # type: ignore[index]
        None, "undefined", "nothing in a.wav"
    )
    assert facts(pulled) == facts(mine)


def test_without_send_it_is_shown_and_no_hub_is_asked(
    hub: Hub, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(run), "--repo", "me/scores"]) == 0
    shown = capsys.readouterr().out
    assert hub.asked == []
    assert "Nothing was sent; add --send" in shown
    assert main(["push", str(run), "--repo", "me/scores", "--send"]) == 0
    sent = hub.repos["datasets/me/scores"].files
    for path, content in sent.items():
        if path != ".gitattributes":
            assert f"{path} " in shown
        if path.endswith("README.md"):
            assert content.decode() in shown


def test_what_is_pulled_is_what_was_pushed(
    hub: Hub, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(run), "--repo", "me/scores", "--send"]) == 0
    assert main(["pull", "me/scores"]) == 0
    pulled = Path("runs/scores")
    assert sorted(path.name for path in pulled.iterdir()) == ["manifest.json", "scores.parquet"]
    assert_equal(read_run(pulled), read_run(run))
    assert submission_of(read_run(pulled)) == submission_of(read_run(run))
    assert main(["baseline", str(run), "-o", "baseline.json"]) == 0
    capsys.readouterr()
    verdicts = []
    for folder in (run, pulled):
        words = ["check", str(folder), "--baseline", "baseline.json"]
        code = main(words)
        said = capsys.readouterr().out
        tables = []
        for table in (
            ["table", str(folder), "--format", "csv"],
            ["compare", str(folder), str(run)],
        ):
            main(table)
            tables.append(capsys.readouterr().out.replace("scores", "mine"))
        verdicts.append((code, said.splitlines()[0].replace("scores", "mine"), tables[0]))
    assert verdicts[0] == verdicts[1]


def test_nothing_private_is_sent(hub: Hub, run: Path) -> None:
    assert main(["push", str(run), "--repo", "me/scores", "--send"]) == 0
    sent = hub.repos["datasets/me/scores"].files
    assert sorted(sent) == [
        ".gitattributes",
        "README.md",
        "models/owner--tiny/README.md",
        "runs/data/tiny/manifest.json",
        "runs/data/tiny/scores.csv",
        "runs/data/tiny/summary.csv",
        "scores.parquet",
        "snac-eval.json",
    ]
    for path, content in sent.items():
        for secret in (HOME, "secret-project", f"/{getpass.getuser()}", platform.node(), "hf_me"):
            assert secret.encode() not in content, f"{secret} in {path}"


def test_a_study_is_pushed_as_a_whole_and_what_has_gone_is_removed(
    hub: Hub, tmp_path: Path
) -> None:
    codecs = ("tiny", "small")
    runs = [make_run(tmp_path / "study" / codec, codec, 2.0) for codec in codecs]
    failed = StudyRun("lost", "data", "lost", f"no {HOME}")
    write_study(tmp_path / "study", [*(StudyRun(one, "data", one) for one in codecs), failed])
    assert main(["push", "study", "--repo", "me/study", "--send"]) == 0
    repo = hub.repos["datasets/me/study"]
    assert HOME.encode() not in repo.files["study.json"]
    assert main(["pull", "me/study", "-o", "pulled"]) == 0
    for pulled, mine in zip(read_runs([Path("pulled")]), map(read_run, runs), strict=True):
        assert_equal(pulled, mine)
    repo.files["LICENSE"] = b"by hand"
    assert main(["push", "study/tiny", "--repo", "me/study", "--send", "--overwrite"]) == 0
    assert {path.split("/")[2] for path in repo.files if path.startswith("runs/")} == {"tiny"}
    assert "study.json" not in repo.files
    assert repo.files["LICENSE"] == b"by hand"
    assert main(["pull", "me/study", "-o", "one"]) == 0
    assert read_run(Path("one")).codec == "tiny"


WRONG = {
    "no token": ({"HF_TOKEN": ""}, "me/scores", "no token of the hub on this machine: run hf auth"),
    "bad token": (
        {"HF_TOKEN": "hf_x"},
        "me/scores",
        "dataset me/scores: the hub does not know thi",
    ),
    "other's": (
        {},
        "you/scores",
        "dataset you/scores: your token may not write there; run hf auth",
    ),
    "used": ({}, "me/used", "dataset me/used: holds audio.zip, which snac-eval did not push; name"),
    "no name": ({}, "scores", "--repo scores: no name of a repository; give USER/NAME"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_sent_is_one_line(
    hub: Hub,
    run: Path,
    case: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    surroundings, name, said = WRONG[case]
    for key, value in surroundings.items():
        monkeypatch.setenv(key, value)
    hub.repos["datasets/me/used"] = Repo(files={"audio.zip": b"theirs"})
    assert main(["push", str(run), "--repo", name, "--send"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"snac-eval: {said}")
    assert error.count("\n") == 1
    assert list(hub.repos) == ["datasets/me/used"]
    assert hub.repos["datasets/me/used"].files == {"audio.zip": b"theirs"}


def test_runs_that_others_may_not_have_are_not_sent(
    hub: Hub, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push = ["push", str(run), "--repo", "me/scores", "--send"]
    assert main([*push[:2], str(make_run(tmp_path / "again", "tiny", 2.1)), *push[2:]]) == 2
    assert "is of the codec, the dataset and the options of" in capsys.readouterr().err
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"state": "interrupted"}))
    assert main(push) == 2
    assert "the run was not finished" in capsys.readouterr().err
    assert hub.asked == []


def test_a_private_repository_is_seen_by_its_owner_alone(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(run), "--repo", "me/scores", "--private", "--send"]) == 0
    assert hub.repos["datasets/me/scores"].private
    hub.repos["datasets/me/open"] = Repo()
    assert main(["push", str(run), "--repo", "me/open", "--private", "--send"]) == 2
    assert "dataset me/open: is there, and not private" in capsys.readouterr().err
    assert list(hub.repos["datasets/me/open"].files) == [".gitattributes"]
    for token, name, code in (
        ("hf_reader", "me/scores", 2),
        ("", "me/scores", 2),
        ("hf_me", "me/scoers", 2),
        ("hf_me", "me/scores", 0),
    ):
        monkeypatch.setenv("HF_TOKEN", token)
        assert main(["pull", name]) == code
        if code:
            error = capsys.readouterr().err
            assert "there is no such repository, or it is private" in error
            assert error.count("\n") == 1
            assert not Path("runs").exists()


@pytest.mark.parametrize("command", ["push", "pull"])
def test_a_hub_that_cannot_be_reached_is_one_line(
    hub: Hub,
    run: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [str(run), "--send", "--repo", "me/x"] if command == "push" else ["me/x"]
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert main([command, *words]) == 2
    assert "http://127.0.0.1:9 cannot be reached" in (error := capsys.readouterr().err)
    assert error.count("\n") == 1
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert main([command, *words]) == 2
    assert capsys.readouterr().err.startswith("snac-eval: HF_HUB_OFFLINE is set")


def test_pull_takes_a_revision_and_no_folder_that_is_used(
    hub: Hub, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(run), "--repo", "me/scores", "--send"]) == 0
    commit = hub.repos["datasets/me/scores"].commit
    assert main(["pull", "me/scores", "--revision", commit]) == 0
    assert main(["pull", "me/scores", "-o", "x", "--revision", "v2"]) == 2
    assert "dataset me/scores: has no such revision" in capsys.readouterr().err
    assert main(["pull", "me/scores"]) == 2
    assert "runs/scores: is there already; name another with -o" in capsys.readouterr().err
