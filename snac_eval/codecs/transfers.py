"""Arrays of different length to a device as one batch, and back.

A GPU copies from and to pinned memory by itself, while the CPU goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


def together(arrays: Sequence[NDArray[Any]], device: str) -> Tensor:
    """Arrays ``[..., time]`` as one tensor ``[batch, ..., time]``, zeros after each one's end."""
    import torch

    parts = [torch.from_numpy(array) for array in arrays]
    longest = max(part.shape[-1] for part in parts)
    shape = (len(parts), *parts[0].shape[:-1], longest)
    batch = torch.zeros(shape, dtype=parts[0].dtype, pin_memory=device == "cuda")
    for row, part in zip(batch, parts, strict=True):
        row[..., : part.shape[-1]] = part
    return batch.to(device, non_blocking=True)


def to_host(tensors: Sequence[Tensor]) -> list[NDArray[np.generic]]:
    """As arrays, once the device is done with all of them."""
    import torch

    if not tensors or tensors[0].device.type != "cuda":
        return [tensor.cpu().numpy() for tensor in tensors]
    there = [
        torch.empty(one.shape, dtype=one.dtype, pin_memory=True).copy_(one, non_blocking=True)
        for one in tensors
    ]
    torch.cuda.current_stream(tensors[0].device).synchronize()
    return [tensor.numpy() for tensor in there]
