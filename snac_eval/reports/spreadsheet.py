"""A grid as an Excel workbook: numbers are numbers, and no text is a formula."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snac_eval.reports.grid import Cell, Grid, plain_values
from snac_eval.reports.text import NOTHING, one_line
from snac_eval.reports.widths import text_width
from snac_eval.writing import write_file

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_NARROWEST, _WIDEST = 8, 60


def write_workbook(path: Path, grid: Grid) -> None:
    """Write three sheets: ``table``, the grid's numbers as they are printed, the best in bold;
    ``data``, what CSV has; ``notes``, the caption and the notes.

    Raises OutputError where it cannot be written.
    """
    from openpyxl import Workbook

    book = Workbook()
    sheet: Worksheet = book.active
    sheet.title = "table"
    _fill_table(sheet, grid)
    _fill_data(book.create_sheet("data"), [plain_values(grid, row) for row in grid.rows])
    _fill_notes(book.create_sheet("notes"), [*grid.lead, grid.caption, *grid.notes])
    write_file(path, book.save)


def _fill_table(sheet: Worksheet, grid: Grid) -> None:
    from openpyxl.styles import Font

    titled = any(block.title for block in grid.blocks)
    heads = [column.printed for column in grid.columns]
    _header(sheet, [*heads[:1], *(["Dataset"] if titled else []), *heads[1:]])
    for block in grid.blocks:
        for row in block.rows:
            number = sheet.max_row + 1
            cells = [row[0], *([Cell(block.title)] if titled else []), *row[1:]]
            for index, cell in enumerate(cells, start=1):
                _put(sheet, number, index, _value(cell))
                if cell.mark in ("best", "strong"):
                    sheet.cell(number, index).font = Font(bold=True)
                if cell.key is not None:
                    sheet.cell(number, index).number_format = _number_format(cell)
    _widen(sheet)


def _value(cell: Cell) -> object:
    if cell.key is not None:
        return cell.key
    return None if cell.text == NOTHING else cell.text


def _number_format(cell: Cell) -> str:
    """As many decimals as are printed, and the flag behind; the cell's number holds neither."""
    decimals = cell.text.partition(".")[2]
    number = f"0.{'0' * len(decimals)}" if decimals.isdecimal() else "General"
    flag = one_line(cell.flag).replace('"', "'")
    return f'{number}" {flag}"' if flag else number


def _fill_data(sheet: Worksheet, rows: Sequence[Mapping[str, object]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    _header(sheet, names)
    for number, row in enumerate(rows, start=2):
        for index, name in enumerate(names, start=1):
            _put(sheet, number, index, row.get(name))
    _widen(sheet)


def _fill_notes(sheet: Worksheet, notes: Iterable[str]) -> None:
    from openpyxl.styles import Alignment

    for number, note in enumerate(filter(None, notes), start=1):
        _put(sheet, number, 1, note)
        sheet.cell(number, 1).alignment = Alignment(wrap_text=True, vertical="top")
    sheet.column_dimensions["A"].width = 2 * _WIDEST


def _header(sheet: Worksheet, names: Sequence[str]) -> None:
    from openpyxl.styles import Font

    for index, name in enumerate(names, start=1):
        _put(sheet, 1, index, name)
        sheet.cell(1, index).font = Font(bold=True)
    sheet.freeze_panes = "B2"


def _put(sheet: Worksheet, row: int, column: int, value: Any) -> None:  # noqa: ANN401 - any cell
    cell = sheet.cell(row, column)
    if not isinstance(value, str):
        cell.value = value
        return
    cell.value = one_line(value)
    # Whatever it begins with: openpyxl takes "=" for a formula.
    cell.data_type = "s"


def _widen(sheet: Worksheet) -> None:
    from openpyxl.utils import get_column_letter

    for number, column in enumerate(sheet.iter_cols(values_only=True), start=1):
        widest = max(text_width(_shown(value)) for value in column)
        width = min(_WIDEST, max(_NARROWEST, widest + 2))
        sheet.column_dimensions[get_column_letter(number)].width = width


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str("" if value is None else value)
