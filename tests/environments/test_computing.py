"""Metrics whose computing runs in an environment: the same scores, and what a lost worker costs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from snac_eval.environments import computing
from snac_eval.environments.computing import computed
from snac_eval.metrics.base import ALL_DOMAINS, PairMetric, fingerprint_in
from snac_eval.registry.environments import FOLDER_VARIABLE, RECORD
from snac_eval.types import Environment, MetricInfo
from tests.conftest import tone
from tests.environments.made import hand_made

_TINY = Environment("tiny", ("tiny==1.0",))
_MODULE = """
import os, sys, time
import numpy as np

def error(reference, estimate, sample_rate):
    print("chatter", flush=True)
    if estimate.max() > 0.99:
        os._exit(3)
    if estimate.min() < -0.99:
        time.sleep(100)
    if len(estimate) < sample_rate:
        raise ValueError("not  enough")
    return float(np.sqrt(np.mean((reference - estimate) ** 2, dtype=np.float64)))

def where():
    return sys.prefix
"""


class Error(PairMetric):
    """A third party's metric."""

    environment = _TINY

    def __init__(self) -> None:
        self.info = MetricInfo(
            "tiny_error", "", "", False, (0.0, 9.0), ALL_DOMAINS, None,
            fingerprint_in(_TINY, "tiny_error", "tiny"),
        )  # fmt: skip

    def _compute(
        self, reference: NDArray[np.float32], estimate: NDArray[np.float32], sample_rate: int
    ) -> float:
        sides = {"reference": reference, "estimate": estimate, "sample_rate": sample_rate}
        return float(computed(_TINY, "tiny_computing:error", sides, 1.0))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where environments lie. The metric's module is in a folder that only this interpreter has."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "tiny_computing.py").write_text(_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    monkeypatch.delitem(sys.modules, "tiny_computing", raising=False)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "environments"))
    return tmp_path / "environments"


def test_a_metric_scores_there_as_here_and_a_lost_worker_costs_one_clip(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, estimate = tone(1.0), 0.9 * tone(1.0, seed=1)
    here = Error().score_pair(reference, estimate, 16000)
    short = Error().score_pair(reference[:8000], estimate[:8000], 16000)
    assert here.status == "ok"
    assert str(Error().info.fingerprint) == "tiny_error;tiny==absent"

    folder = hand_made(root, "tiny")
    assert str(Error().info.fingerprint) == "tiny_error;tiny==1.0"
    assert computed(_TINY, "tiny_computing:where", {}) == str(folder)
    there = Error().score_pair(reference, estimate, 16000)
    assert (there.value, there.status) == (here.value, "ok")
    assert Error().score_pair(reference[:8000], estimate[:8000], 16000) == short
    assert short.reason == "ValueError: not enough"

    dead = np.append(estimate[:-1], np.float32(1.0))
    lost = Error().score_pair(reference, dead, 16000)
    said = "ended by itself with exit code 3 while computing in environment tiny (chatter)"
    assert (lost.status, lost.reason) == ("error", said)
    assert Error().score_pair(reference, estimate, 16000) == there

    monkeypatch.setattr(computing, "LIMIT_S", 0.3)
    monkeypatch.setattr(computing, "LIMIT_PER_S", 0.2)
    late = Error().score_pair(reference, np.append(estimate[:-1], np.float32(-1.0)), 16000)
    assert late.reason.startswith("took longer than 0.5 s over computing in environment tiny")
    (folder / RECORD).unlink()
    assert Error().score_pair(reference, estimate, 16000) == here


def test_a_broken_environment_says_how_it_is_mended(root: Path) -> None:
    folder = hand_made(root, "tiny")
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (folder / "bin" / "python").chmod(0o755)
    score = Error().score_pair(tone(1.0), tone(1.0), 16000)
    assert score.reason.startswith("environment tiny is broken: ")
    assert score.reason.endswith("; snac-eval env create tiny --overwrite")
