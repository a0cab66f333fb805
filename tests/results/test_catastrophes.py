"""Clips below a metric's floor are counted and shown beside each mean."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from snac_eval.reports.grid import render
from snac_eval.reports.html.groups import show
from snac_eval.reports.html.page import page
from snac_eval.reports.paper import paper_grid
from snac_eval.reports.summary import summary_markdown
from snac_eval.reports.verdicts import comparison_markdown
from snac_eval.results.compare import compare
from snac_eval.results.frames import summary_frame
from snac_eval.results.record import Run, named_apart, read_run
from snac_eval.results.tolerances import load_tolerances
from tests.runs import Column, noisy, write_run

FLOORS = {"pesq_wb": 1.3, "mel_dac_paper": 4.0}
GOOD = noisy(2.5, 0.2, 18)


def _run(folder: Path, pesq: Column, mel: Column, **changes: object) -> Run:
    scores = {"pesq_wb": pesq, "mel_dac_paper": mel, "stoi": [0.9] * len(pesq)}
    name = folder.name
    return read_run(write_run(folder, scores, codec=name, floors=FLOORS, **changes))  # type: ignore[arg-type]


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """One of 20 clips with a low PESQ and one that failed; of the other all are fine."""
    mel: Column = [1.0] * 20
    bad: Column = [*GOOD, 1.1, "error: broke"]
    far: Column = [4.5, *[1.0] * 19]
    return [_run(tmp_path / "a", bad, far), _run(tmp_path / "b", [*GOOD, 2.5, 2.5], mel)]


def test_failed_clips_count_with_those_below_the_floor(runs: list[Run]) -> None:
    rows = summary_frame(runs[0]).set_index("metric")
    assert list(rows["n_catastrophic"].astype(object))[:2] == [2, 1]
    assert rows.loc["pesq_wb", "catastrophic_share"] == pytest.approx(0.1)
    assert rows.loc["mel_dac_paper", "catastrophic_share"] == pytest.approx(0.05)
    assert math.isnan(rows.loc["stoi", "catastrophic_share"])
    assert runs[0].metrics["stoi"].num_catastrophic is None
    assert list(summary_frame(runs[0]).columns)[-2:] == ["n_catastrophic", "catastrophic_share"]


def test_a_clip_on_the_floor_is_no_catastrophe(tmp_path: Path) -> None:
    run = _run(tmp_path / "a", [1.3, 1.29], [4.0, 4.01])
    assert run.metrics["pesq_wb"].num_catastrophic == 1
    assert run.metrics["mel_dac_paper"].num_catastrophic == 1


def test_undefined_clips_are_neither(tmp_path: Path) -> None:
    run = _run(tmp_path / "a", [1.0, 2.0, "undefined: silence"], [1.0] * 3)
    assert run.metrics["pesq_wb"].catastrophic_share == pytest.approx(0.5)


def test_every_table_has_them_beside_the_mean(runs: list[Run]) -> None:
    summary = summary_markdown(runs[0])
    assert "2 (10 %) |" in summary
    said = "Catastrophic is a clip that failed, or has pesq_wb below 1.3 or mel_dac_paper above 4."
    assert said in summary
    paper = render(paper_grid(runs), "md")
    assert "!2 |" in paper
    assert "!N: N clips of the run are catastrophic." in paper
    assert "!2" in render(paper_grid(runs), "latex")
    columns = render(paper_grid(runs), "csv").splitlines()[0]
    assert "pesq_wb_catastrophic" in columns
    text = comparison_markdown(compare(runs, load_tolerances()))
    assert "| 2 and 0" in text
    assert "2 (10 %)" in page(show(named_apart(runs)))
    assert "!2" in page(show(named_apart(runs)))


def test_tables_without_any_have_no_column_and_no_mark(runs: list[Run], tmp_path: Path) -> None:
    other = _run(tmp_path / "c", [*GOOD, 2.5, 2.5], [1.0] * 20)
    both = [runs[1], other]
    assert "!" not in render(paper_grid(both), "md")
    assert "catastrophic" not in comparison_markdown(compare(both, load_tolerances()))
    plain = read_run(write_run(tmp_path / "d", {"stoi": [0.9] * 4}))
    assert "catastrophic" not in summary_markdown(plain).lower()
