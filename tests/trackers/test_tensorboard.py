"""TensorBoard's event files, read back by its own reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snac_eval.trackers.base import Tracker
from tests.trackers.conftest import Heard

pytest.importorskip("tensorboard", reason="needs the extra tensorboard")


def _read(folder: Path) -> Any:  # noqa: ANN401 - TensorBoard's
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_a_run_is_there_once_and_whole(
    follow: Callable[[Callable[[], Tracker]], Heard], tmp_path: Path
) -> None:
    from snac_eval.trackers.tensorboard import TensorboardTracker

    heard = follow(lambda: TensorboardTracker(str(tmp_path / "boards")))
    (folder,) = (tmp_path / "boards").iterdir()
    assert folder.name == f"run-{heard.runs[0].run.run_id}"
    found = _read(folder)
    assert sorted(one.step for one in found.Scalars("clip/bitrate")) == [0, 1, 2]
    assert len(found.Scalars("clip/si_sdr_aligned")) == 2
    (mean,) = found.Scalars("mean/bitrate")
    assert mean.value == pytest.approx(heard.runs[0].means[0].value)
    texts = [
        found.Tensors(name)[0].tensor_proto.string_val[0].decode()
        for name in found.Tags()["tensors"]
    ]
    assert any("| codec | pcm_8bit |" in text for text in texts)
    assert any("| speech/b | si_sdr_aligned | undefined |" in text for text in texts)


def test_a_run_that_forgets_its_folder_forgets_what_it_logged(heard: Heard) -> None:
    from snac_eval.trackers.tensorboard import TensorboardTracker

    TensorboardTracker().on_run(heard.runs[0])
    manifest = dict(heard.runs[0].run.manifest)
    manifest["config"] = {**manifest["config"], "overwrite": True}
    facts = replace(heard.runs[0].run, manifest=manifest)
    again = TensorboardTracker()
    again.on_clip(replace(heard.clips[1], run=facts))
    again.on_run(replace(heard.runs[0], run=facts))
    found = _read(facts.folder / "tensorboard")
    assert len(found.Scalars("clip/bitrate")) == 1
    assert len(found.Scalars("mean/bitrate")) == 1
