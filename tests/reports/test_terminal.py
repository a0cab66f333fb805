"""A grid on a terminal: within its width, aligned as a terminal aligns, and steered by no name."""

from __future__ import annotations

import re

import pytest

from snac_eval.reports.grid import NONE, Block, Cell, Column, Grid
from snac_eval.reports.terminal import render_terminal
from snac_eval.reports.widths import text_width, wrapped
from tests.reports.hostile import HOSTILE

NAMES = (
    "a",
    "opus_12kbps",
    "a_long_codec_name_that_somebody_chose_for_a_checkpoint",
    "日本語コーデック",
    "e\u0301t",
)


def _grid(datasets: int = 1, metrics: int = 9) -> Grid:
    columns = [
        Column(f"metric_{i}", "MOS", True, f"Metric {i} (kind)", importance=i)
        for i in range(metrics)
    ]
    rows = [
        (
            Cell(name),
            *(Cell("2.345", "± 0.012", "best" if i == n else "", 2.345) for i in range(metrics)),
        )
        for n, name in enumerate(NAMES)
    ]
    blocks = tuple(Block(f"data {i}", tuple(rows)) for i in range(datasets))
    return Grid((Column("codec", title="Codec"), *columns), blocks)


@pytest.mark.parametrize("datasets", [1, 3])
@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_a_table_is_no_wider_than_the_screen(width: int, datasets: int) -> None:
    text = render_terminal(_grid(datasets), width, more="see {names}")
    lines = [line for line in text.splitlines() if not line.startswith("  see ")]
    assert max(map(text_width, lines)) <= width
    assert ("± 0.012" in text) == (width == 200)
    assert text.count("opus_12kbps") == datasets
    said = re.search(r"  see (\S+)", text)
    hidden = said.group(1).split(",") if said else []
    assert len(hidden) == {40: 7, 80: 4, 120: 1, 200: 0}[width]
    assert hidden == [f"metric_{i}" for i in range(9 - len(hidden), 9)]
    assert text.count("Metric") - len(hidden) == (9 - len(hidden))


def test_columns_stand_below_each_other_whatever_the_names_are() -> None:
    text = render_terminal(_grid(metrics=2), 80)
    ends = {
        text_width(line[: line.rindex("2.345")])
        for line in text.splitlines()
        if line.count("2.345") == 2
    }
    assert len(ends) == 1
    assert "a_long_codec_name_that_somebody_" in text
    assert "chose_for_a_checkpoint" in text


def test_best_is_bold_on_a_terminal_and_has_a_star_elsewhere() -> None:
    grid = Grid.of(
        [Column("codec"), Column("m")],
        [
            [Cell("x"), Cell("1.0", "± 0.1", "best", 1.0, flag="†")],
            [Cell("y"), Cell("0.5", "± 0.1", "second", 0.5)],
        ],
    )
    plain = render_terminal(grid, 80)
    assert "x      1.0* ± 0.1 †\ny      0.5  ± 0.1\n" in plain
    assert "* marks the best." in plain
    assert "\x1b" not in plain
    bold = render_terminal(grid, 80, colour=True)
    assert "x      \x1b[1m1.0\x1b[0m ± 0.1 †\ny      0.5 ± 0.1\n" in bold
    assert "Bold marks the best." in bold


def test_a_block_leaves_out_what_it_lacks_and_blocks_alike_share_a_header() -> None:
    columns = (Column("codec"), Column("speech"), Column("music"))
    row = (Cell("a"), Cell("1", key=1.0), NONE)
    other = (Cell("a"), NONE, Cell("2", key=2.0))
    blocks = (Block("one", (row,)), Block("two", (row,)), Block("three", (other,)))
    text = render_terminal(Grid(columns, blocks, lead=("First this.",), notes=("Last.",)), 80)
    assert text.startswith("First this.\n\ncodec    speech\n")
    assert text.count("codec    speech") == 1
    assert text.count("codec    music") == 1
    assert text.endswith("\n\nLast.\n")


def test_no_name_steers_the_terminal() -> None:
    columns = [Column(name, title=name) for name in HOSTILE]
    hostile = [*HOSTILE[1:], "\u202eesrever"]
    cells = [Cell(name, name, key=float(i % 2), flag=name) for i, name in enumerate(hostile)]
    block = Block("\x1b]0;title\x07\r", (tuple(cells),))
    grid = Grid(tuple(columns), (block,), "\x1b[2J", ("\x9b31m",), lead=("\x08",))
    for width in (1, 80, 500):
        text = render_terminal(grid, width, more="\x1b{names}")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_widths_are_those_of_a_terminal() -> None:
    assert [text_width(text) for text in ("ab", "日本", "e\u0301", "😀", "")] == [2, 4, 1, 2, 0]
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("one_two_three", 7) == ["one_", "two_", "three"]
    assert wrapped("日本語", 4) == ["日本", "語"]
    assert wrapped("ab", 0) == ["a", "b"]
    assert wrapped("", 5) == [""]
