"""One small run, as those who follow it hear of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import snac_eval
from snac_eval.trackers.base import Tracker
from snac_eval.types import ClipDone, RunDone
from tests.conftest import tone


@dataclass
class Heard:
    """A callback that keeps what it is told."""

    clips: list[ClipDone] = field(default_factory=list)
    runs: list[RunDone] = field(default_factory=list)

    def on_clip(self, done: ClipDone) -> None:
        self.clips.append(done)

    def on_run(self, done: RunDone) -> None:
        self.runs.append(done)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """Clips of two domains, one of them silent, so without an SI-SDR."""
    root = tmp_path_factory.mktemp("heard")
    for index, name in enumerate(("speech/a.wav", "speech/b.wav", "music/c.wav")):
        path = root / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.zeros(9600) if name == "speech/b.wav" else tone(0.6, seed=index)
        soundfile.write(path, samples, 16000)
    heard = Heard()
    snac_eval.evaluate(
        "pcm_8bit",
        f"folder:{root / 'clips'}",
        ["bitrate", "si_sdr_aligned"],
        output=root / "run",
        html=False,
        workers=0,
        callbacks=[heard],
    )
    return heard


@pytest.fixture
def heard(whole_run: Heard, tmp_path: Path) -> Heard:
    """The same in a folder of its own."""
    facts = replace(whole_run.runs[0].run, folder=tmp_path / "run")
    facts.folder.mkdir()
    return Heard(
        [replace(one, run=facts) for one in whole_run.clips],
        [replace(one, run=facts) for one in whole_run.runs],
    )


@pytest.fixture
def follow(heard: Heard) -> Callable[[Callable[[], Tracker]], Heard]:
    """Log the run as two calls of it would, the first of which was interrupted, then call once
    more with nothing left to do; each call has a tracker of its own."""

    def follow(make: Callable[[], Tracker]) -> Heard:
        (done,) = heard.runs
        first, second = make(), make()
        first.on_clip(heard.clips[0])
        first.on_run(replace(done, state="interrupted"))
        for one in heard.clips[1:]:
            second.on_clip(one)
        second.on_run(done)
        make().on_run(done)
        return heard

    return follow
