"""A workbook: numbers are numbers, no text is a formula, and the sheets say what CSV says."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from openpyxl import load_workbook

from snac_eval.reports.grid import Cell, Column, Grid, plain_values, render
from snac_eval.reports.naming import Rows
from snac_eval.reports.paper import paper_grid
from snac_eval.reports.spreadsheet import write_workbook
from snac_eval.results.record import read_run
from tests.reports.hostile import HOSTILE
from tests.runs import noisy, shifted, write_run

PESQ = noisy(2.5, 0.4)


def test_a_table_has_its_numbers_and_all_that_csv_has(tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / name, {"pesq_wb": shifted(PESQ, by, 0.1)}, name))
        for name, by in (("better", 0.0), ("worse", -0.5))
    ]
    grid = paper_grid(runs, rows=Rows(against="better"))
    write_workbook(tmp_path / "t.xlsx", grid)
    table, data, notes = load_workbook(tmp_path / "t.xlsx")
    assert [cell.value for cell in table[1]] == ["Codec", "Dataset", "clips", "PESQ-WB [MOS] ↑"]
    assert [cell.value for cell in table[2]][:3] == ["better", "data (40 clips)", 40]
    assert abs(table["D2"].value - sum(PESQ) / 40) < 1e-9
    assert [table[f"D{row}"].number_format for row in (2, 3)] == ["0.00", '0.00" †"']
    assert [table[f"D{row}"].font.bold for row in (2, 3)] == [True, False]
    assert table.freeze_panes == data.freeze_panes == "B2"
    assert table.column_dimensions["D"].width > len("PESQ-WB [MOS] ↑")
    read = list(csv.DictReader(io.StringIO(render(grid, "csv"))))
    rows = list(data.iter_rows(values_only=True))
    assert list(rows[0]) == list(read[0])
    # openpyxl writes 16 digits.
    assert rows[1] == tuple(
        pytest.approx(value) if isinstance(value, float) else value
        for value in plain_values(grid, grid.rows[0]).values()
    )
    assert notes["A1"].value == grid.caption


def test_no_text_is_a_formula_or_breaks_the_file(tmp_path: Path) -> None:
    names = [*HOSTILE, "=1+1", "+1", "@x", "\x00\x0b"]
    grid = Grid.of([Column("codec"), Column("=x")], [[Cell(name), Cell("-1")] for name in names])
    write_workbook(tmp_path / "t.xlsx", grid)
    for sheet in load_workbook(tmp_path / "t.xlsx"):
        for row in sheet.iter_rows():
            assert all(cell.data_type in ("s", "n") for cell in row)
    table = load_workbook(tmp_path / "t.xlsx")["table"]
    assert table["A10"].value == "=1+1"
