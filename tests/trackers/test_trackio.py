"""trackio's local database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from snac_eval.trackers.base import Tracker
from tests.trackers.conftest import Heard

trackio = pytest.importorskip("trackio", reason="needs the extra trackio")


def test_a_run_is_there_once_and_whole(
    follow: Callable[[Callable[[], Tracker]], Heard],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from trackio import sqlite_storage

    from snac_eval.trackers.trackio import TrackioTracker

    monkeypatch.setattr(sqlite_storage, "TRACKIO_DIR", tmp_path / "trackio")
    follow(lambda: TrackioTracker("things"))
    assert capsys.readouterr().out == ""
    database = sqlite3.connect(tmp_path / "trackio" / "things.db")
    said = [
        (name, step, json.loads(values))
        for name, step, values in database.execute("select run_name, step, metrics from metrics")
    ]
    ((config,),) = database.execute("select distinct config from configs")
    files = list(database.execute("select manifest from artifact_versions"))
    database.close()
    assert json.loads(config)["codec"] == "pcm_8bit"
    assert len({name for name, _, _ in said}) == 1
    assert said[0][0].startswith("pcm_8bit on folder:")
    assert sorted(step for _, step, one in said if "clip/bitrate" in one) == [0, 1, 2]
    assert sum("clip/si_sdr_aligned" in one for _, _, one in said) == 2
    (end,) = [one for _, _, one in said if "mean/bitrate" in one]
    assert end["n_undefined/si_sdr_aligned"] == 1
    rows = end["scores"]["_value"]
    (silent,) = [one for one in rows if one["status"] == "undefined"]
    assert silent["value"] is None
    assert len(files) == 1
