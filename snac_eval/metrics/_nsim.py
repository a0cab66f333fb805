"""How like each patch of a reference is to an estimate at every frame, by ViSQOL's NSIM.

``visqol-python`` compares patch by patch. Here one cell of a patch is compared at all frames in one
loop, which the compiler turns into vectors, and what depends on the estimate alone is computed once
per frame and not once per patch. The operations of one comparison stand in the package's order:
the similarities are its own to the bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    Rows = tuple[Matrix, Matrix, Matrix]

# Of a cell's neighbourhood: its corners, its sides, itself. Then what keeps quotients finite.
_CORNER, _SIDE, _MIDDLE = 0.0113033910173052, 0.0838251475442633, 0.619485845753726
WEIGHTS = np.array([[_CORNER, _SIDE, _CORNER], [_SIDE, _MIDDLE, _SIDE], [_CORNER, _SIDE, _CORNER]])
C1 = 0.01**2
C3 = 0.03**2 / 2


@njit(cache=True, error_model="numpy")
def _moments(rows: Rows, left: int, right: int, mean: Matrix, variance: Matrix) -> None:
    """Weighted mean and variance of what is around each frame of the middle one of three rows.

    ``left`` and ``right`` are 0 where the neighbours there lie outside, and the frame itself counts
    for them.
    """
    for frame in range(left, mean.size - right):
        one, square = 0.0, 0.0
        for down in range(3):
            for shift in range(3):
                value = rows[down][frame + (-left, 0, right)[shift]]
                one += WEIGHTS[down, shift] * value
                square += WEIGHTS[down, shift] * (value * value)
        mean[frame] = one
        variance[frame] = square - one * one


@njit(cache=True, error_model="numpy")
def _add(
    found: Matrix, cells: Matrix, own: tuple[float, float], rows: Rows, left: int, right: int,
    moments: tuple[Matrix, Matrix],
) -> None:  # fmt: skip
    """Add to ``found [frame]`` how like a cell of the reference is to that of each frame.

    ``cells`` are the nine around it, ``own`` its moments. ``rows`` and ``moments`` of the estimate
    begin one frame before the first cell.
    """
    above, same, below = rows
    means, variances = moments
    own_mean, own_variance = own
    for frame in range(found.size):
        before, here, after = frame + 1 - left, frame + 1, frame + 1 + right
        cross = 0.0
        cross += _CORNER * (cells[0, 0] * above[before])
        cross += _SIDE * (cells[0, 1] * above[here])
        cross += _CORNER * (cells[0, 2] * above[after])
        cross += _SIDE * (cells[1, 0] * same[before])
        cross += _MIDDLE * (cells[1, 1] * same[here])
        cross += _SIDE * (cells[1, 2] * same[after])
        cross += _CORNER * (cells[2, 0] * below[before])
        cross += _SIDE * (cells[2, 1] * below[here])
        cross += _CORNER * (cells[2, 2] * below[after])
        mean = means[here]
        both = own_mean * mean
        intensity = (2.0 * both + C1) / (own_mean * own_mean + mean * mean + C1)
        product = own_variance * variances[here]
        spread = C3 if product < 0.0 else np.sqrt(product) + C3
        found[frame] += intensity * ((cross - both + C3) / spread)


@njit(cache=True, error_model="numpy")
def _all_moments(padded: Matrix) -> tuple[Matrix, Matrix]:
    """Moments ``[beside, band, frame]`` by what a cell has beside it in its patch: nothing, the
    right, the left, both."""
    bands = padded.shape[0]
    means = np.empty((4, *padded.shape))
    variances = np.empty((4, *padded.shape))
    for beside in range(4):
        for band in range(bands):
            rows = padded[max(band - 1, 0)], padded[band], padded[min(band + 1, bands - 1)]
            one, two = means[beside, band], variances[beside, band]
            _moments(rows, beside // 2, beside % 2, one, two)
    return means, variances


@njit(cache=True, error_model="numpy")
def similarities(
    reference: Matrix, patches: NDArray[np.int64], columns: int, estimate: Matrix,
    first: NDArray[np.int64], last: NDArray[np.int64],
) -> Matrix:  # fmt: skip
    """NSIM ``[patch, frame]`` of patches of the reference and those of the estimate that begin at
    the frames ``first`` to ``last``; zero at other frames.

    ``reference`` and ``estimate`` are spectra ``[band, frame]`` in dB; each patch is ``columns``
    frames from one of ``patches`` on. Past its end the estimate goes on as zeros.
    """
    bands, frames = estimate.shape
    padded = np.zeros((bands, 1 + frames + columns))
    padded[:, 1 : 1 + frames] = estimate
    means, variances = _all_moments(padded)
    found = np.zeros((patches.size, frames))
    cells = np.empty((3, 3))
    for index in range(patches.size):
        patch = np.ascontiguousarray(reference[:, patches[index] : patches[index] + columns])
        own_means, own_variances = _all_moments(patch)
        size = last[index] - first[index] + 1
        for row in range(bands):
            near_rows = max(row - 1, 0), row, min(row + 1, bands - 1)
            band = np.zeros(size)
            for column in range(columns):
                near = max(column - 1, 0), column, min(column + 1, columns - 1)
                for down in range(3):
                    for right in range(3):
                        cells[down, right] = patch[near_rows[down], near[right]]
                left, right = column > 0, column < columns - 1
                beside = 2 * left + right
                part = slice(first[index] + column, first[index] + column + size + 2)
                rows = padded[near_rows[0], part], padded[row, part], padded[near_rows[2], part]
                moments = means[beside, row, part], variances[beside, row, part]
                own = own_means[beside, row, column], own_variances[beside, row, column]
                # Only with offsets that are known here does the compiler use vectors.
                if left and right:
                    _add(band, cells, own, rows, 1, 1, moments)
                elif left:
                    _add(band, cells, own, rows, 1, 0, moments)
                else:
                    _add(band, cells, own, rows, 0, 1, moments)
            for frame in range(size):
                found[index, first[index] + frame] += band[frame] / columns
        for frame in range(size):
            found[index, first[index] + frame] /= bands
    return found
