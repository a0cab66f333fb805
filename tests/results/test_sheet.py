"""``scores.csv``: every row there and back, whatever it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval.results.record import read_run
from snac_eval.results.sheet import sheet_lines, sheet_rows
from tests.runs import write_run


def test_rows_are_the_same_after_the_sheet(tmp_path: Path) -> None:
    clips = ["=SUM(A1)", "'quoted", "a, b", 'say "x"', "ünï/code@2.5+10"]
    scores = {
        "first": [0.1 + 0.2, -1e-300, "undefined: silent: no speech", 5.0, "error: lost, all"],
        "pooled": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
    folder = write_run(
        tmp_path / "run", scores, clips=clips, words={"pooled": [0.5, 1.0, 2.0, 3.0, 7.0]}
    )
    run = read_run(folder)
    rows = run.rows
    rows.loc[rows["status"] != "ok", "weight"] = float("nan")  # as runs write it
    text = "".join(sheet_lines(rows, run.manifest).values())
    assert text.splitlines()[1].startswith("'=SUM(A1),0.30000000000000004,1.0,0.5")
    again = sheet_rows(text, run.manifest).astype({name: rows[name].dtype for name in rows})
    order = ["clip_id", "metric"]
    assert again.sort_values(order, ignore_index=True).equals(
        rows.sort_values(order, ignore_index=True)
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: is no header"),
        ("clip_id,stoi,stoi\n", "line 1: is no header"),
        ("clip_id,stoi\nclip000\n", "line 2: has 1 cells, the header 2"),
        ("clip_id,stoi\nother,1.0\n", "line 2: the manifest has no clip 'other'"),
        ("clip_id,stoi\nclip000,high\n", "line 2, stoi: 'high' is no number"),
        ('clip_id,stoi\n"clip000,1.0\n', "line 2: "),
    ],
)
def test_what_is_no_sheet_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    run = read_run(write_run(tmp_path / "run", {"stoi": [0.9]}))
    with pytest.raises(ValueError, match=r"^line") as caught:
        sheet_rows(text, run.manifest)
    assert str(caught.value).startswith(said)
