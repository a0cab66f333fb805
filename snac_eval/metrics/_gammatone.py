"""ViSQOL's gammatone filters with eight bands at a time in the processor's vector lanes.

A column of ViSQOL's spectrum filters one windowed frame by four sections of second order per band,
from rest, and takes the root of the mean square. Bands do not depend on one another, so eight of
them go through the same instructions; within a band every operation stands in the order of
``visqol-python``, and none is fused or reassociated: the levels are the package's to the bit.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

LANES = 8
# Rows of a block of bands: two of feedback, then per section two of its input and its memory.
_SECTIONS, _FEEDBACK, _PER_SECTION = 4, 2, 4
_ENERGY = _FEEDBACK + _SECTIONS * _PER_SECTION
_ROWS = _ENERGY + 1


@lru_cache(maxsize=8)
def filter_bank(sample_rate: int, num_bands: int, lowest_hz: float, highest_hz: float) -> Matrix:
    """Coefficients ``[block, row * lane]`` of the package's filters, lowest band first.

    Bands that fill the last block up have coefficients of zero.
    """
    from visqol.gammatone import make_erb_filters

    found = make_erb_filters(sample_rate, num_bands, lowest_hz, highest_hz)
    a0, *a1, a2, b0, b1, b2, gain = found.filter_coeffs[:, ::-1]
    # What the kernel leaves out: it would add nothing, and multiply by one.
    assert not a2.any()
    assert (b0 == 1).all()
    blocks = -(-num_bands // LANES)
    rows = np.zeros((_ROWS, blocks * LANES))
    rows[:_FEEDBACK, :num_bands] = b1, b2
    for section in range(_SECTIONS):
        first = _FEEDBACK + section * _PER_SECTION
        scale = gain if section == 0 else 1.0
        rows[first : first + 2, :num_bands] = a0 / scale, a1[section] / scale
    return np.ascontiguousarray(
        rows.reshape(_ROWS, blocks, LANES).transpose(1, 0, 2).reshape(blocks, -1)
    )


@njit(cache=True, error_model="numpy")
def _section(work: Matrix, row: int, lane: int, x: float) -> float:
    at = row * LANES + lane
    y: float = work[at] * x + work[at + 2 * LANES]
    work[at + 2 * LANES] = work[at + LANES] * x - work[lane] * y + work[at + 3 * LANES]
    work[at + 3 * LANES] = -work[LANES + lane] * y
    return y


@njit(cache=True, error_model="numpy")
def levels(
    samples: Matrix, starts: NDArray[np.int64], window: Matrix, bank: Matrix, num_bands: int
) -> Matrix:
    """Root mean squares ``[band, start]`` of the frames of ``samples`` that begin at ``starts``.

    Each frame must lie within ``samples``; it has the length of ``window``, which weights it.
    """
    found = np.empty((num_bands, starts.size))
    frame = np.empty(window.size)
    # One flat array with offsets known here: only then does the compiler use vectors of lanes.
    work = np.empty(_ROWS * LANES)
    for column in range(starts.size):
        for index in range(window.size):
            frame[index] = samples[starts[column] + index] * window[index]
        for block in range(bank.shape[0]):
            work[:] = bank[block]
            for index in range(window.size):
                x = frame[index]
                for lane in range(LANES):
                    y = _section(work, _FEEDBACK, lane, x)
                    y = _section(work, _FEEDBACK + _PER_SECTION, lane, y)
                    y = _section(work, _FEEDBACK + 2 * _PER_SECTION, lane, y)
                    y = _section(work, _FEEDBACK + 3 * _PER_SECTION, lane, y)
                    work[_ENERGY * LANES + lane] += y * y
            for lane in range(min(LANES, num_bands - block * LANES)):
                energy = work[_ENERGY * LANES + lane]
                found[block * LANES + lane, column] = np.sqrt(energy / window.size)
    return found
