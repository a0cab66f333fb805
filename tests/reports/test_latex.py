"""LaTeX tables: what stands in them, how they are split, and that LaTeX sets them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from snac_eval.errors import UsageError
from snac_eval.reports.grid import Block, Cell, Column, Grid, count, interval, render
from snac_eval.reports.latex import LatexLayout, latex_table
from tests.reports.hostile import HOSTILE
from tests.reports.test_grid import GRID


def test_units_stand_below_names_and_a_minus_only_in_numbers() -> None:
    lines = render(GRID, "latex").splitlines()
    assert r"codec & si\_sdr $\uparrow$ & note \\" in lines
    assert r" & {[}dB{]} &  \\" in lines
    assert r"a\textbar{}b & \textbf{$-$2.0} $\pm$ 0.1 & -2 to -1 \\" in lines
    assert r"c & \underline{$-$10} & \textendash{} \\" in lines
    assert lines.count(r"\midrule") == 2
    assert r"\caption{What \& why.}\smallskip" in lines
    assert r"50 \% of it.\par" in lines
    bare = render(Grid.of([Column("a"), Column("b")], [[Cell("x"), interval(-2, -1)]]), "latex")
    assert "caption" not in bare
    assert "scriptsize" not in bare
    assert r"{@{}lr@{}}" in bare
    assert r"x & $-$2.000 to $-$1.000 \\" in bare


def _wide(metrics: int, rows: int = 2) -> Grid:
    columns = [Column(f"m{i}", "dB", True, f"Metric {i}") for i in range(metrics)]
    cells = [Cell("1.234", "± 0.005", key=1.234) for _ in columns]
    lines = [[Cell(f"codec {row}"), count(8), *cells] for row in range(rows)]
    return Grid.of([Column("codec"), Column("clips"), *columns], lines, "Caption.", ["Note."])


def test_a_table_takes_the_room_it_needs() -> None:
    narrow, wide, wider = (latex_table(_wide(metrics)) for metrics in (2, 6, 12))
    assert r"\begin{table}" in narrow
    assert r"\begin{table*}" in wide
    assert wide.count(r"\begin{tabular}") == 1
    assert wider.count(r"\begin{tabular}") == 2
    assert wider.count(r"\begin{table*}") == wider.count(r"\caption") == 1
    assert all(wider.count(f"Metric {i} ") == 1 for i in range(12))
    assert wider.count("clips") == 1
    assert wider.count(r"{[}dB{]}") == 12


def test_columns_are_a_limit_and_labels_and_sideways_are_set() -> None:
    text = latex_table(_wide(9), LatexLayout(columns=3, label="tab:codecs"))
    assert text.count(r"\begin{tabular}{@{}lrrrr@{}}") == 1
    assert text.count(r"\begin{tabular}{@{}lrrr@{}}") == 2
    assert "\\caption{Caption.}\\smallskip\n\\label{tab:codecs}\n" in text
    turned = latex_table(_wide(9), LatexLayout(sideways=True))
    assert turned.startswith(r"% Needs \usepackage{booktabs,graphicx,rotating}.")
    assert turned.count(r"\begin{sidewaystable*}") == turned.count(r"\begin{tabular}") == 1


def test_many_rows_go_on_in_the_next_float() -> None:
    rows = [(Cell(f"codec {row}"), count(row)) for row in range(100)]
    grid = Grid((Column("codec"), Column("m")), (Block("data", tuple(rows)),), "Caption.", ("N.",))
    text = latex_table(grid, LatexLayout(label="tab:x"))
    assert text.count(r"\begin{table}") == 3
    assert text.count(r"\addtocounter{table}{-1}\caption{Continued.}") == 2
    assert text.count(r"\label{tab:x}") == text.count(r"N.\par") == 1
    assert all(text.count(f"codec {row} &") == 1 for row in range(100))
    assert text.count(r"\textit{data}") == 3


def test_long_names_break() -> None:
    name = "a_long_name_of_a_checkpoint_that_somebody_trained"
    text = latex_table(Grid.of([Column("codec"), Column("m")], [[Cell(name), count(1)]]))
    assert r"\begin{tabular}[t]{@{}l@{}}a\_long\_name" in text
    assert name.replace("_", r"\_") in text.replace(r" \\ ", "")


@pytest.mark.parametrize("label", ["tab:}", "a b", r"\x", "ü"])
def test_what_latex_cannot_take_is_refused(label: str) -> None:
    with pytest.raises(UsageError, match=r"as in tab:codecs"):
        LatexLayout(label=label)
    with pytest.raises(UsageError, match="--columns -1"):
        LatexLayout(columns=-1)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex with booktabs")
def test_latex_sets_every_layout_whatever_the_names_are(tmp_path: Path) -> None:
    rows = [[Cell(name, name, "best", flag="†"), count(1), Cell(name)] for name in HOSTILE]
    hostile = Grid.of([Column(name, name, True) for name in HOSTILE[:3]], rows, HOSTILE[3], HOSTILE)
    texts = [
        latex_table(hostile),
        latex_table(_wide(12, rows=70), LatexLayout(label="tab:a")),
        latex_table(_wide(9), LatexLayout(columns=2)),
        latex_table(_wide(12, rows=40), LatexLayout(sideways=True)),
    ]
    document = (
        "\\documentclass[twocolumn]{article}\n\\usepackage{booktabs,graphicx,rotating}\n"
        f"\\begin{{document}}\nText.\n{''.join(texts)}\\end{{document}}\n"
    )
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(encoding="latin-1")
    for problem in ("Overfull \\hbox", "Missing character", "Float too large"):
        assert problem not in log
