"""trackio: runs in its local database, or where ``TRACKIO_SERVER_URL`` or ``TRACKIO_SPACE_ID``
says."""

from __future__ import annotations

import io
import os
import uuid
from contextlib import redirect_stdout
from typing import Any

from snac_eval.trackers import content
from snac_eval.trackers.base import Tracker
from snac_eval.types import ClipDone, RunDone, RunFacts


class TrackioTracker(Tracker):
    """trackio: trackio:PROJECT, by default TRACKIO_PROJECT, else snac-eval.

    A process has one run of trackio open at a time: one of the caller's own is finished.
    """

    def __init__(self, project: str = "") -> None:
        import trackio

        self._project = project or os.environ.get("TRACKIO_PROJECT") or content.PROJECT
        trackio.SQLiteStorage.validate_project_name(self._project)
        super().__init__(f"trackio {self._project}")

    def begin(self, run: RunFacts, name: str) -> _OpenRun:
        """Open a run, that of this name where it is not empty and there is one."""
        import trackio

        name = name or f"{content.title(run)} {uuid.uuid4().hex[:6]}"
        with redirect_stdout(io.StringIO()):
            opened = trackio.init(
                self._project,
                name=name,
                resume="allow",
                config=content.parameters(run),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return _OpenRun(opened, name)


class _OpenRun:
    def __init__(self, run: Any, name: str) -> None:  # noqa: ANN401 - trackio's
        self.name = name
        self._run = run

    def clip(self, done: ClipDone) -> None:
        """Log the scores of a clip; its number is the step."""
        if values := content.clip_numbers(done):
            self._run.log(values, step=done.number)

    def end(self, done: RunDone) -> None:
        """Log means, the table of scores and files."""
        import trackio

        with redirect_stdout(io.StringIO()):
            if done.state == "finished":
                values: dict[str, Any] = dict(content.numbers(done))
                rows = content.scores(done)
                if len(rows):
                    table = rows.astype(object).where(rows.notna(), None)
                    values["scores"] = trackio.Table(dataframe=table)
                self._run.log(values, step=0)
                self._log_files(done)
            trackio.finish()

    def _log_files(self, done: RunDone) -> None:
        import trackio

        files = trackio.Artifact(name=f"run-{done.run.run_id}", type="evaluation")
        for path in done.files:
            files.add_file(path)
        self._run.log_artifact(files)
