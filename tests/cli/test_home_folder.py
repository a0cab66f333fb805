"""``~`` is the home folder in every flag, for shells that leave it to the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval import evaluate
from snac_eval.cli.main import main


def test_flags_know_the_home_folder(
    audio_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(audio_dir))
    run = ["run", "--model", "pcm_8bit", "--metrics", "si_sdr_aligned", "--workers", "0", "--quiet"]
    assert main([*run, "--dataset", "folder:~", "--no-html", "--output=~/run"]) == 0
    assert (audio_dir / "run" / "scores.parquet").is_file()
    assert main(["baseline", "~/run", "--output=~/baseline.json"]) == 0
    assert main(["check", "~/run", "--baseline=~/baseline.json"]) == 0
    assert main(["table", "~/run", "--output=~/table.md"]) == 0
    assert (audio_dir / "table.md").is_file()
    with pytest.raises(SystemExit, match="2"):
        main([*run, "--dataset", "demo", "--output=~nobody-of-this-name/run"])
    assert "whose folder is that" in capsys.readouterr().err


def test_python_knows_it_too(audio_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(audio_dir))
    evaluate("pcm_8bit", "folder:~", metrics=["si_sdr"], output="~/run", workers=0, html=False)
    assert (audio_dir / "run" / "scores.parquet").is_file()
