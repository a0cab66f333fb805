"""What a codec of one's own does to the process, undone: random numbers, torch's settings, modes.

An object may be a module that its owner trains on after it was evaluated.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from snac_eval.machine import torch_set_up

_MOST = 1 << 32


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seed Python's, NumPy's and, where it is loaded, torch's random numbers; they go on where they
    were afterwards."""
    ours, theirs = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % _MOST)
    torch: Any = sys.modules.get("torch")
    with ExitStack() as ending:
        if torch is not None:
            where = [torch.cuda.current_device()] if device == "cuda" else []
            ending.enter_context(torch.random.fork_rng(where))
            torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(ours)
            np.random.set_state(theirs)


@contextmanager
def computing(modules: Sequence[Any], device: str, num_threads: int) -> Iterator[None]:
    """Have these torch modules compute as in a run: in evaluation mode, without gradients, in
    float32, on so many threads."""
    if not modules:
        yield
        return
    import torch

    parts = {id(part): part for one in modules for part in one.modules()}
    training = [part for part in parts.values() if part.training]
    with torch_set_up(device, num_threads), torch.no_grad():
        for one in modules:
            if any(part.training for part in one.modules()):
                one.eval()
        try:
            yield
        finally:
            for part in training:
                part.training = True
