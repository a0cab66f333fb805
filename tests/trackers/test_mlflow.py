"""MLflow, by its store of files; its server and its databases are behind the same client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snac_eval.trackers.base import Tracker
from tests.trackers.conftest import Heard

pytest.importorskip("mlflow", reason="needs the extra mlflow")


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # Without a database, of which making one takes many seconds.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return (tmp_path / "mlruns").as_uri()


def _runs(uri: str) -> tuple[Any, list[Any]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("snac-eval")
    assert experiment is not None
    return client, list(client.search_runs([experiment.experiment_id]))


def test_a_run_is_there_once_and_whole(
    follow: Callable[[Callable[[], Tracker]], Heard], uri: str
) -> None:
    from snac_eval.trackers.mlflow import MlflowTracker

    heard = follow(lambda: MlflowTracker(uri))
    client, (run,) = _runs(uri)
    assert run.info.status == "FINISHED"
    assert run.data.params["codec"] == "pcm_8bit"
    assert run.data.metrics["n_undefined/si_sdr_aligned"] == 1
    said = client.get_metric_history(run.info.run_id, "clip/bitrate")
    assert sorted(one.step for one in said) == [0, 1, 2]
    assert len(client.get_metric_history(run.info.run_id, "clip/si_sdr_aligned")) == 2
    assert len(client.get_metric_history(run.info.run_id, "mean/bitrate")) == 1
    there = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert there == {"scores.csv", *(path.name for path in heard.runs[0].files)}
    table = Path(client.download_artifacts(run.info.run_id, "scores.csv")).read_text()
    assert ",si_sdr_aligned,,undefined," in table


def test_what_changed_is_a_tag_and_a_run_that_was_removed_is_made_anew(
    heard: Heard, uri: str
) -> None:
    from snac_eval.trackers.mlflow import MlflowTracker

    (done,) = heard.runs
    MlflowTracker(uri).on_run(done)
    manifest = dict(done.run.manifest) | {"sha256": "another", "num_clips": 4}
    later = replace(done, run=replace(done.run, manifest=manifest))
    MlflowTracker(uri).on_run(later)
    client, (run,) = _runs(uri)
    assert run.data.params["num_clips"] == "3"
    assert run.data.tags["now.num_clips"] == "4"
    client.delete_run(run.info.run_id)
    MlflowTracker(uri).on_run(later)
    _, (again,) = _runs(uri)
    assert again.info.run_id != run.info.run_id
    assert again.data.params["num_clips"] == "4"
