"""The one table type: what stands in it, before any format.

What is in a grid is text as it was found: each format escapes it its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from snac_eval.reports.text import NOTHING, format_value, metric_title, span
from snac_eval.types import Heading, MetricInfo

Mark = Literal["", "best", "second", "strong"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what stands there, how it sorts, and what it is in CSV."""

    text: str
    after: str = ""
    """Stands after the text and is never marked."""
    mark: Mark = ""
    """Best and strong are bold, second is underlined."""
    key: float | None = None
    """The number that the cell sorts by; None: it sorts by its text."""
    share: float | None = None
    """HTML draws a bar of this share of 0..1."""
    values: Mapping[str, object] | None = None
    """Plain values by their column in CSV, any number of them; None: the text, under the column's
    name. None and NaN are empty there."""
    flag: str = ""
    """Stands last, is never marked, and stays where there is no room for what stands after."""
    href: str = ""
    """Where the text leads to in HTML."""

    @property
    def tail(self) -> str:
        """All that stands behind the text."""
        return " ".join(filter(None, (self.after, self.flag)))


NONE = Cell(NOTHING, values={})
"""There is no value."""


@dataclass(frozen=True, slots=True)
class Column(Heading):
    """What stands above a column: a name, its unit and an arrow towards better."""

    name: str
    unit: str = ""
    higher_is_better: bool | None = None
    title: str = ""
    """The name as papers print it; empty: the name as it is."""
    importance: int = 0
    """Where there is no room for all, columns of the highest number go first."""
    remark: str = ""
    """What a page says below the name, in few words."""
    hint: str = ""
    """What it says of the name where the pointer rests on it."""

    @property
    def printed(self) -> str:
        """``SI-SDR [dB] ↑``: as :attr:`heading`, under the name that papers print."""
        return " ".join(filter(None, (self.title or self.name, self.unit_text, self.arrow)))


@dataclass(frozen=True, slots=True)
class Block:
    """Rows under one title, which may be empty."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. Every row has a cell for every column."""

    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    caption: str = ""
    notes: tuple[str, ...] = ()
    """Sentences below the table."""
    name: str = ""
    """The table's id in HTML."""
    lead: tuple[str, ...] = ()
    """Sentences above the table: what must be known before any number of it."""

    @classmethod
    def of(
        cls,
        columns: Iterable[Column],
        rows: Iterable[Iterable[Cell]],
        caption: str = "",
        notes: Iterable[str] = (),
        name: str = "",
    ) -> Grid:
        """A grid whose rows have no title."""
        block = Block("", tuple(map(tuple, rows)))
        return cls(tuple(columns), (block,), caption, tuple(notes), name)

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The rows of all blocks."""
        return [row for block in self.blocks for row in block.rows]

    @property
    def numeric(self) -> list[bool]:
        """For each column whether it holds numbers; they stand right."""
        rows = self.rows
        return [any(row[i].key is not None for row in rows) for i in range(len(self.columns))]

    def without(self, *names: str) -> Grid:
        """The grid less the columns of these names."""
        kept = [i for i, column in enumerate(self.columns) if column.name not in names]
        blocks = [
            Block(block.title, tuple(tuple(row[i] for i in kept) for row in block.rows))
            for block in self.blocks
        ]
        columns = tuple(self.columns[i] for i in kept)
        return replace(self, columns=columns, blocks=tuple(blocks))


def metric_column(info: MetricInfo) -> Column:
    """The metric's name, unit and arrow."""
    return Column(info.name, info.unit, info.higher_is_better, metric_title(info))


def number(value: float) -> Cell:
    """A number; a dash without one."""
    return NONE if value != value else Cell(format_value(value), key=value)


def count(value: float) -> Cell:
    """A number without decimals; a dash without one."""
    return NONE if value != value else Cell(f"{value:.0f}", key=value)


def interval(low: float, high: float) -> Cell:
    """A range, which sorts by its width; a dash without one."""
    return NONE if low != low else Cell(span(low, high), key=high - low)
