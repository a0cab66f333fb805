"""MLflow: a run of ours is a run there, in the experiment that ``MLFLOW_EXPERIMENT_NAME`` names."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from snac_eval.trackers import content
from snac_eval.trackers.base import Tracker
from snac_eval.types import ClipDone, RunDone, RunFacts

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_MOST_METRICS, _MOST_PARAMETERS = 1000, 100
_SECONDS = 5.0
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_STATES = {"finished": "FINISHED", "interrupted": "KILLED"}


class MlflowTracker(Tracker):
    """MLflow: mlflow:URI, by default what MLFLOW_TRACKING_URI names, else sqlite:///mlflow.db.

    Only MLflow's client is used: runs of the process's own are not touched. Raises whatever the
    client does where the place is none, or cannot be reached.
    """

    def __init__(self, uri: str = "") -> None:
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=uri or None)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or content.PROJECT
        super().__init__(f"mlflow {self._client.tracking_uri} {name}")
        with _soon_refused():
            found = self._client.get_experiment_by_name(name)
            self._experiment = (
                self._client.create_experiment(name) if found is None else found.experiment_id
            )

    def has(self, name: str) -> bool:
        """Whether a run of this name is still there."""
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._client.get_run(name).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False

    def begin(self, run: RunFacts, name: str) -> _OpenRun:
        """Open a run, that of this name where it is not empty and there is one."""
        if name and self.has(name):
            self._client.update_run(name, status="RUNNING")
        else:
            title = content.title(run)
            made = self._client.create_run(self._experiment, run_name=title)
            name = made.info.run_id
        opened = _OpenRun(self._client, name)
        opened.describe(run)
        return opened


@contextmanager
def _soon_refused() -> Iterator[None]:
    """Have a server that does not answer told in seconds, not in minutes: nothing runs yet."""
    if _RETRIES in os.environ:
        yield
        return
    os.environ[_RETRIES] = "1"
    try:
        yield
    finally:
        del os.environ[_RETRIES]


class _OpenRun:
    """Metrics go out a thousand at a time, or every few seconds: each call is a request."""

    def __init__(self, client: MlflowClient, name: str) -> None:
        self.name = name
        self._client = client
        self._waiting: list[Any] = []
        self._sent = time.monotonic()

    def describe(self, run: RunFacts) -> None:
        """Log parameters. MLflow lets none be changed: what differs from before becomes a tag,
        ``now.NAME``."""
        from mlflow.entities import Param, RunTag

        there = self._client.get_run(self.name).data.params
        said = content.parameters(run)
        new = iter([Param(name, text) for name, text in said.items() if name not in there])
        while some := list(islice(new, _MOST_PARAMETERS)):
            self._client.log_batch(self.name, params=some)
        other = [name for name, text in said.items() if there.get(name, text) != text]
        if other:
            tags = [RunTag(f"now.{name}", said[name]) for name in other]
            self._client.log_batch(self.name, tags=tags)

    def clip(self, done: ClipDone) -> None:
        """Log the scores of a clip; its number is the step."""
        self._add(content.clip_numbers(done), done.number)
        late = time.monotonic() - self._sent > _SECONDS
        if late or len(self._waiting) >= _MOST_METRICS:
            self._send()

    def end(self, done: RunDone) -> None:
        """Log means, the table of scores and files."""
        self._send()
        if done.state == "finished":
            self.describe(done.run)
            self._add(content.numbers(done), 0)
            self._send()
            rows = content.scores(done)
            if len(rows):
                self._client.log_text(self.name, rows.to_csv(index=False), "scores.csv")
            for path in done.files:
                self._client.log_artifact(self.name, str(path))
        self._client.set_terminated(self.name, _STATES[done.state])

    def _add(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(name, value, now, step) for name, value in values.items()]

    def _send(self) -> None:
        while some := self._waiting[:_MOST_METRICS]:
            del self._waiting[:_MOST_METRICS]
            self._client.log_batch(self.name, metrics=some)
        self._sent = time.monotonic()
