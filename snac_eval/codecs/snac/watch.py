"""Notices that a module's weights are no longer those they were."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

_WHOLE_NUMBERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Watch:
    """Remembers a module's weights without copying them: a look takes microseconds.

    It notices every replaced submodule or tensor, every new storage (``.to``, ``tensor.data = x``)
    and every write that torch counts: optimisers, ``load_state_dict``, ``copy_`` and the like under
    ``no_grad`` or ``inference_mode``. Torch does not count writes through ``tensor.data`` or a
    NumPy view. To notice those, three numbers of each tensor on a CPU are compared: a tensor
    written as a whole is seen; a few entries written in this way can be missed.
    """

    def __init__(self, module: nn.Module) -> None:
        self._tables = [
            table
            for part in module.modules()
            for table in (part._modules, part._parameters, part._buffers)
            if table
        ]
        # What is held cannot give its address to something else.
        self._held = [value for table in self._tables for value in table.values()]
        self._tensors = [value for value in self._held if isinstance(value, Tensor)]
        self._storages = [tensor.untyped_storage() for tensor in self._tensors]
        self._is_inference = any(tensor.is_inference() for tensor in self._tensors)
        self._samples = [one for tensor in self._tensors for one in _samples(tensor)]
        self._seen = [] if self._is_inference else [look() for look in self._looks()]

    def is_unchanged(self) -> bool:
        """Whether every weight is as it was. Never, for tensors made under ``inference_mode``:
        torch counts no writes to them."""
        if self._is_inference:
            return False
        # In order: a tensor that was replaced by one without a version is found before it is asked.
        return all(look() == seen for look, seen in zip(self._looks(), self._seen, strict=True))

    def _looks(self) -> list[Callable[[], list[int]]]:
        return [
            lambda: [id(value) for table in self._tables for value in table.values()],
            lambda: [tensor.data_ptr() for tensor in self._tensors],
            lambda: [tensor._version for tensor in self._tensors],
            lambda: [sample[0] for sample in self._samples],
        ]


def _samples(tensor: Tensor) -> list[memoryview]:
    """The bits of the first, the middle and the last number, as they are whenever they are read."""
    whole = _WHOLE_NUMBERS.get(tensor.element_size())
    dense = tensor.device.type == "cpu" and tensor.is_contiguous() and tensor.numel() > 0
    if whole is None or not dense:
        return []
    bits = tensor.detach().view(-1).view(whole).numpy()
    middle, last = len(bits) // 2, len(bits) - 1
    return [bits[index : index + 1].data for index in sorted({0, middle, last})]
