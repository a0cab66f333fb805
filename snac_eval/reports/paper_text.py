"""The paper table as text: Markdown, LaTeX, plain text, and CSV with plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from snac_eval.reports import grid
from snac_eval.reports.grid import NONE, Block, Column, Grid, GridFormat, count, metric_column
from snac_eval.reports.paper import Cell, PaperTable, Row
from snac_eval.reports.published import Published, PublishedRow, published_cells
from snac_eval.reports.text import format_value


def paper_text(
    table: PaperTable, table_format: GridFormat, published: Published | None = None
) -> str:
    """The table in this format, with published figures under ours where given.

    ``csv`` has a row per run: ``<metric>``, ``<metric>_ci_low``, ``<metric>_ci_high``,
    ``<metric>_n``, ``<metric>_undefined``, ``<metric>_failed`` and ``<metric>_mark``; published
    figures follow with ``<metric>`` and ``<metric>_definition``.
    """
    return grid.render(paper_grid(table, published), table_format)


def paper_grid(table: PaperTable, published: Published | None = None) -> Grid:
    """The table, a block per dataset, with published figures as the last block where given."""
    blocks = [
        Block(group.title, tuple(_row(row, group.dataset) for row in group.rows))
        for group in table.groups
    ]
    notes = list(table.notes)
    if published is not None:
        shown = published.of(table.metrics)
        rows = tuple(_published_row(shown, one, table) for one in shown.rows)
        blocks.append(Block("Published, on other data, not ranked", rows))
        notes += shown.notes()
    return Grid(
        columns=(Column("codec"), Column("clips"), *map(metric_column, table.metrics)),
        blocks=tuple(blocks),
        caption=" ".join(table.caption),
        notes=tuple(notes),
    )


def _row(row: Row, dataset: str) -> tuple[grid.Cell, ...]:
    names = {"codec": row.codec, "dataset": dataset, "label": row.label}
    clips = replace(count(row.n), values={"clips": row.n})
    cells = (replace(_cell(one), values=_values(metric, one)) for metric, one in row.cells.items())
    return grid.Cell(row.label, values=names), clips, *cells


def _cell(cell: Cell) -> grid.Cell:
    if math.isnan(cell.mean):
        return NONE
    if cell.decimals is None:
        return grid.Cell(format_value(cell.mean), mark=cell.mark, key=cell.mean)
    half_width = (cell.high - cell.low) / 2
    after = "" if math.isnan(half_width) else f"± {half_width:.{cell.decimals}f}"
    return grid.Cell(f"{cell.mean:.{cell.decimals}f}", after, cell.mark, cell.mean)


def _values(name: str, cell: Cell) -> Mapping[str, object]:
    return {
        name: cell.mean,
        f"{name}_ci_low": cell.low,
        f"{name}_ci_high": cell.high,
        f"{name}_n": cell.n,
        f"{name}_undefined": cell.undefined,
        f"{name}_failed": cell.failed,
        f"{name}_mark": cell.mark,
    }


def _published_row(
    published: Published, row: PublishedRow, table: PaperTable
) -> tuple[grid.Cell, ...]:
    label = published.label(row)
    values = {
        "codec": row.card or row.codec,
        "dataset": row.data,
        "label": label,
        "nominal_bps": row.nominal_bps,
        "exact_bps": row.exact_bps,
        "source": " ".join(row.source),
    }
    return grid.Cell(label, values=values), NONE, *published_cells(row, table.metrics)
