"""``snac-eval listen read`` on files of other tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval.cli.main import main
from snac_eval.listening.report import ratings_csv
from tests.results.listeners.drawn import ratings

pytestmark = pytest.mark.usefixtures("in_folder")


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    drawn = ratings({"ref": 100, "a": 60, "b": 30, "anchor_3500": 5})
    Path("told.csv").write_text(ratings_csv(drawn).replace("codec", "Verfahren"), encoding="utf-8")


def test_what_is_asked_for_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["listen", "read", "told.csv", "--codec-column", "Verfahren"]
    assert main([*asked, "--ratings", "r.csv", "-o", "t.tex"]) == 0
    assert not capsys.readouterr().out
    assert r"\toprule" in Path("t.tex").read_text()
    assert main(["listen", "read", "r.csv"]) == 0
    assert "a against b" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["told.csv"], "has no column 'codec'"),
        (["told.csv", "--codec-column", "x"], "has no column 'x'"),
        (
            ["told.csv", "--codec-column", "Verfahren", "--reference-name", "x"],
            "unknown codec of the rat",
        ),
        (["nothere.csv"], "no such file"),
        (["folder"], "folder.key.json: not there"),
        (["folder", "--scale", "acr"], "--scale is of files of other tests"),
        (["told.csv", "--figure", "b.gif"], "ends in .pdf, .svg, .png"),
        (["told.csv", "-o", "t.docx"], "nothing is written as .docx"),
    ],
)
def test_what_does_not_fit_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["listen", "read", *arguments]) == 2
    found = capsys.readouterr()
    assert not found.out
    assert found.err.count("\n") == 1
    assert said in found.err
