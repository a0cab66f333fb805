"""What the process that plans and stores spends on each clip: ``parent.py MODEL MANIFEST``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snac_eval.run import loop
from snac_eval.run.config import RunConfig

METRICS = ("bitrate", "bitrate_nominal", "encode_real_time_factor", "si_sdr", "mel_dac_paper")


def parent_ms(model: str, manifest: Path) -> tuple[float, float]:
    """CPU and wall milliseconds a clip, from the first task that is given out to the last result
    that is stored."""
    spent: list[tuple[float, float]] = []
    compute: Callable[..., None] = loop._compute

    def timed(*arguments: Any) -> None:  # noqa: ANN401 - passed on
        start = time.process_time(), time.perf_counter()
        compute(*arguments)
        spent.append((time.process_time() - start[0], time.perf_counter() - start[1]))

    loop._compute = timed
    with tempfile.TemporaryDirectory() as folder:
        outcome = loop.run(RunConfig(model, f"manifest:{manifest}", Path(folder), METRICS))
    ((cpu_s, wall_s),) = spent
    return tuple(1000 * one / outcome.num_computed for one in (cpu_s, wall_s))  # type: ignore[return-value]


if __name__ == "__main__":
    name, path = sys.argv[1:]
    cpu_ms, wall_ms = parent_ms(name, Path(path))
    print(f"{name}: {cpu_ms:.2f} ms CPU a clip in the parent, {wall_ms:.1f} ms wall")
