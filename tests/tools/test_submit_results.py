"""The study behind the committed results names what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval.run.choosing import read_study
from snac_eval.run.config import RunConfig
from tools.submit_results import main, parts, study_file


def test_every_part_is_a_study_of_codecs_and_datasets_that_there_are(tmp_path: Path) -> None:
    for part in parts(tmp_path):
        file = tmp_path / "study.toml"
        file.write_text(study_file(part, tmp_path, tmp_path / "lyra"), encoding="utf-8")
        study, _ = read_study(file, RunConfig("", "", tmp_path))
        configs = study.configs(tmp_path)
        assert len(configs) == len(part.models)
        assert {config.dataset for config in configs} == {part.dataset}


def test_a_dataset_that_is_not_there_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data-root", str(tmp_path), "--only", "stahl2024"]) == 0
    assert "left out: stahl2024" in capsys.readouterr().out
    assert main(["--data-root", str(tmp_path), "--only", "nothing"]) == 2
    assert "there are demo, librispeech_mini" in capsys.readouterr().err
