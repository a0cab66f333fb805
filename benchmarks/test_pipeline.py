"""``snac-eval run`` against a plain loop over the same libraries, as whole processes.

``python -m benchmarks.pipeline`` says more: pairs, the bound, whether the scores are the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.pipeline import run_harness, run_plain
from benchmarks.plain_loop import DATASET
from tests.conftest import SHARED_DATA

LIMIT = 20


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason=f"needs {SHARED_DATA}")
@pytest.mark.parametrize("model", ["opus_12kbps", "snac_16khz_mini"])
@pytest.mark.parametrize("how", ["harness", "plain loop"])
def test_pipeline(benchmark: Any, model: str, how: str, tmp_path: Path) -> None:  # noqa: ANN401
    benchmark.group = f"{model} on {LIMIT} clips"
    dataset = [DATASET, "--data-root", str(SHARED_DATA)]
    run = {
        "harness": lambda: run_harness(model, dataset, LIMIT, tmp_path / "run"),
        "plain loop": lambda: run_plain(model, SHARED_DATA, LIMIT, tmp_path / "plain.json"),
    }[how]
    benchmark.pedantic(run, rounds=3, warmup_rounds=0)
