"""The paper table as text: Markdown, LaTeX, plain text, and CSV with plain numbers."""

from __future__ import annotations

import math
from typing import Literal

import pandas as pd

from snac_eval.reports.grid import NOTHING, Block, Grid, GridCell, render
from snac_eval.reports.paper import Cell, PaperTable, Row
from snac_eval.reports.published import Published, PublishedRow, published_cells
from snac_eval.reports.summary import format_value
from snac_eval.results.record import metric_info

TableFormat = Literal["md", "latex", "csv", "txt"]
_ARROWS = {True: "↑", False: "↓", None: ""}


def paper_text(
    table: PaperTable, table_format: TableFormat, published: Published | None = None
) -> str:
    """The table in this format, with published figures under ours where given.

    ``csv`` has a row per run: ``<metric>``, ``<metric>_ci_low``, ``<metric>_ci_high``,
    ``<metric>_n``, ``<metric>_undefined``, ``<metric>_failed`` and ``<metric>_mark``; published
    figures follow with ``<metric>`` and ``<metric>_definition``.
    """
    if table_format == "csv":
        return _csv(table, published)
    blocks = [Block(group.title, tuple(map(_row, group.rows))) for group in table.groups]
    notes = list(table.notes)
    if published is not None:
        shown = published.of(table.metrics)
        blocks.append(_published_block(table, shown))
        notes += shown.notes()
    grid = Grid(
        header=("codec", "clips", *map(_name, table.metrics)),
        units=("", "", *map(_unit, table.metrics)),
        blocks=tuple(blocks),
        caption=" ".join(table.caption),
        notes=tuple(notes),
    )
    return render(grid, table_format)


def _name(metric: str) -> str:
    info = metric_info(metric)
    return f"{metric} {_ARROWS[info.higher_is_better] if info else ''}".strip()


def _unit(metric: str) -> str:
    info = metric_info(metric)
    return f"[{info.unit}]" if info and info.unit else ""


def _row(row: Row) -> tuple[GridCell, ...]:
    cells = (_cell(one) for one in row.cells.values())
    return GridCell(row.label), GridCell(str(row.n)), *cells


def _cell(cell: Cell) -> GridCell:
    if math.isnan(cell.mean):
        return GridCell(NOTHING)
    if cell.decimals is None:
        return GridCell(format_value(cell.mean), mark=cell.mark)
    half_width = (cell.high - cell.low) / 2
    after = "" if math.isnan(half_width) else f"± {half_width:.{cell.decimals}f}"
    return GridCell(f"{cell.mean:.{cell.decimals}f}", after, cell.mark)


def _published_block(table: PaperTable, published: Published) -> Block:
    rows = (
        (
            GridCell(published.label(one)),
            GridCell(NOTHING),
            *map(GridCell, published_cells(one, table.metrics)),
        )
        for one in published.rows
    )
    return Block("Published, on other data, not ranked", tuple(rows))


def _csv(table: PaperTable, published: Published | None) -> str:
    rows = [
        {"codec": row.codec, "dataset": group.dataset, "label": row.label, "clips": row.n}
        | {key: value for name, cell in row.cells.items() for key, value in _numbers(name, cell)}
        for group in table.groups
        for row in group.rows
    ]
    if published is not None:
        shown = published.of(table.metrics)
        rows += [_published_numbers(one, shown.label(one)) for one in shown.rows]
    return pd.DataFrame(rows).to_csv(index=False)


def _published_numbers(row: PublishedRow, label: str) -> dict[str, object]:
    numbers: dict[str, object] = {
        "codec": row.card or row.codec,
        "dataset": row.data,
        "label": label,
        "nominal_bps": row.nominal_bps,
        "exact_bps": row.exact_bps,
        "source": " ".join(row.source),
    }
    for name, figure in row.figures.items():
        numbers |= {name: figure.value, f"{name}_definition": figure.definition}
    return numbers


def _numbers(name: str, cell: Cell) -> list[tuple[str, object]]:
    return [
        (name, cell.mean),
        (f"{name}_ci_low", cell.low),
        (f"{name}_ci_high", cell.high),
        (f"{name}_n", cell.n),
        (f"{name}_undefined", cell.undefined),
        (f"{name}_failed", cell.failed),
        (f"{name}_mark", cell.mark),
    ]
