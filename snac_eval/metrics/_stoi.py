"""What STOI and ESTOI are computed from, once for both, with ``pystoi``'s values to the bit.

Frames are transformed together and not one by one, and ESTOI's noise, which is the same for every
clip, is drawn once. Everything else is in the package's order, for sums in another order differ in
their last bit; products with the matrices that have entries on the diagonal alone are taken entry
by entry. It is held against one version of the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.metrics.base import installed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

    Array = NDArray[np.float64]

CHECKED = "0.4.1"
RATE = 10000
FRAME = 256
HOP = 128
TRANSFORM = 512
DYNAMIC_RANGE_DB = 40
SEGMENT = 30
"""Frames that are correlated together, 0.4 s."""
_CLIP = 1 + 10 ** (15 / 20)
_EPS = float(np.finfo(float).eps)
# Of numbers that are kept: 16 MiB, for twelve seconds. Segments that fit the cache are cheapest.
_NOISE_KEPT = 1 << 21
_BLOCK = 64


def agrees() -> bool:
    """Whether the installed package is the one whose values these are."""
    return installed("pystoi") == CHECKED


@dataclass(frozen=True, slots=True)
class Bands:
    """Third-octave magnitudes ``[band, frame]`` of both sides, silence left out."""

    reference: Array
    estimate: Array


def third_octaves(reference: Signal, estimate: Signal, sample_rate: int) -> Bands | None:
    """Magnitudes of both sides, which are of one length of at least 0.03 s.

    None where fewer than 30 frames of the reference are not silent.
    """
    from pystoi.stoi import OBM
    from pystoi.utils import resample_oct

    sides = [np.asarray(side, np.float64) for side in (reference, estimate)]
    if sample_rate != RATE:
        sides = [resample_oct(side, RATE, sample_rate) for side in (reference, estimate)]
    bands = []
    for side in _audible(*sides):
        frames = _frames(side)
        if len(frames) < SEGMENT:
            return None
        spectrum = np.fft.rfft(frames, n=TRANSFORM).transpose()
        bands.append(np.sqrt(np.matmul(OBM, np.square(np.abs(spectrum)))))
    return Bands(*bands)


def stoi(bands: Bands) -> float:
    """STOI of the bands."""
    products = _products(bands)
    for part, (reference, estimate) in _blocks(bands):
        gain = _norm(reference) / (_norm(estimate) + _EPS)
        clipped = np.minimum(estimate * gain, reference * _CLIP)
        clipped -= np.mean(clipped, axis=2, keepdims=True)
        reference -= np.mean(reference, axis=2, keepdims=True)
        clipped /= _norm(clipped) + _EPS
        reference /= _norm(reference) + _EPS
        np.multiply(clipped, reference, out=products[part])
    return float(np.sum(products) / (products.shape[0] * products.shape[1]))


def estoi(bands: Bands, seed: int) -> float:
    """ESTOI of the bands, with the noise of NumPy's global generator after ``seed``."""
    products = _products(bands)
    noise = _noise(seed, 4 * products.size).reshape(4, *products.shape)
    for part, (reference, estimate) in _blocks(bands):
        _normalise(reference, noise[:2, part])
        _normalise(estimate, noise[2:, part])
        np.multiply(reference, estimate, out=products[part])
        products[part] /= SEGMENT
    return float(np.sum(products) / len(products))


def _products(bands: Bands) -> Array:
    """Room for ``[segment, band, frame]``; one segment for each frame that one can begin at."""
    num_bands, num_frames = bands.reference.shape
    return np.empty((num_frames - SEGMENT + 1, num_bands, SEGMENT))


def _blocks(bands: Bands) -> Iterator[tuple[slice, list[Array]]]:
    """Segments of both sides ``[segment, band, frame]``, some at a time, to write into."""
    sides = [
        np.lib.stride_tricks.sliding_window_view(one, SEGMENT, axis=1).transpose(1, 0, 2)
        for one in (bands.reference, bands.estimate)
    ]
    for start in range(0, len(sides[0]), _BLOCK):
        part = slice(start, start + _BLOCK)
        yield part, [np.array(side[part], order="C") for side in sides]


def _audible(reference: Array, estimate: Array) -> Iterator[Array]:
    """Both sides without the frames in which the reference is 40 dB below its loudest."""
    frames = [_frames(side, len(reference)) for side in (reference, estimate)]
    energy_db = 20 * np.log10(np.linalg.norm(frames[0], axis=1) + _EPS)
    kept = (np.max(energy_db) - DYNAMIC_RANGE_DB - energy_db) < 0
    for one in frames:
        audible = one[kept]
        joined = np.zeros((len(audible) + 1, HOP))
        joined[:-1] += audible[:, :HOP]
        joined[1:] += audible[:, HOP:]
        yield joined.reshape(-1)


def _frames(samples: Array, length: int | None = None) -> Array:
    """Weighted frames ``[frame, sample]``; one that would end with the signal is left out."""
    count = -(-(len(samples) - FRAME) // HOP)
    window = np.hanning(FRAME + 2)[1:-1]
    views = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP][:count]
    return np.asarray(window * views)


def _norm(values: Array) -> Array:
    return np.asarray(np.linalg.norm(values, axis=2, keepdims=True))


def _normalise(segments: Array, noise: Array) -> None:
    """Rows, then columns of each segment without their means and over their norms, in place.

    ``noise [2, segment, band, frame]`` is added before each.
    """
    for axis, added in zip((2, 1), noise, strict=True):
        segments += added
        segments -= np.mean(segments, axis=axis, keepdims=True)
        segments *= 1.0 / np.sqrt(np.sum(np.square(segments), axis=axis, keepdims=True))


def _noise(seed: int, count: int) -> Array:
    """The first of the numbers that are drawn after ``seed``, as small as they are added."""
    kept, state = _drawn(seed)
    if count <= len(kept):
        return kept[:count]
    generator = np.random.RandomState()
    generator.set_state(state)
    return np.concatenate((kept, _EPS * generator.standard_normal(count - len(kept))))


@lru_cache(maxsize=1)
def _drawn(seed: int) -> tuple[Array, Any]:
    generator = np.random.RandomState(seed)
    return _EPS * generator.standard_normal(_NOISE_KEPT), generator.get_state()
