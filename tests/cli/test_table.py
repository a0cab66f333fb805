"""snac-eval table: which format, and what is refused in one line."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from snac_eval.cli import streams
from snac_eval.cli.main import main
from snac_eval.cli.streams import Guarded, Screen
from tests.runs import noisy, shifted, write_run

PESQ = noisy(2.5, 0.4, 12)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two runs in the folder where the command runs."""
    monkeypatch.chdir(tmp_path)
    for name, by in (("good", 0.0), ("bad", -1.0)):
        scores = {"pesq_wb": shifted(PESQ, by, 0.05), "bitrate": [8.0 + by] * 12}
        write_run(tmp_path / name, scores, f"{name}\x1b[31m")
    return ["good", "bad"]


def test_a_terminal_gets_a_table_for_its_width_and_a_pipe_markdown(
    runs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", *runs]) == 0
    assert "| codec " in capsys.readouterr().out
    monkeypatch.setattr("snac_eval.cli.table.screen", lambda: Screen(60, True, True))
    assert main(["table", *runs]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"good\?\[31m +\x1b\[1m2\.\d+\x1b\[0m", shown)
    assert "\x1b[31m" not in shown
    assert shown.index("bad?[31m") < shown.index("good?[31m")
    assert main(["table", *runs, "--format", "md"]) == 0
    assert "| codec " in capsys.readouterr().out
    monkeypatch.setattr("snac_eval.cli.table.screen", lambda: Screen(26, True, False))
    assert main(["table", *runs]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "  snac-eval table good bad --metrics bitrate\n" in shown


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("t.md", b"**data (12 clips)**"),
        ("t.TEX", b"% Needs"),
        ("t.csv", b"codec,dataset"),
        ("t.txt", b"data (12 clips)"),
        ("t.xlsx", b"PK"),
        ("t", b"**data (12 clips)**"),
    ],
)
def test_the_suffix_says_the_format(runs: list[str], name: str, begins: bytes) -> None:
    assert main(["table", *runs, "-o", name]) == 0
    assert Path(name).read_bytes().startswith(begins)
    assert main(["table", *runs, "-o", name, "--format", "csv"]) == 0
    assert Path(name).read_bytes().startswith(b"codec,dataset")


def test_latex_is_laid_out_as_asked(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    layout = ["--sideways", "--columns", "1", "--latex-label", "tab:x", "--caption", "Two & two."]
    assert main(["table", *runs, "-o", "t.tex", *layout, "--label", "bad=Bad 1"]) == 0
    text = Path("t.tex").read_text(encoding="utf-8")
    assert "\\caption{Two \\& two.}\\smallskip\n\\label{tab:x}" in text
    assert r"Mean over clips $\pm$ half" in text
    assert text.count(r"\begin{tabular}") == 2
    assert "Bad 1 & " in text
    assert "clips &" not in text
    assert main(["table", *runs, "--format", "latex"]) == 0
    assert r"\begin{table}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-o", "t.pdf"], "no table is written as .pdf; use .md, .tex, .csv, .txt, .xlsx"),
        (["--format", "xlsx"], "--format xlsx needs -o FILE"),
        (["--columns", "2"], "--columns is of LaTeX: add --format latex, or -o FILE.tex"),
        (["--sideways", "-o", "t.md"], "--sideways is of LaTeX"),
        (["--format", "latex", "--columns", "0"], "--columns 0: must be at least 1"),
        (["--format", "latex", "--latex-label", "a}b"], "--latex-label 'a}b': only ASCII"),
        (["--sort", "pesq"], "unknown order in --sort 'pesq': did you mean 'pesq_wb'?"),
        (["--label", "good"], "--label good: write NAME=TEXT"),
        (["--against", "god"], "unknown codec in --against 'god'"),
        (["--models", "--sort", "name"], "--sort is of runs; leave it out with --models"),
        (["--models", "-o", "t.xlsx"], "--format xlsx is of runs; leave it out with --models"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    runs: list[str], flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", *runs, *flags]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not Path("t.xlsx").exists()


def test_the_screen_shows_bold_only_where_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert streams.screen() == Screen(77, True, True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert streams.screen() == Screen(77, True, False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert not streams.screen().is_terminal


def test_styled_text_keeps_its_bold_and_all_other_text_is_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with streams.guarded() as output:
        assert isinstance(output, Guarded)
        streams.print_styled("\x1b[1mbold\x1b[0m\n")
        print("\x1b[1mname")
    assert capsys.readouterr().out == "\x1b[1mbold\x1b[0m\n\\x1b[1mname\n"
