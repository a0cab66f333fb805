"""What a run lost, and that every reader then gives no verdict and says so first."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from snac_eval.reports.html.groups import show
from snac_eval.reports.html.page import page
from snac_eval.reports.paper import paper_grid
from snac_eval.reports.verdicts import comparison_markdown
from snac_eval.results.compare import compare
from snac_eval.results.pairing import Loss, losses, pair, shared
from snac_eval.results.record import Run, named_apart, read_run
from snac_eval.results.tolerances import load_tolerances
from tests.runs import Column, noisy, shifted, write_run

PESQ = noisy(2.5, 0.4, 24)
DEAD = "error: the codec answered an audible clip with silence"
SAID = "codec1 lost 6 of 24 clips (the codec answered an audible clip with silence)"


def _runs(tmp_path: Path, *scores: dict[str, Column], **changes: object) -> list[Run]:
    folders = [
        write_run(tmp_path / f"r{i}", one, codec=f"codec{i}", **changes)  # type: ignore[arg-type]
        for i, one in enumerate(scores)
    ]
    return named_apart([read_run(folder) for folder in folders])


def _silenced(scores: list[float]) -> Column:
    """Every fourth clip is dead."""
    return [DEAD if index % 4 == 0 else one for index, one in enumerate(scores)]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], []),
        (["undefined: silence", 2.0], ["undefined: silence", 2.0], []),
        (["error: broke", 2.0], ["error: broke", 2.0], []),
        ([1.0, 2.0], ["error: broke", 2.0], [("codec1", 1, 0, 2, "broke")]),
        ([1.0, 2.0], ["undefined: why", 2.0], [("codec1", 1, 0, 2, "undefined: why")]),
        (["undefined: why", 2.0], ["error: broke", 2.0], [("codec1", 1, 0, 2, "broke")]),
        (
            [1.0, "error: x"],
            ["error: y", 2.0],
            [("codec0", 1, 0, 2, "x"), ("codec1", 1, 0, 2, "y")],
        ),
        ([1.0, 2.0], [1.0], [("codec1", 1, 1, 2, "they are not scored")]),
        ([1.0, 2.0], ["undefined: no codes", "undefined: no codes"], []),
        ([1.0, 2.0], ["error: dead", "undefined: no codes"], []),
        ([1.0, 2.0], ["error: dead", "error: dead"], [("codec1", 2, 0, 2, "dead")]),
    ],
)
def test_a_lost_clip_is_one_that_another_run_has(
    tmp_path: Path, first: Column, second: Column, expected: list[tuple[object, ...]]
) -> None:
    runs = _runs(tmp_path, {"stoi": first}, {"stoi": second}, clips=["a", "b"])
    assert losses(runs, "stoi") == tuple(Loss(*one) for one in expected)  # type: ignore[arg-type]
    assert pair(runs[0], runs[1], "stoi").lost == losses(runs, "stoi")
    assert shared(runs, "stoi").lost == losses(runs, "stoi")


def test_settings_that_only_one_bench_measured_are_no_loss(tmp_path: Path) -> None:
    benches = [{"stoi": [1.0, 2.0]}, {"stoi": [1.0]}]
    runs = _runs(tmp_path, *benches, clips=["a", "b"], kind="bench")
    assert losses(runs, "stoi") == ()
    failed = [{"stoi": [1.0, 2.0]}, {"stoi": [DEAD, 2.0]}]
    assert losses(_runs(tmp_path / "failed", *failed, clips=["a", "b"], kind="bench"), "stoi")


def test_clips_that_were_not_chosen_or_not_reached_are_lost(tmp_path: Path) -> None:
    whole = read_run(write_run(tmp_path / "whole", {"stoi": PESQ}))
    part = read_run(write_run(tmp_path / "part", {"stoi": PESQ[:1]}))
    (loss,) = losses([whole, part], "stoi")
    assert str(loss) == "part lost 23 of 24 clips (they are not among its clips)"
    names = list(whole.clips)
    killed = read_run(
        write_run(tmp_path / "k", {"stoi": PESQ[:4]}, clips=names, state="interrupted")
    )
    (loss,) = losses([whole, killed], "stoi")
    assert str(loss) == "k lost 20 of 24 clips (it was not finished)"


def test_runs_that_are_not_comparable_lost_nothing(tmp_path: Path) -> None:
    first = read_run(write_run(tmp_path / "a", {"stoi": PESQ}))
    other = write_run(tmp_path / "b", {"stoi": PESQ[:3]}, fingerprints={"stoi": "stoi;v=2"})
    assert losses([first, read_run(other)], "stoi") == ()


def test_a_codec_that_is_better_on_what_it_survived_is_not_called_better(tmp_path: Path) -> None:
    better = _silenced(shifted(PESQ, 0.4, 0.05))
    runs = _runs(
        tmp_path,
        {"pesq_wb": PESQ, "stoi": PESQ, "bitrate": [6.0] * 24},
        {"pesq_wb": better, "stoi": PESQ, "bitrate": _silenced([6.0] * 24)},
    )
    result = compare(runs, load_tolerances())
    found = {one.metric: one for one in result.differences}
    assert (found["pesq_wb"].verdict, found["pesq_wb"].n) == ("clips lost", 18)
    assert found["pesq_wb"].reason == SAID
    assert found["stoi"].verdict == "no difference shown"
    assert result.is_answered
    assert result.sections[0].frontiers == ()
    text = comparison_markdown(result)
    assert text.index(SAID) < text.index("| metric")
    assert "better" not in text
    assert f"No frontier of pesq_wb: {SAID}." in text
    assert not compare(runs, load_tolerances(), ["pesq_wb"]).is_answered


def test_a_table_marks_nobody_where_a_row_lost_clips(tmp_path: Path) -> None:
    best = shifted(PESQ, 0.4, 0.05)
    runs = _runs(
        tmp_path,
        {"pesq_wb": PESQ, "stoi": PESQ},
        {"pesq_wb": _silenced(best), "stoi": best},
        {"pesq_wb": [DEAD] * 24, "stoi": PESQ},
    )
    grid = paper_grid(runs[:2])
    marks = {one.name: [row[i].mark for row in grid.rows] for i, one in enumerate(grid.columns)}
    assert (marks["pesq_wb"], marks["stoi"]) == (["", ""], ["second", "best"])
    assert grid.caption.startswith("Clips were lost: ")
    assert grid.notes[0] == f"data: {SAID}: no verdict on pesq_wb."
    without = paper_grid([runs[0], runs[2]], ["pesq_wb"])
    assert [row[2].mark for row in without.rows] == ["", ""]
    assert "codec2 lost 24 of 24 clips" in without.notes[0]


def test_ranks_are_of_metrics_on_which_no_run_lost_a_clip(tmp_path: Path) -> None:
    scores = [{"pesq_wb": shifted(PESQ, by, 0.1), "stoi": PESQ} for by in (0.0, 0.1)]
    lossy = {"pesq_wb": _silenced(PESQ), "stoi": PESQ}
    result = compare(_runs(tmp_path, *scores, lossy), load_tolerances())  # type: ignore[arg-type]
    assert [one.metric for one in result.sections[0].ranks] == ["stoi"]


def test_the_page_says_the_loss_before_all_else(tmp_path: Path) -> None:
    rates: Column = [6.0] * 24
    columns = (PESQ, _silenced(PESQ))
    runs = _runs(tmp_path, *({"pesq_wb": one, "bitrate": rates} for one in columns))
    text = page(show(runs))
    assert text.index(f"Clips were lost. {SAID}: no verdict on pesq_wb.") < text.index("<table")
    assert "pesq_wb over bitrate" not in text


def test_a_run_that_nobody_holds_is_let_go(tmp_path: Path) -> None:
    runs = _runs(tmp_path, {"stoi": [1.0, 2.0]}, {"stoi": [2.0, 1.0]}, clips=["a", "b"])
    assert pair(*runs, "stoi").clips == ("a", "b")
    held = [weakref.ref(run) for run in runs]
    del runs
    gc.collect()
    assert [one() for one in held] == [None, None]
