"""Metrics through the harness against their bare packages: what the checks and wrappers cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pesq import pesq
from pystoi import stoi

import snac_eval
from tests.conftest import tone

RATE = 16000
REFERENCE = tone(8.0)
ESTIMATE = REFERENCE + 0.01 * np.random.default_rng(0).standard_normal(REFERENCE.size).astype("f4")

BARE: dict[str, Callable[[], object]] = {
    "pesq_wb": lambda: pesq(RATE, REFERENCE, ESTIMATE, "wb"),
    "stoi": lambda: stoi(REFERENCE, ESTIMATE, RATE),
}


@pytest.mark.parametrize("metric", list(BARE))
@pytest.mark.parametrize("how", ["harness", "bare package"])
def test_metric(benchmark: Any, metric: str, how: str) -> None:  # noqa: ANN401
    benchmark.group = f"{metric}, 8 s"
    opened: Any = snac_eval.load_metric(metric)
    run = {
        "harness": lambda: opened.score_pair(REFERENCE, ESTIMATE, RATE),
        "bare package": BARE[metric],
    }[how]
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
