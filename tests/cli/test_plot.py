"""``snac-eval plot`` from folders to a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval.cli.main import main
from snac_eval.cli.plot import _label
from snac_eval.errors import UsageError
from snac_eval.results.study import StudyRun, write_study
from tests.runs import noisy, write_run


def test_a_study_becomes_a_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for rate in (6, 12):
        columns = {"bitrate": [rate] * 8, "pesq_wb": noisy(2 + rate / 10, 0.2, 8)}
        write_run(tmp_path / f"opus{rate}", columns, codec=f"opus_{rate}kbps")
    write_study(tmp_path, [StudyRun("o", "data", f"opus{rate}") for rate in (6, 12)])
    figure = tmp_path / "made" / "rd.pdf"
    arguments = ["plot", str(tmp_path), "--y", "pesq_wb", "--label", "opus=Opus"]
    assert main([*arguments, "-o", str(figure)]) == 0
    assert figure.read_bytes().startswith(b"%PDF")
    said = capsys.readouterr().out
    assert said.startswith("Mean PESQ-WB over bitrate. ")
    assert "data: over the 8 clips that every run drawn has a score of." in said
    assert said.endswith(f"figure: {figure}\n")
    assert main([*arguments, "-o", str(tmp_path / "rd.jpg")]) == 2
    assert main([*arguments, "--x", "stream", "-o", str(figure)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "did you mean 'streams'" in lines[1]


def test_a_label_is_parted_from_a_name_with_options() -> None:
    assert _label("snac_24khz@k=2=SNAC, k=2") == ("snac_24khz@k=2", "SNAC, k=2")
    assert _label("opus= Opus @ 6 kbps") == ("opus", "Opus @ 6 kbps")
    for wrong in ("opus", "=Opus", "opus= ", "snac_24khz@k=2"):
        with pytest.raises(UsageError, match="write NAME=TEXT"):
            _label(wrong)
