"""The runs of a study share what is costly, and no run costs another anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import soundfile

from snac_eval import audio
from snac_eval.errors import SnacEvalError, UnknownNameError
from snac_eval.run.choosing import DatasetChoice, ModelChoice, Study
from snac_eval.run.config import RunConfig
from snac_eval.run.engines.processes import Nursery
from snac_eval.run.forecast import forecast
from snac_eval.run.loop import RunOutcome
from snac_eval.run.study import Pair, plan_study, run_study
from snac_eval.types import Clip
from tests.conftest import tone

METRICS = ("bitrate", "si_sdr")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for index in range(5):
        soundfile.write(folder / f"{index}.wav", tone(0.6, seed=index), 16000)
    return folder


def _configs(
    tmp_path: Path,
    clips: Path,
    models: Sequence[str],
    **options: Any,  # noqa: ANN401 - fields of RunConfig
) -> list[RunConfig]:
    base = RunConfig("", "", tmp_path, METRICS, html=False, **options)
    datasets = (DatasetChoice(f"folder:{clips}"),)
    return Study(tuple(map(ModelChoice, models)), datasets, base).configs(tmp_path / "runs")


def _run(configs: Sequence[RunConfig]) -> dict[str, RunOutcome | SnacEvalError]:
    found: dict[str, RunOutcome | SnacEvalError] = {}

    def ended(pair: Pair, outcome: RunOutcome | SnacEvalError) -> None:
        found[pair.config.model] = outcome

    assert run_study(plan_study(configs), (), ended)
    return found


def test_one_staff_does_every_run(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    start = Nursery.start_worker

    def start_worker(nursery: Nursery, *given: Any) -> Any:  # noqa: ANN401 - passed on
        started.append("worker")
        return start(nursery, *given)

    monkeypatch.setattr(Nursery, "start_worker", start_worker)
    models = ["pcm_8bit", "pcm_16bit", "opus_6kbps"]
    found = _run(_configs(tmp_path, clips, models, workers=2))
    assert started == ["worker", "worker"]
    assert [outcome.num_computed for outcome in found.values()] == [5, 5, 5]  # type: ignore[union-attr]


def test_processes_and_what_they_share_change_no_score(tmp_path: Path, clips: Path) -> None:
    import pandas as pd

    frames = []
    for workers in (0, 2):
        configs = _configs(
            tmp_path / str(workers), clips, ["pcm_8bit", "opus_6kbps"], workers=workers
        )
        _run(configs)
        frames.append([pd.read_parquet(one.output / "scores.parquet") for one in configs])
    for apart, together in zip(*frames, strict=True):
        pd.testing.assert_frame_equal(apart, together)


def test_a_dataset_is_looked_at_once(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    inspect = audio.inspect

    def counted(clip: Clip, longest_s: float) -> Clip:
        looked.append(clip.id)
        return inspect(clip, longest_s)

    monkeypatch.setattr(audio, "inspect", counted)
    plan_study(_configs(tmp_path, clips, ["pcm_8bit", "pcm_16bit", "opus_6kbps"]))
    assert sorted(looked) == ["0", "1", "2", "3", "4"]


def test_one_that_fails_stops_no_other(tmp_path: Path, clips: Path) -> None:
    models = ["pcm_8bit", f"files:{tmp_path / 'nowhere'}", "pcm_16bit"]
    found = _run(_configs(tmp_path, clips, models, workers=0))
    problems = {name: one for name, one in found.items() if isinstance(one, SnacEvalError)}
    assert list(problems) == [models[1]]
    assert "nowhere" in str(problems[models[1]])
    assert [found[name].num_computed for name in (models[0], models[2])] == [5, 5]  # type: ignore[union-attr]


def test_a_slip_of_the_pen_is_told_before_anything_runs(tmp_path: Path, clips: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'pcm_8bit'"):
        plan_study(_configs(tmp_path, clips, ["pcm_16bit", "pcm_8bitt"]))
    assert not (tmp_path / "runs").exists()


def test_what_is_done_is_not_done_again_and_what_is_left_is_foretold(
    tmp_path: Path, clips: Path
) -> None:
    _run(_configs(tmp_path, clips, ["pcm_8bit"], workers=0))
    pairs = plan_study(_configs(tmp_path, clips, ["pcm_8bit", "pcm_16bit"], workers=0))
    done, left = map(forecast, pairs)
    assert (done.num_left, done.seconds, done.source) == (0, 0.0, "done")
    assert (left.num_clips, left.num_left) == (5, 5)
    assert left.audio_s == pytest.approx(3.0)
    assert left.seconds > 0
    assert not pairs[1].config.output.exists()
    (clips / "5.wav").write_bytes((clips / "0.wav").read_bytes())
    again = forecast(plan_study(_configs(tmp_path, clips, ["pcm_8bit"], workers=0))[0])
    assert again.source == "its last 5 clips" or again.num_left == 0
