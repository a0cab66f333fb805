"""A repository is somebody else's: what is wrong with it is said, and nothing of it is kept."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from snac_eval.cli.main import main
from snac_eval.publishing.parcel import Request, pack
from snac_eval.publishing.receipt import is_plain
from snac_eval.results.record import read_run
from tests.publishing.conftest import make_run
from tests.writable_hub import Files, Hub, Repo

SHEET, SUMMARY = "runs/data/tiny/scores.csv", "runs/data/tiny/summary.csv"


def listed(files: Files, change: Callable[[dict[str, Any]], object]) -> None:
    """Make ``snac-eval.json`` say something else."""
    content = json.loads(files["snac-eval.json"])
    change(content)
    files["snac-eval.json"] = json.dumps(content).encode()


def vouched(files: Files, path: str, content: bytes) -> None:
    """Replace a file, and its digest with it: whoever writes the one can write the other."""
    files[path] = content

    def change(said: dict[str, Any]) -> None:
        one = next(one for one in said["files"] if one["path"] == path)
        one |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    listed(files, change)


def renamed(path: str) -> Callable[[Files], None]:
    """A file of the list, and of the repository, gets this name."""

    def change(files: Files) -> None:
        files[path] = files[SHEET]
        listed(files, lambda said: said["files"][2].update(path=path))

    return change


SPOILT: dict[str, tuple[Callable[[Files], object], str]] = {
    "not ours": (lambda files: files.pop("snac-eval.json"), "it has no snac-eval.json"),
    "no JSON": (lambda files: files.update({"snac-eval.json": b"[" * 9999}), "not the list that"),
    "no list": (lambda files: files.update({"snac-eval.json": b"[1]"}), "not the list that"),
    "later": (lambda files: listed(files, lambda said: said.update(format=2)), "another format (2"),
    "lacking": (lambda files: files.pop(SHEET), f"lacks {SHEET}"),
    "longer": (lambda files: files.update({SHEET: files[SHEET] + b"\n"}), "bytes, snac-eval.json"),
    "changed": (
        lambda files: files.update({SHEET: files[SHEET].replace(b"1", b"2")}),
        f"{SHEET} is not what snac-eval.json says; it was changed",
    ),
    "changed twice": (
        lambda files: vouched(files, SHEET, files[SHEET].replace(b"1", b"2")),
        "scores.csv",
    ),
    "summary": (
        lambda files: vouched(files, SUMMARY, files[SUMMARY].replace(b"8,1,1", b"9,0,1")),
        "summary.csv of tiny is not that of its scores",
    ),
    "shown": (
        lambda files: vouched(files, "scores.parquet", b"PAR1"),
        "scores.parquet cannot be read",
    ),
    "huge": (
        lambda files: listed(files, lambda said: said["files"][-1].update(size=10**12)),
        "bytes, snac-eval.json says",
    ),
    "outside": (renamed("runs/data/../../../scores.csv"), "names a file that no push writes"),
    "absolute": (renamed("/tmp/scores.csv"), "names a file that no push writes"),
    "hidden": (renamed("runs/data/.git/manifest.json"), "names a file that no push writes"),
    "script": (renamed("runs/data/tiny/run.sh"), "names a file that no push writes"),
    "less": (
        lambda files: listed(
            files,
            lambda said: said.update(
                files=[one for one in said["files"] if SUMMARY not in one["path"]]
            ),
        ),
        "its runs are not those that snac-eval.json names",
    ),
    "twice": (
        lambda files: listed(files, lambda said: said["files"].append(said["files"][1])),
        "names a file twice",
    ),
}


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What a push of a run sends."""
    place = tmp_path_factory.mktemp("sent")
    run = read_run(make_run(place / "run", "tiny", 2.0))
    parcel = pack([run], Request("me/scores"), place / "parcel")
    return {one.path: (parcel.folder / one.path).read_bytes() for one in parcel.files}


@pytest.mark.parametrize("case", SPOILT)
def test_what_was_tampered_with_is_refused(
    hub: Hub, sent: Files, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, said = SPOILT[case]
    files = dict(sent)
    spoil(files)
    hub.repos["datasets/me/scores"] = Repo(files=files)
    assert main(["pull", "me/scores", "-o", "pulled"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("snac-eval: dataset me/scores: ")
    assert said in error
    assert error.count("\n") == 1
    assert {one.name for one in tmp_path.iterdir()} <= {"cache"}


def test_scores_on_the_page_must_be_those_of_the_runs(
    hub: Hub, sent: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.read_parquet(io.BytesIO(sent["scores.parquet"]))
    rows.loc[0, "value"] += 1
    files = dict(sent)
    vouched(files, "scores.parquet", rows.to_parquet(index=False))
    hub.repos["datasets/me/scores"] = Repo(files=files)
    assert main(["pull", "me/scores", "-o", "pulled"]) == 2
    assert "which its page shows, has other scores than the runs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["x", "..", "../x", "a/b/c", "a/b\n", "/etc", "a/..", "-x/y", "http://a/b/c"]
)
def test_names_of_no_repository_ask_no_hub(
    hub: Hub, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pull", "--", name]) == 2
    assert "no name of a repository" in (error := capsys.readouterr().err)
    assert error.count("\n") == 1
    assert hub.asked == []


def test_paths_that_a_push_writes() -> None:
    good = ("scores.parquet", "study.json", "runs/demo_limit-4/opus@k=1/scores.csv")
    bad = ("runs/a/b/c/scores.csv", "runs/a/manifest.json", "con:/x", "runs/a./b/scores.csv", "")
    assert [path for path in (*good, *bad) if is_plain(path)] == [*good]


def test_a_repository_without_anything_is_none_of_ours(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repos["datasets/you/audio"] = Repo(files={"README.md": b"# Audio"})
    assert main(["pull", "you/audio"]) == 2
    assert "dataset you/audio: nothing that snac-eval pushed" in capsys.readouterr().err
    assert main(["pull", f"{hub.endpoint}/datasets/you/audio/"]) == 2
    assert "dataset you/audio: nothing that snac-eval pushed" in capsys.readouterr().err
