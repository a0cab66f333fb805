"""One grid in every format."""

from __future__ import annotations

import math

import pytest

from snac_eval.registry import plugins
from snac_eval.reports.grid import (
    NONE,
    Block,
    Cell,
    Column,
    Grid,
    count,
    interval,
    metric_column,
    number,
    render,
)
from snac_eval.reports.html.render import template

GRID = Grid(
    columns=(Column("codec"), Column("si_sdr", "dB", True), Column("note")),
    blocks=(
        Block(
            "first",
            (
                (
                    Cell("a|b", values={"codec": "a|b", "dataset": "x, y"}),
                    Cell("-2.0", "± 0.1", "best", -2.0, values={"si_sdr": -2.04, "n": 3}),
                    Cell("-2 to -1"),
                ),
            ),
        ),
        Block(
            "<second>",
            ((Cell("c"), Cell("-10", mark="second", key=-10.0, share=0.25), NONE),),
        ),
    ),
    caption="What & why.",
    notes=("50 % of it.",),
    name="id",
)


def test_markdown() -> None:
    assert render(GRID, "md") == (
        "**first**\n\n"
        "| codec   |   si_sdr [dB] ↑ | note     |\n"
        "|:--------|----------------:|:---------|\n"
        "| a\\|b    |  **-2.0** ± 0.1 | -2 to -1 |\n\n"
        "**&lt;second&gt;**\n\n"
        "| codec   |   si_sdr [dB] ↑ | note   |\n"
        "|:--------|----------------:|:-------|\n"
        "| c       |  <ins>-10</ins> | –      |\n\n"
        "What &amp; why.\n\n"
        "- 50 % of it.\n"
    )


def test_plain_text_says_what_its_marks_stand_for() -> None:
    text = render(GRID, "txt")
    assert "a|b          -2.0* ± 0.1  -2 to -1" in text
    assert "-10+  –" in text
    assert "<second>\n\n" in text
    assert text.endswith("What & why. Here * stands for bold, + for underlined.\n50 % of it.\n")
    assert "stands for" not in render(Grid.of([Column("a")], [[Cell("x")]]), "txt")


def test_csv_has_plain_values_and_a_cell_may_have_several() -> None:
    assert render(GRID, "csv") == (
        'codec,dataset,si_sdr,n,note\na|b,"x, y",-2.04,3,-2 to -1\nc,,-10,,\n'
    )
    empty = [Cell("x", values={"a": math.nan, "b": None, "c": 0, "d": False})]
    assert render(Grid.of([Column("a")], [empty]), "csv") == "a,b,c,d\n,,0,False\n"
    assert render(Grid.of([Column("a"), Column("b", "dB")], []), "csv") == "a,b\n"


@pytest.mark.parametrize("grid", [Grid.of([], []), Grid.of([Column("a"), Column("b")], [])])
def test_a_grid_without_rows_is_a_header(grid: Grid) -> None:
    for grid_format in ("md", "txt"):
        text = render(grid, grid_format)  # type: ignore[arg-type]
        assert all(column.name in text for column in grid.columns)


def test_html_escapes_marks_and_sorts() -> None:
    html = str(template("table.html.j2").module.table(GRID))  # type: ignore[attr-defined]
    assert '<th scope="col" class="n">si_sdr [dB] ↑</th>' in html
    assert '<td class="n" data-key="-2.0"><strong>-2.0</strong> ± 0.1</td>' in html
    assert 'value="0.25" aria-hidden="true"></meter> <ins>-10</ins></td>' in html
    assert '<th scope="rowgroup" colspan="3">&lt;second&gt;</th>' in html
    assert '<table class="sortable" id="id">' in html
    assert "<caption>What &amp; why.</caption>" in html
    assert '<p class="note">50 % of it.</p>' in html
    assert html.count("<tbody>") == 4


def test_columns_can_be_left_out() -> None:
    left = GRID.without("codec", "note")
    assert [column.heading for column in left.columns] == ["si_sdr [dB] ↑"]
    assert [[cell.text for cell in row] for row in left.rows] == [["-2.0"], ["-10"]]
    assert (left.caption, left.notes, left.name) == (GRID.caption, GRID.notes, GRID.name)


def test_cells_of_numbers_sort_by_them_and_nothing_is_a_dash() -> None:
    assert (number(1.5), count(3.0)) == (Cell("1.500", key=1.5), Cell("3", key=3.0))
    assert interval(1, 3) == Cell("1.000 to 3.000", key=2)
    assert number(math.nan) == count(math.nan) == interval(math.nan, math.nan) == NONE


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("si_sdr", "si_sdr [dB] ↑"),
        ("mel_dac_paper", "mel_dac_paper ↓"),
        ("bitrate", "bitrate [kbps]"),
    ],
)
def test_a_metric_is_headed_alike_everywhere(name: str, heading: str) -> None:
    info = plugins.metric(name).info
    assert metric_column(info).heading == info.heading == heading
