"""What leaves a process that takes clips from file to scores."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval.metrics.opening import open_metric
from snac_eval.metrics.opening import opened as opened_metric
from snac_eval.run.coding import AHEAD, CODING, READING, CodingTask
from snac_eval.run.config import RunConfig
from snac_eval.run.evaluating import evaluate, opened
from snac_eval.run.plan import make_plan
from snac_eval.run.rows import Settled
from snac_eval.types import Codes, Reconstruction, Score
from tests.conftest import tone


@pytest.fixture
def tasks(tmp_path: Path) -> tuple[RunConfig, list[CodingTask]]:
    """Two clips of a codec with large codes."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for index in range(2):
        soundfile.write(clips / f"{index}.wav", tone(1.0, seed=index), 16000)
    names = ("bitrate", "si_sdr", "delay")
    plan = make_plan(RunConfig("pcm_16bit", f"folder:{clips}", tmp_path / "run", names))
    pending = plan.pending([Settled(frozenset(), has_codes=False)] * 2)
    return plan.config, [CodingTask(number, job) for number, job in enumerate(pending)]


def test_tasks_and_what_comes_of_them_are_small(
    tasks: tuple[RunConfig, list[CodingTask]],
) -> None:
    config, given = tasks
    steps: list[tuple[str, tuple[int, ...]]] = []
    coder = opened(config, config.metrics)
    done = list(evaluate(coder, given, lambda what, on: steps.append((what, tuple(on)))))
    assert [one.number for one in done] == [0, 1]
    for task, one in zip(given, done, strict=True):
        assert {score.status for score in one.scores.values()} == {"ok"}
        assert one.codes is not None
        assert one.codes.unpacked().codes.num_samples == 16000
        assert len(pickle.dumps(task)) < 1000
        assert len(pickle.dumps(replace(one, codes=None))) < 500
        assert pickle.loads(pickle.dumps(one)) == one
    mine = [what for what, on in steps if on == (0,)]
    assert [what for what in mine if what != AHEAD][-4:] == [CODING, "bitrate", "si_sdr", "delay"]
    assert {READING, AHEAD} <= set(mine)


def test_codes_that_cannot_be_kept_are_the_clips_error(
    tasks: tuple[RunConfig, list[CodingTask]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pack(_: Codes) -> bytes:
        raise TypeError("no\narray")

    monkeypatch.setattr("snac_eval.run.rows.pack", pack)
    config, given = tasks
    for one in evaluate(opened(config, config.metrics), given):
        reason = "the codes cannot be kept: TypeError: no array"
        assert set(one.scores.values()) == {Score.error(reason)}
        assert one.codes is None


def test_what_a_codec_sets_up_for_itself_changes_no_score(
    tasks: tuple[RunConfig, list[CodingTask]],
) -> None:
    """SNAC has its thread treat denormal numbers as zero; a scorer that never saw it does not."""
    import torch

    config, given = tasks
    metric = open_metric("si_sdr")

    class Tiny:
        info = metric.info

        def score(self, _: Reconstruction) -> Score:
            return Score.ok(float((np.array([math.ulp(0.0)]) * 1.0).sum() != 0.0))

    coder = opened(config, ("bitrate",))
    coder = replace(coder, metrics={"si_sdr": opened_metric(Tiny(), "si_sdr")})
    task = replace(given[0], job=replace(given[0].job, metrics=("si_sdr",)))
    torch.set_flush_denormal(True)
    try:
        (one,) = evaluate(coder, [task])
        assert math.ulp(0.0) * float(len("a")) == 0.0
    finally:
        torch.set_flush_denormal(False)
    assert one.scores["si_sdr"].value == 1.0
