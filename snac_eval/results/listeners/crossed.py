"""Least squares of ratings by rows and columns that cross, with cells that are empty.

Rows are what is rated, columns are listeners; a cell has at most one rating. The sums of squares
are those of Henderson's method 3 (1953): what rows explain beyond columns, what columns explain
beyond rows, and the rest. Of full tables they are those of the textbooks' two-way analysis of
variance.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Crossed:
    """Ratings ``values`` ``[n]``, of row ``rows[n]`` and column ``columns[n]``, counted from 0."""

    rows: Indices
    columns: Indices
    values: Vector

    @classmethod
    def of(
        cls, rows: Sequence[Hashable], columns: Sequence[Hashable], values: Sequence[float]
    ) -> Crossed:
        """Of rows and columns by name."""
        return cls(numbered(rows), numbered(columns), np.asarray(values, dtype=np.float64))

    @property
    def num_rows(self) -> int:
        """How many rows have a rating."""
        return int(self.rows.max()) + 1 if self.rows.size else 0

    @property
    def num_columns(self) -> int:
        """How many columns have a rating."""
        return int(self.columns.max()) + 1 if self.columns.size else 0

    def chosen(self, which: NDArray[np.bool_]) -> Crossed:
        """These ratings alone; rows and columns without any are no more."""
        rows, columns = (
            np.unique(one[which], return_inverse=True)[1] for one in (self.rows, self.columns)
        )
        return Crossed(rows, columns, self.values[which])


@dataclass(frozen=True, slots=True)
class Squares:
    """Sums of squares and their degrees of freedom."""

    rows: float
    """Of rows, beyond what columns explain."""
    columns: float
    """Of columns, beyond what rows explain."""
    rest: float
    freedom: int
    """Of the rest; 0 where nothing is left."""
    is_connected: bool
    """Whether every two rows are joined by columns that rated both, or by a chain of such."""

    @property
    def error(self) -> float:
        """Mean square of the rest; NaN without degrees of freedom."""
        return self.rest / self.freedom if self.freedom > 0 else math.nan


def squares(data: Crossed) -> Squares:
    """The sums of squares of these ratings, of which there is at least one."""
    if data.num_columns > data.num_rows:  # the system to be solved is as large as the second side
        turned = squares(Crossed(data.columns, data.rows, data.values))
        return Squares(
            turned.columns, turned.rows, turned.rest, turned.freedom, turned.is_connected
        )
    rows, columns = data.num_rows, data.num_columns
    values = data.values - data.values.mean()
    table = np.zeros((rows, columns))
    table[data.rows, data.columns] = 1
    in_row, in_column = table.sum(axis=1), table.sum(axis=0)
    row_sum, column_sum = np.bincount(data.rows, values), np.bincount(data.columns, values)
    rows_alone = float(row_sum @ (row_sum / in_row))
    columns_alone = float(column_sum @ (column_sum / in_column))
    system = np.diag(in_column) - table.T @ (table / in_row[:, None])
    right = column_sum - table.T @ (row_sum / in_row)
    eigenvalues, vectors = np.linalg.eigh(system)
    large = eigenvalues > 1e-9 * max(1.0, float(eigenvalues[-1]))
    turned_right = (vectors.T @ right)[large]
    columns_after = float(turned_right @ (turned_right / eigenvalues[large]))
    rank = int(large.sum())
    rest = float(values @ values) - rows_alone - columns_after
    freedom = len(values) - rows - rank
    return Squares(
        rows=max(0.0, rows_alone + columns_after - columns_alone),
        columns=max(0.0, columns_after),
        rest=max(0.0, rest),
        freedom=max(0, freedom),
        is_connected=rank == columns - 1,
    )


def numbered(names: Sequence[Hashable]) -> Indices:
    """Each name's place among the different ones."""
    order = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names], dtype=np.intp)
