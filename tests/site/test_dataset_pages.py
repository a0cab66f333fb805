"""What a dataset's page finds out of its runs."""

from __future__ import annotations

from pathlib import Path

from snac_eval.results.record import read_run
from snac_eval.site.boards import make_boards, named
from snac_eval.site.dataset_pages import dataset_pages
from snac_eval.site.pages import DATASETS
from snac_eval.site.sounds import Heard
from tests.site.many import NUM_CLIPS, scored


def test_page_names_the_hardest_clips_and_the_best_of_each_band(tmp_path: Path) -> None:
    rising = [1.1, *[3.0 + place / 10 for place in range(NUM_CLIPS - 1)]]
    hard = {"pesq_wb": rising, "stoi": [value / 5 for value in rising]}
    folders = [
        scored(tmp_path / "a", "cheap", 2.0, 0.8, 0, hard),
        scored(tmp_path / "b", "dear", 3.0, 5.0, 1, hard),
        scored(tmp_path / "c", "best", 3.5, 6.0, 2, hard | {"pesq_wb": [4.0] * NUM_CLIPS}),
    ]
    runs = named(read_run(folder) for folder in folders)
    page, index = dataset_pages(runs, list(make_boards(runs)), Heard())
    assert (page.title, index.address) == ("data", DATASETS)
    assert page.context["worst"].rows[0][0].text == "clip000"
    best = page.context["boards"][0]["best"]
    assert [column.name for column in best.columns] == ["metric", "below 1 kbps", "4 to 8 kbps"]
    assert [cell.text for cell in best.rows[0][1:]] == ["cheap", "best"]
    (one,) = page.context["digests"]
    assert one["num_clips"] == NUM_CLIPS
    assert [row[2].text for row in index.context["grid"].rows] == [str(NUM_CLIPS)]
