"""Zeros after each item's end, put back before every convolution of somebody else's model.

In a batch that is padded at the end, the layers before a convolution have made something of an
item's padding, a bias at least, where the convolution of the item alone sees zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def zeros_after(part: nn.Module, lengths: Sequence[int]) -> Iterator[None]:
    """Meanwhile the convolutions in this part of a model, which call one another in a chain, see
    zeros after the end of each item; ``lengths`` are the items' in what the part is given."""
    from torch import nn

    ends = _Ends(lengths)
    wide = [
        layer
        for layer in part.modules()
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d) and layer.kernel_size[0] > 1
    ]
    hooks = [layer.register_forward_pre_hook(ends.before) for layer in wide]
    hooks += [layer.register_forward_hook(ends.after) for layer in wide]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Ends:
    """Follows the items' lengths through convolutions."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._lengths = list(lengths)

    def before(self, layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        """Zero what follows the items."""
        import torch

        (x,) = inputs
        steps = torch.arange(x.shape[-1], device=x.device)
        lengths = torch.tensor(self._lengths, device=x.device).view(-1, 1, 1)
        return (x.masked_fill(steps >= lengths, 0),)

    def after(self, layer: Any, _: tuple[Tensor], __: Tensor) -> None:  # noqa: ANN401
        """Lengths as the layer leaves them."""
        (kernel,), (stride,), (dilation,) = layer.kernel_size, layer.stride, layer.dilation
        around = dilation * (kernel - 1) - 2 * int(layer.padding[0])
        if layer.transposed:
            (more,) = layer.output_padding
            made = [(one - 1) * stride + around + more + 1 for one in self._lengths]
        else:
            made = [(one - around - 1) // stride + 1 for one in self._lengths]
        # An item of no steps, or of too few, has none.
        self._lengths = [
            max(0, one) if had else 0 for one, had in zip(made, self._lengths, strict=True)
        ]
