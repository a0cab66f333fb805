"""The smallest tracker: a file with a line of JSON for each run that ended."""

from __future__ import annotations

import json
from pathlib import Path

from snac_eval.types import ClipDone, RunDone


class Lines:
    """A line of JSON for each run: tiny_lines:FILE."""

    def __init__(self, file: str = "") -> None:
        self._file = Path(file or "runs.jsonl")

    def on_clip(self, done: ClipDone) -> None:
        """Nothing: a run is logged when all of it is there."""

    def on_run(self, done: RunDone) -> None:
        """One line, with the means of those metrics that have one."""
        if done.state != "finished":
            return
        means = {one.metric: one.value for one in done.means if one.n_ok and not one.domain}
        line = json.dumps({"codec": done.run.codec, "dataset": done.run.dataset, "means": means})
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
