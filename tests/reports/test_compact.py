"""The table at the end of a study, and the summary of one run, on a terminal and in a notebook."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from snac_eval.reports.compact import (
    compact_grid,
    compact_html,
    compact_terminal,
    summary_terminal,
)
from snac_eval.reports.paper import paper_grid
from snac_eval.reports.widths import text_width
from snac_eval.results.record import Run, read_run
from tests.reports.hostile import HOSTILE
from tests.runs import noisy, shifted, write_run

PESQ = noisy(2.5, 0.4)


def _run(folder: Path, by: float, rate: float, **more: object) -> Run:
    scores = {
        "bitrate": [rate] * 40,
        "encode_real_time_factor": noisy(0.2, 0.01),
        "zimtohrli": noisy(0.1, 0.01),
        "stoi": noisy(0.8, 0.02),
        "pesq_wb": shifted(PESQ, by, 0.1),
    }
    return read_run(write_run(folder, scores, **more))  # type: ignore[arg-type]


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Two codecs, the better one first and at the higher rate."""
    better = _run(tmp_path / "a", 1, 12, codec="better")
    return [better, _run(tmp_path / "b", 0, 6, codec="worse")]


def test_quality_stands_before_rates_and_rows_are_in_order_of_rate(runs: list[Run]) -> None:
    grid = compact_grid(runs)
    assert [column.title for column in grid.columns] == [
        *("Codec", "PESQ-WB", "STOI", "Zimtohrli", "Bitrate", "Encode time")
    ]
    assert [row[0].text for row in grid.rows] == ["worse", "better"]
    asked = compact_grid(runs, ["bitrate", "stoi"])
    assert [column.name for column in asked.columns] == ["codec", "bitrate", "stoi"]


def test_best_is_what_the_paper_table_says(runs: list[Run]) -> None:
    compact, paper = compact_grid(runs), paper_grid(runs)
    found = {}
    for key, grid in (("compact", compact), ("paper", paper)):
        index = [column.name for column in grid.columns].index("pesq_wb")
        found[key] = {row[0].text: row[index].mark for row in grid.rows}
    assert found["compact"] == found["paper"] == {"worse": "second", "better": "best"}


def test_narrow_screens_keep_the_rate_and_name_what_is_left_out(runs: list[Run]) -> None:
    text = compact_terminal(runs, 36, False)
    assert "PESQ-WB" in text
    assert "Bitrate" in text
    assert "snac-eval table STUDY --metrics zimtohrli,encode_real_time_factor" in text


def test_lost_clips_are_said_first_and_at_most_ten_of_them(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / "w", {"pesq_wb": PESQ[:6]}, codec="whole"))]
    for index in range(12):
        scores = {"pesq_wb": ["error: broke", *PESQ[1:6]]}
        runs.append(read_run(write_run(tmp_path / f"l{index}", scores, codec=f"l{index}")))
    lines = compact_terminal(runs, 100, False).splitlines()
    assert lines[0] == "data: l0 lost 1 of 6 clips (broke): no verdict on pesq_wb."
    assert lines[10] == "And 2 more: snac-eval table STUDY --format md"
    assert "Nothing is ranked." in lines
    assert not any("*" in line for line in lines)


def test_few_speakers_are_said(tmp_path: Path) -> None:
    pair = [
        read_run(write_run(tmp_path / name, {"pesq_wb": PESQ[:8]}, name, speakers=["s"] * 8))
        for name in "ab"
    ]
    said = " ".join(compact_terminal(pair, 60, False).split())
    assert "All clips are of one speaker" in said


def test_a_summary_groups_metrics_and_leaves_out_idle_counts(runs: list[Run]) -> None:
    text = summary_terminal(runs[0], 100, False)
    assert text.startswith("better on data, 40 clips; mean over clips with its 95 % interval\n")
    rows = [line.split("  ")[0] for line in text.splitlines() if re.search(r"\d\.\d", line)]
    assert rows[:5] == [
        *("PESQ-WB [MOS] ↑", "STOI ↑", "Zimtohrli ↓", "Bitrate [kbps]", "Encode time [s/s] ↓")
    ]
    assert "undefined" not in text
    assert text.count("95 % interval  ") == 1


def test_a_summary_says_first_what_was_lost(tmp_path: Path) -> None:
    scores = {
        "stoi": ["error: it\x1b[2J broke", "error: other", *PESQ[2:6]],
        "pesq_wb": ["undefined: music"] * 6,
    }
    text = summary_terminal(read_run(write_run(tmp_path / "r", scores)), 80, True)
    first = text.splitlines()[0]
    assert first.startswith("Lost: 2 of 6 clips failed (it")
    assert first.endswith("broke): STOI.")
    assert "\x1b[2J" not in text
    assert "pesq_wb (" in text
    assert max(map(text_width, text.splitlines())) <= 80


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert {name for name, _ in attrs} <= {"style", "scope", "colspan", "title"}

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def test_a_notebook_shows_names_as_they_are(tmp_path: Path) -> None:
    runs = [
        _run(tmp_path / f"h{index}", index, index, codec=name, dataset={"name": name[:9]})
        for index, name in enumerate(HOSTILE)
    ]
    page = _Tags()
    page.feed(compact_html(runs))
    allowed = {"div", "table", "tr", "th", "td", "b", "small", "p", "br", "caption"}
    assert set(page.seen) <= allowed
    assert {"<script>alert(1)</script>", "a|b](javascript:x)"} <= set(page.said)
    assert not any("\x1b" in text for text in page.said)
