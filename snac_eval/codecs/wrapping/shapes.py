"""Which axis of an array of codes is what: B batch (always 1), K codebooks, T time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from snac_eval.errors import CodecError, UsageError

Shape = tuple[int, ...]


class Unclear(Exception):  # noqa: N818 - a state, not a failure
    """One clip's shapes do not say it."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a codec gives its codes."""

    axes: str
    """``BKT``, of each array."""
    num_streams: int
    num_arrays: int
    """One array a stream where they are several and have no K; 0: pieces in time, any number."""

    @property
    def is_pieces(self) -> bool:
        """Whether arrays follow one another in time."""
        return not self.num_arrays

    def streams_of(self, array: Any) -> Any:  # noqa: ANN401 - a NumPy array of integers
        """``[K, T]`` of an array. Raises CodecError where it has another shape than codes have."""
        expected = self.num_streams if self.num_arrays < 2 else 1
        sizes = dict(zip(self.axes, array.shape, strict=False))
        batches = [size for axis, size in zip(self.axes, array.shape, strict=False) if axis == "B"]
        streams = sizes.get("K", 1)
        if array.ndim != len(self.axes) or set(batches) - {1} or streams != expected:
            raise CodecError(
                f"encode gave codes of shape {list(array.shape)}; those of its first clip were"
                f" {self.axes} with {expected} codebook(s)"
            )
        return array.transpose(self._order).reshape(streams, sizes["T"])

    def array_of(self, streams: Any, shape: Sequence[int]) -> Any:  # noqa: ANN401
        """:meth:`streams_of`, undone."""
        order = self._order
        moved = streams.reshape([shape[axis] for axis in order])
        return moved.transpose([order.index(axis) for axis in range(len(order))])

    @property
    def _order(self) -> list[int]:
        """The axes, batch first, time last."""
        return sorted(range(len(self.axes)), key=lambda axis: "BKT".index(self.axes[axis]))


def form_of(shapes: Sequence[Shape], count: int, axes: str, longer: Sequence[Shape] = ()) -> Form:
    """How arrays of these shapes, which one clip gave, are meant.

    Args:
        shapes: in the order in which encode gave them; at least one.
        count: how many codebooks are declared; 0: unknown.
        axes: what is declared of the axes; empty: nothing.
        longer: the shapes of a longer clip. The axis that grew is time.

    Raises Unclear where a longer clip may tell it, or could not; UsageError where the shapes are
    those of no codes.
    """
    if len({len(shape) for shape in shapes}) > 1:
        raise UsageError(f"codes of unlike shapes, {_said(shapes)}")
    if not axes:
        axes = _axes(shapes[0], count, longer, len(shapes))
    if any(len(shape) != len(axes) for shape in shapes):
        raise UsageError(f"codes of shape {_said(shapes)}, but codes_shape is '{axes}'")
    books = shapes[0][axes.index("K")] if "K" in axes else 1
    if len(shapes) == 1:
        return Form(axes, books, 1)
    if books == 1 and count != 1:
        return Form(axes, len(shapes), len(shapes))
    return Form(axes, books, 0)


def _axes(shape: Shape, count: int, longer: Sequence[Shape], num_arrays: int) -> str:
    large = [axis for axis, size in enumerate(shape) if size != 1]
    if len(large) > 2:
        raise UsageError(f"codes of shape {list(shape)} for one clip; one axis must be batch, 1")
    if len(shape) == 1:
        return "T"
    if len(large) < 2 and (num_arrays > 1 or count <= 1 or count not in shape):
        time = large[0] if large else len(shape) - 1
        return _letters(len(shape), time, None)
    books = [axis for axis in large if shape[axis] == count]
    if len(large) == 2 and len(books) == 1:
        return _letters(len(shape), large[1 - large.index(books[0])], books[0])
    return _grown(shape, longer)


def _grown(shape: Shape, longer: Sequence[Shape]) -> str:
    """By the axis that is longer in a longer clip."""
    if not longer or len(longer[0]) != len(shape):
        raise Unclear
    grown = [axis for axis, size in enumerate(shape) if longer[0][axis] > size]
    others = [axis for axis, size in enumerate(shape) if axis not in grown and size != 1]
    if len(grown) != 1 or len(others) > 1:
        raise Unclear
    return _letters(len(shape), grown[0], others[0] if others else None)


def _letters(num_axes: int, time: int, books: int | None) -> str:
    letters = ["B"] * num_axes
    letters[time] = "T"
    if books is not None:
        letters[books] = "K"
    return "".join(letters)


def _said(shapes: Sequence[Shape]) -> str:
    return " and ".join(dict.fromkeys(str(list(shape)) for shape in shapes))
