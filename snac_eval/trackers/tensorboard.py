"""TensorBoard: event files in a folder, read by ``tensorboard --logdir FOLDER``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from snac_eval.reading.names import user_path
from snac_eval.trackers import content
from snac_eval.trackers.base import Tracker
from snac_eval.types import ClipDone, RunDone, RunFacts

_EVENTS = "events.out.tfevents.*"
_END = ".end"
_MOST_LINES = 1000


class TensorboardTracker(Tracker):
    """TensorBoard: tensorboard:DIR, by default the folder tensorboard in the run's own.

    In a ``DIR`` each run has a folder, named by the run's folder and its id.
    """

    def __init__(self, folder: str = "") -> None:
        self._root = user_path(folder) if folder else None
        super().__init__(f"tensorboard {folder}".rstrip())
        importlib.import_module("torch.utils.tensorboard")

    def has(self, name: str) -> bool:
        """Whether a run of this name is still there."""
        return any(Path(name).glob(f"{_EVENTS}{_END}"))

    def begin(self, run: RunFacts, name: str) -> _OpenRun:
        """Open the run's folder; whatever a run that was overwritten has logged there is gone."""
        own = f"{run.folder.resolve().name}-{run.run_id}"
        place = run.folder / "tensorboard" if self._root is None else self._root / own
        if not name:
            _remove(place, _EVENTS)
        return _OpenRun(place)


class _OpenRun:
    def __init__(self, place: Path) -> None:
        self.name = str(place)
        self._place = place
        self._clips = _writer(place, ".clips")

    def clip(self, done: ClipDone) -> None:
        """Log the scores of a clip; its number is the step."""
        for name, value in content.clip_numbers(done).items():
            self._clips.add_scalar(name, value, done.number)

    def end(self, done: RunDone) -> None:
        """Log means, parameters and tables, in a file in place of that of an earlier end."""
        self._clips.close()
        if done.state != "finished":
            return
        _remove(self._place, f"{_EVENTS}{_END}")
        with _writer(self._place, _END) as writer:
            values, said = content.numbers(done), content.parameters(done.run)
            for name, value in values.items():
                writer.add_scalar(name, value, 0)
            writer.add_text("parameters", _table(said), 0)
            for path in done.files:
                if path.suffix == ".md":
                    writer.add_text(path.stem, path.read_text(encoding="utf-8"), 0)
            missing = content.scores(done)
            missing = missing[missing["status"] != "ok"].head(_MOST_LINES)
            if len(missing):
                lines = missing[["clip_id", "metric", "status", "reason"]]
                writer.add_text("without a score", _markdown(lines.to_numpy(), lines.columns), 0)
            _compare(writer, said, values)


def _writer(place: Path, suffix: str) -> Any:  # noqa: ANN401 - torch's, which has no types
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(place), filename_suffix=suffix)


def _compare(writer: Any, said: Mapping[str, str], values: Mapping[str, float]) -> None:  # noqa: ANN401
    """What the page HPARAMS puts side by side."""
    from torch.utils.tensorboard.summary import hparams

    chosen = {name: said[name] for name in ("codec", "dataset", "seed", "device") if name in said}
    means = {name: value for name, value in values.items() if name.startswith("mean/")}
    for summary in hparams(chosen, means):  # type: ignore[no-untyped-call]
        writer.file_writer.add_summary(summary)


def _table(rows: Mapping[str, str]) -> str:
    return _markdown(rows.items(), ("parameter", "value"))


def _markdown(rows: Iterable[Iterable[object]], columns: Iterable[str]) -> str:
    heads = list(columns)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in lines
    )


def _remove(place: Path, pattern: str) -> None:
    for path in place.glob(pattern):
        path.unlink()
