"""In which order a run takes its clips, and how far ahead it reads them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import soundfile

from snac_eval.run import loop as run_module
from snac_eval.run.loop import _batches, _Loaded, _read_ahead
from snac_eval.run.plan import Job, Plan, RunConfig, make_plan
from snac_eval.types import Clip, Score
from tests.conftest import tone


def _plan(tmp_path: Path, model: str, **options: object) -> tuple[Plan, list[Job]]:
    audio = tmp_path / "audio"
    audio.mkdir()
    for index, duration_s in enumerate((0.3, 0.5, 0.46, 0.5, 0.45)):
        soundfile.write(audio / f"{index}.wav", tone(duration_s), 16000)
    plan = make_plan(RunConfig(model, f"folder:{audio}", tmp_path / "run", **options))  # type: ignore[arg-type]
    return plan, plan.pending({})


def test_longest_clip_comes_first(tmp_path: Path) -> None:
    plan, jobs = _plan(tmp_path, "opus_6kbps")
    batches = list(_batches(plan, jobs))
    assert [item.job.clip.id for (item,) in batches if isinstance(item, _Loaded)] == list("13240")


def test_batches_hold_clips_that_pad_to_one_length(tmp_path: Path) -> None:
    plan, jobs = _plan(tmp_path, "snac_16khz_mini", batch_size=2)
    ids = [
        "".join(item.job.clip.id for item in batch if isinstance(item, _Loaded))
        for batch in _batches(plan, jobs)
    ]
    assert ids == ["13", "24", "0"]


def test_unreadable_clip_stands_alone(tmp_path: Path) -> None:
    plan, jobs = _plan(tmp_path, "snac_16khz_mini", batch_size=4)
    (tmp_path / "audio" / "3.wav").write_text("no audio")
    batches = list(_batches(plan, jobs))
    failed = [item for batch in batches for item in batch if isinstance(item, tuple)]
    assert [(job.clip.id, outcome.status) for job, outcome in failed] == [("3", "error")]
    assert sum(len(batch) for batch in batches) == 5


def test_reader_stays_a_bounded_distance_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, jobs = _plan(tmp_path, "opus_6kbps")
    read: list[Clip] = []

    def load(_: Plan, job: Job) -> tuple[Job, Score]:
        read.append(job.clip)
        return job, Score.error("not read")

    monkeypatch.setattr(run_module, "_load", load)
    items = _read_ahead(plan, jobs, 2)
    next(items)
    time.sleep(0.05)
    assert len(read) == 3
    items.close()  # type: ignore[attr-defined]
    assert len(read) == 3
