"""A study's folder stands for its runs wherever runs are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from snac_eval.errors import StoreError
from snac_eval.results.study import (
    FILE_NAME,
    StudyRun,
    read_runs,
    read_study,
    run_folders,
    write_study,
)
from tests.runs import write_run


def test_a_study_gives_the_folders_of_its_runs_and_a_run_its_own(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    runs = [
        StudyRun("a", "demo", "a_demo"),
        StudyRun("b", "demo", "../b_demo"),
        StudyRun("c", "demo", "c_demo", problem="no weights"),
    ]
    write_study(study, runs)
    assert read_study(study) == tuple(runs)
    single = tmp_path / "single"
    found = list(run_folders([study, single]))
    assert found == [study / "a_demo", tmp_path / "b_demo", single]


def test_a_study_without_a_run_says_so(tmp_path: Path) -> None:
    write_study(tmp_path, [StudyRun("c", "demo", "c_demo", problem="no weights")])
    with pytest.raises(StoreError, match="no run of this study has ended"):
        read_runs([tmp_path])


@pytest.mark.parametrize("content", [{}, {"runs": 3}, {"runs": [{"model": "a"}]}, {"runs": [7]}])
def test_a_broken_study_is_one_line(tmp_path: Path, content: object) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps(content))
    with pytest.raises(StoreError, match=r"study\.json: lists no runs"):
        read_study(tmp_path)


def test_a_folder_of_runs_gives_the_runs_below_it_and_follows_no_link(tmp_path: Path) -> None:
    for name in ("data/one", "data/two", "elsewhere/three"):
        write_run(tmp_path / "all" / name, {"stoi": [0.9]}, codec=name)
    (tmp_path / "all/elsewhere").rename(tmp_path / "elsewhere")
    (tmp_path / "all/link").symlink_to(tmp_path / "elsewhere")
    assert [run.codec for run in read_runs([tmp_path / "all"])] == ["data/one", "data/two"]
