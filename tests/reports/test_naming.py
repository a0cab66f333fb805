"""Rows: their names, their order, and the codec that they are tested against."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from snac_eval.errors import UsageError
from snac_eval.reports.grid import Grid, render
from snac_eval.reports.naming import Rows, labels
from snac_eval.reports.paper import paper_grid
from snac_eval.results.compare import compare
from snac_eval.results.record import Run, read_run
from snac_eval.results.tolerances import load_tolerances
from tests.runs import edit_manifest, noisy, shifted, write_run

PESQ = noisy(2.5, 0.4)


def _run(folder: Path, codec: str, by: float, rate: float, spread: float = 0.1) -> Run:
    scores = {"bitrate": [rate] * 40, "pesq_wb": shifted(PESQ, by, spread)}
    return read_run(write_run(folder, scores, codec))


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Rates 12, 6 and 24; the second is worse than the first, the third is not."""
    return [
        _run(tmp_path / "one", "c@kbps=12", 0.0, 12),
        _run(tmp_path / "two", "c@kbps=6", -0.5, 6),
        _run(tmp_path / "three", "other", 0.001, 24, 0.3),
    ]


def _names(grid: Grid) -> list[str]:
    return [row[0].text for row in grid.rows]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("given", ["c@kbps=12", "c@kbps=6", "other"]),
        ("bitrate", ["c@kbps=6", "c@kbps=12", "other"]),
        ("name", ["c@kbps=6", "c@kbps=12", "other"]),
        ("pesq_wb", ["other", "c@kbps=12", "c@kbps=6"]),
    ],
)
def test_rows_have_an_order(runs: list[Run], sort: str, order: list[str]) -> None:
    assert _names(paper_grid(runs, ["pesq_wb"], rows=Rows(sort=sort))) == order


def test_a_codec_without_the_metric_comes_last(runs: list[Run], tmp_path: Path) -> None:
    bare = read_run(write_run(tmp_path / "bare", {"pesq_wb": PESQ}, "bare"))
    assert _names(paper_grid([bare, *runs], rows=Rows(sort="bitrate")))[-1] == "bare"


def test_labels_name_a_codec_or_a_folder(runs: list[Run], tmp_path: Path) -> None:
    given = labels(["c@kbps=6=Ours = best", "three=Theirs"], runs)
    assert given == {"c@kbps=6": "Ours = best", "three": "Theirs"}
    assert _names(paper_grid(runs, rows=Rows(given))) == ["c@kbps=12", "Ours = best", "Theirs"]
    edit_manifest(tmp_path / "two", config={"label": "A title"})
    titled = [runs[0], read_run(tmp_path / "two")]
    assert _names(paper_grid(titled)) == ["c@kbps=12", "A title"]


def test_names_that_are_alike_are_told_apart(runs: list[Run], tmp_path: Path) -> None:
    again = _run(tmp_path / "again", "other", 0.1, 24)
    assert _names(paper_grid([runs[2], again])) == ["other (three)", "other (again)"]
    same = Rows({"c@kbps=12": "C", "c@kbps=6": "C"})
    assert _names(paper_grid(runs, rows=same)) == ["C (c@kbps=12)", "C (c@kbps=6)", "other"]
    stolen = Rows({"c@kbps=12": "C", "c@kbps=6": "C", "other": "C (c@kbps=6)"})
    assert len(set(_names(paper_grid(runs, rows=stolen)))) == 3


def test_against_marks_what_compare_calls_different(runs: list[Run]) -> None:
    tolerances = load_tolerances(None, [])
    grid = paper_grid(runs, ["pesq_wb"], rows=Rows(against="c@kbps=12"))
    flags = {row[0].text: row[2].flag for row in grid.rows}
    assert flags == {"c@kbps=12": "", "c@kbps=6": "†", "other": ""}
    for other in runs[1:]:
        verdict = compare([runs[0], other], tolerances, ["pesq_wb"]).differences[0].verdict
        assert (flags[other.codec] == "†") == (verdict in ("better", "worse"))
    assert (
        "†: differs from c@kbps=12 (paired t-test of the mean, Holm-corrected over 2 tests"
        in (grid.notes[0])
    )
    frame = pd.read_csv(io.StringIO(render(grid, "csv")))
    assert list(map(str, frame["pesq_wb_differs"])) == ["nan", "True", "False"]
    for form, sign in (("md", "†"), ("txt", "†"), ("latex", r"$^{\dagger}$")):
        assert sign in render(grid, form)  # type: ignore[arg-type]


def test_against_corrects_for_every_test_of_the_table(tmp_path: Path) -> None:
    close = [_run(tmp_path / "a", "a", 0, 1, 0), _run(tmp_path / "b", "b", -0.13, 2, 0.35)]
    alone = paper_grid(close, ["pesq_wb"], rows=Rows(against="a"))
    assert alone.rows[1][2].flag == "†"
    more = [_run(tmp_path / f"m{i}", f"m{i}", 0.0, 3 + i, 0.3) for i in range(4)]
    several = paper_grid([*close, *more], ["pesq_wb"], rows=Rows(against="a"))
    assert [row[2].flag for row in several.rows] == [""] * 6


def test_nothing_is_tested_where_the_codec_is_absent_or_clips_were_lost(
    runs: list[Run], tmp_path: Path
) -> None:
    scores = {"pesq_wb": ["error: broke", *PESQ[1:]]}
    elsewhere = read_run(write_run(tmp_path / "x", scores, "x", dataset={"name": "else"}))
    grid = paper_grid([*runs, elsewhere], ["pesq_wb"], rows=Rows(against="other"))
    assert any("No run of it on else" in note for note in grid.notes)
    broken = read_run(write_run(tmp_path / "y", scores, "y"))
    lossy = paper_grid([*runs, broken], ["pesq_wb"], rows=Rows(against="other"))
    assert [row[2].flag for row in lossy.rows] == [""] * 4
    assert "No codec could be tested against other." in lossy.notes


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (Rows(sort="pesq"), "unknown order in --sort 'pesq': did you mean 'pesq_wb'"),
        (Rows(against="othr"), "unknown codec in --against 'othr': did you mean 'other'"),
        (Rows({"othr": "X"}), "unknown codec in --label 'othr': did you mean 'other'"),
        (Rows({"X": "X"}), "unknown codec in --label 'X'"),
    ],
)
def test_what_there_is_not_is_refused_with_a_suggestion(
    runs: list[Run], rows: Rows, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        paper_grid(runs, rows=rows)


def test_an_ambiguous_codec_and_a_label_without_text_are_refused(
    runs: list[Run], tmp_path: Path
) -> None:
    again = _run(tmp_path / "again", "other", 0.1, 24)
    both = [*runs, again]
    with pytest.raises(UsageError, match=r"name 'other \(three\)' or 'other \(again\)'"):
        paper_grid(both, rows=Rows(against="other"))
    paper_grid(both, rows=Rows(against="again"))
    for text in ("other", "other=", "=text", ""):
        with pytest.raises(UsageError, match="write NAME=TEXT"):
            labels([text], runs)
