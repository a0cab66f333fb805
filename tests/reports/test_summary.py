"""The summary of a run as Markdown and LaTeX."""

from __future__ import annotations

import math

import pandas as pd

from snac_eval.reports.grid import render
from snac_eval.reports.summary import summary_grid, summary_markdown
from snac_eval.results.frames import SCORE_COLUMNS, STREAM_COLUMNS, SUMMARY_COLUMNS, RunFrames

NAN = [math.nan] * 6
ROWS = [
    ["c|d", "data", "si_sdr", "dB", True, 2, 0, 1, -1.5, -2.0, -1.0, -1.5, -2.0, -1.0],
    ["c|d", "data", "bitrate", "kbps", None, 3, 0, 0, 6.0, *NAN[1:]],
    ["c|d", "data", "stoi", "", True, 0, 3, 0, *NAN],
    ["c|d", "data", "pesq_wb", "MOS", True, 0, 2, 1, *NAN],
]
FRAMES = RunFrames(
    "c|d",
    "data",
    3,
    pd.DataFrame({name: ["x"] * 2 for name in SCORE_COLUMNS}),
    pd.DataFrame(ROWS, columns=SUMMARY_COLUMNS),
    pd.DataFrame(columns=STREAM_COLUMNS),
)


def test_markdown() -> None:
    assert summary_markdown(FRAMES) == (
        r"c\|d on data, 1 clips, 2 more not scored yet; mean over clips with its 95 % bootstrap"
        " interval\n\n"
        "| metric          |   mean |    95 % interval |   median |        p5 to p95 |"
        "   ok |   undefined |   failed |\n"
        "|:----------------|-------:|-----------------:|---------:|-----------------:|"
        "-----:|------------:|---------:|\n"
        "| si_sdr [dB] ↑   | -1.500 | -2.000 to -1.000 |   -1.500 | -2.000 to -1.000 |"
        "    2 |           0 |        1 |\n"
        "| bitrate [kbps]  |  6.000 |                – |        – |                – |"
        "    3 |           0 |        0 |\n"
        "| pesq_wb [MOS] ↑ |      – |                – |        – |                – |"
        "    0 |           2 |        1 |\n\n"
        "Undefined on every clip: stoi.\n"
    )


def test_latex_says_as_much() -> None:
    text = render(summary_grid(FRAMES), "latex")
    assert r"si\_sdr {[}dB{]} $\uparrow$ & $-$1.500 & $-$2.000 to $-$1.000 & " in text
    assert r"Undefined on every clip: stoi.\par" in text
    assert r"\begin{tabular}{@{}lrrrrrrr@{}}" in text
