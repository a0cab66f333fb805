"""Products of rows with a weight, by the faster of the two libraries within torch.

torch sends products to MKL, which serves processors of its own maker best. On AMD's, oneDNN, which
torch uses for other things, is 5 to 10 % faster on one core and twice as fast on another, and adds
what is to be added on the way. Which of them depends on the processor alone, never on a measured
time: they round differently, and the same machine must give the same codes.
"""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

# oneDNN writes code for every shape that it meets, which takes half a millisecond: at about 100
# billion operations a second the time of so many, of which it saves a part.
_WORTH_NEW_CODE = 4e8


def product(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    addend: Tensor | None = None,
    odd: bool = False,
) -> Tensor:
    """``x @ weight``, plus bias and addend: of ``[rows, in]``, ``[in, out]``, ``[out]`` and
    ``[rows, out]``.

    ``odd`` says that so many rows will hardly come again.
    """
    operators = onednn() if x.shape[0] and _suits(x, weight) else None
    if operators is None or (odd and 2 * x.shape[0] * weight.numel() < _WORTH_NEW_CODE):
        if bias is None:
            return x @ weight if addend is None else torch.addmm(addend, x, weight)
        y = torch.addmm(bias, x, weight)
        return y if addend is None else y.add_(addend)
    if addend is None:
        return operators._linear_pointwise(x, weight.t(), bias, "none", [], "")  # type: ignore[no-any-return]
    return operators._linear_pointwise.binary(x, addend, weight.t(), bias, "add")  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def onednn() -> Any:  # noqa: ANN401 - torch's own table of operators
    """oneDNN's operators, where they are the ones to use and give what they should; else None.

    torch keeps them for its own compiler and promises nothing about them.
    """
    if not (_is_amd() and torch.backends.mkldnn.is_available()):  # type: ignore[no-untyped-call]
        return None
    operators: Any = torch.ops.mkldnn
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, addend = (
        torch.randn(shape, generator=generator) for shape in ((33, 40), (40, 24), (24,), (33, 24))
    )
    expected = x.double() @ weight.double() + bias
    try:
        alone = operators._linear_pointwise(x, weight.t(), bias, "none", [], "")
        added = operators._linear_pointwise.binary(x, addend, weight.t(), bias, "add")
    except (AttributeError, RuntimeError, TypeError):
        return None  # another torch's
    errors = [(alone - expected).abs().max(), (added - expected - addend).abs().max()]
    return operators if max(errors) < 1e-4 else None


def _suits(*tensors: Tensor) -> bool:
    return all(one.dtype == torch.float32 and one.device.type == "cpu" for one in tensors)


def _is_amd() -> bool:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        return "AuthenticAMD" in info.read_text(errors="replace")
    return "AuthenticAMD" in platform.processor()
