"""Tables of Markdown whose rows name their own columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from snac_eval.reports.grid import NONE, Cell, Column, Grid, render

Row = Sequence[tuple[str, Cell]]
"""What stands in each column, after the column's name."""


def table(rows: Sequence[Row]) -> str:
    """The rows as a table; a column without any value is left out."""
    columns = [Column(name) for name, _ in rows[0]] if rows else []
    empty = [one.name for i, one in enumerate(columns) if all(row[i][1] is NONE for row in rows)]
    return _markdown(Grid.of(columns, ([cell for _, cell in row] for row in rows)).without(*empty))


def spread(head: str, rows: Mapping[str, Mapping[Column, Cell]]) -> str:
    """A table of named rows; its columns are those of every row, in the order of first use."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = (
        [Cell(name), *(row.get(column, NONE) for column in columns)] for name, row in rows.items()
    )
    return _markdown(Grid.of([Column(head), *columns], cells))


def _markdown(grid: Grid) -> str:
    return render(grid, "md").rstrip("\n")
