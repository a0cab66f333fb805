"""The summary of a run as Markdown and LaTeX."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval.reports.claims import INTERVALS
from snac_eval.reports.grid import render
from snac_eval.reports.summary import summary_grid, summary_markdown
from snac_eval.results.record import Run, read_run
from tests.runs import write_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Three clips; one metric is defined on none of them."""
    scores = {
        "si_sdr": [-2.0, -1.0, "error: broke"],
        "stoi": ["undefined: too short"] * 3,
        "pesq_wb": ["undefined: music", "undefined: music", "error: broke"],
    }
    corpus = {"codebook_usage": 50.0}
    return read_run(write_run(tmp_path / "r", scores, codec="c|d", corpus=corpus))


def test_markdown(run: Run) -> None:
    assert summary_markdown(run) == (
        r"c\|d on data, 3 clips; mean over clips with its 95 % interval"
        "\n\n"
        "| metric               |   mean |   95 % interval |   median |        p5 to p95 |"
        "   ok |   undefined |   failed |\n"
        "|:---------------------|-------:|----------------:|---------:|-----------------:|"
        "-----:|------------:|---------:|\n"
        "| si_sdr [dB] ↑        | -1.500 | -7.853 to 4.853 |   -1.500 | -1.950 to -1.050 |"
        "    2 |           0 |        1 |\n"
        "| pesq_wb [MOS] ↑      |      – |               – |        – |                – |"
        "    0 |           2 |        1 |\n"
        "| codebook_usage [%] ↑ |  50.00 |               – |        – |                – |"
        "    3 |           0 |        0 |\n\n"
        "Left out: stoi (too short).\n\n"
        f"{INTERVALS}\n\n"
        "Too few for any verdict: 2 clips, of at least 4.\n"
    )


def test_latex_says_as_much(run: Run) -> None:
    text = render(summary_grid(run), "latex")
    assert r"si\_sdr {[}dB{]} $\uparrow$ & $-$1.500 & $-$7.853 to 4.853 & " in text
    assert r"Left out: stoi (too short).\par" in text
    assert r"\begin{tabular}{@{}lrrrrrrr@{}}" in text
