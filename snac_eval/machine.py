"""Which device a codec computes on."""

from __future__ import annotations

import sys
from pathlib import Path

from snac_eval.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve_device(requested: str) -> str:
    """``cpu``, ``cuda`` or ``mps`` for what the user asked; ``auto`` takes the fastest there is.

    Raises UsageError for a device that this machine lacks. ``auto`` on a Linux machine without a
    GPU's device file answers without importing torch, which takes seconds.
    """
    if requested not in DEVICES:
        raise UsageError(f"unknown device '{requested}'; use one of {', '.join(DEVICES)}")
    if requested == "cpu" or (requested == "auto" and _surely_no_gpu()):
        return "cpu"
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if requested == "auto":
        return next((name for name, there in present.items() if there), "cpu")
    if not present[requested]:
        raise UsageError(f"--device {requested}: torch finds no such device here; use --device cpu")
    return requested


def _surely_no_gpu() -> bool:
    nodes = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    return sys.platform == "linux" and not any(Path(node).exists() for node in nodes)
