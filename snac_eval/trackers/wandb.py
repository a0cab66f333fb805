"""Weights & Biases: a run of ours is a run there, whose summary has the means."""

from __future__ import annotations

import math
import os
import uuid
from typing import Any

from snac_eval.errors import UsageError
from snac_eval.trackers import content
from snac_eval.trackers.base import Tracker
from snac_eval.types import ClipDone, RunDone, RunFacts

_CODES = {"finished": 0, "interrupted": 1}


class WandbTracker(Tracker):
    """Weights & Biases: wandb:[ENTITY/]PROJECT, by default WANDB_PROJECT, else snac-eval.

    ``WANDB_MODE=offline`` writes below ``wandb/``, for ``wandb sync``. Raises UsageError where
    nobody is logged in.
    """

    def __init__(self, project: str = "") -> None:
        import wandb

        entity, _, name = project.rpartition("/")
        self._entity = entity or None
        self._project = name or os.environ.get("WANDB_PROJECT") or content.PROJECT
        super().__init__(f"wandb {entity}/{self._project}".replace(" /", " "))
        mode = os.environ.get("WANDB_MODE") or wandb.setup().settings.mode
        if mode in ("online", "shared") and not wandb.login(prompt=False, verify=False):
            raise UsageError(
                "tracker 'wandb': nobody is logged in; run wandb login, or set WANDB_API_KEY, or"
                " WANDB_MODE=offline"
            )

    def begin(self, run: RunFacts, name: str) -> _OpenRun:
        """Open a run, that of this name where it is not empty and there is one."""
        import wandb

        settings = wandb.Settings(
            silent=True, console="off", disable_git=True, save_code=False, x_disable_meta=True
        )
        opened = wandb.init(
            project=self._project,
            entity=self._entity,
            id=name or uuid.uuid4().hex[:12],
            name=content.title(run),
            resume="allow",
            reinit="create_new",
            config=content.parameters(run),
            allow_val_change=True,
            settings=settings,
        )
        return _OpenRun(opened)


class _OpenRun:
    def __init__(self, run: Any) -> None:  # noqa: ANN401 - wandb's
        self.name = str(run.id)
        self._run = run
        # Steps of W&B cannot go back, and clips come as they are done.
        run.define_metric("clip/number")
        run.define_metric("clip/*", step_metric="clip/number")

    def clip(self, done: ClipDone) -> None:
        """Log the scores of a clip over its number."""
        if values := content.clip_numbers(done):
            self._run.log({"clip/number": done.number, **values})

    def end(self, done: RunDone) -> None:
        """Log means, the table of scores and files."""
        import wandb

        if done.state == "finished":
            self._run.config.update(content.parameters(done.run), allow_val_change=True)
            self._run.summary.update(content.numbers(done))
            rows = content.scores(done)
            if len(rows):
                data: list[Any] = [
                    [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in row]
                    for row in rows.itertuples(index=False)
                ]
                self._run.log({"scores": wandb.Table(columns=list(content.COLUMNS), data=data)})
            files = wandb.Artifact(f"run-{self.name}", "evaluation")
            for path in done.files:
                files.add_file(str(path))
            self._run.log_artifact(files)
        self._run.finish(exit_code=_CODES[done.state])
