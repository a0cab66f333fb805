"""What somebody who follows a run is told of it: :class:`Callback`, and the shapes that it gets.

A callback begins with the first clip that it hears of, and everything that it could want to know
then is in :class:`RunFacts`; it ends with :meth:`Callback.on_run`, which comes after an interrupted
run too. So there is nothing to start, and nothing to close.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from snac_eval.types.clips import Clip
from snac_eval.types.scores import Score

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Which run it is."""

    run_id: str
    """Twelve hex digits that name what is measured: the same again has them again."""
    codec: str
    """What reports call the codec."""
    dataset: str
    """What reports call the dataset."""
    folder: Path
    """What tells runs apart: where the run lies, and is continued."""
    manifest: Mapping[str, Any]
    """``manifest.json`` as it is now: configuration, versions, hardware, what metrics mean."""


@dataclass(frozen=True, slots=True)
class ClipDone:
    """A clip that was computed just now, and is stored."""

    run: RunFacts
    """Whose clip it is."""
    number: int
    """The clip's place in the run, from 0; clips come as they are done, not in this order."""
    clip: Clip
    """What the dataset says of it."""
    scores: Mapping[str, Score]
    """By metric those that were made now: each that the clip lacked."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A metric over all clips of a run, or over those of a domain."""

    metric: str
    """Its name."""
    domain: str
    """``speech``; empty for all clips."""
    value: float
    """NaN without a clip that has a score."""
    ci_low: float
    """Lower end of the 95 % interval; NaN for a metric of all clips together."""
    ci_high: float
    """Its upper end."""
    n_ok: int
    """Clips that have a score."""
    n_undefined: int
    """Clips of which the metric has no value."""
    n_error: int
    """Clips that failed."""


class RunRecord(Protocol):
    """The parts of :class:`snac_eval.results.record.Run`, which it is, that this module can say."""

    @property
    def finished(self) -> bool:
        """False for an interrupted run, and for a shard."""

    @property
    def title(self) -> str:
        """The name that a paper prints for the codec."""

    @property
    def rows(self) -> pd.DataFrame:
        """The whole ``scores.parquet``: a row for each clip and metric."""


@dataclass(frozen=True, slots=True)
class RunDone:
    """A run that came to its end, or was interrupted: every clip that it has, whenever computed."""

    run: RunFacts
    """Which run it is."""
    state: Literal["finished", "interrupted"]
    """How it ended."""
    means: tuple[Mean, ...]
    """Of all clips; where they are of several domains, also of each."""
    files: tuple[Path, ...]
    """What the run's folder has for readers: tables, scores, and the page where there is one."""
    record: RunRecord
    """The run as every report reads it: a :class:`snac_eval.results.record.Run`."""


class Callback(Protocol):
    """Follows runs, in the process that was asked for them.

    One that raises loses no run: the error is a note of the run, its traceback stands in the run's
    ``log.txt``, and it hears of no further clip of this run. ``on_run`` is called all the same.
    """

    def on_clip(self, done: ClipDone) -> None:
        """A clip was computed. The run waits meanwhile, its workers do not."""

    def on_run(self, done: RunDone) -> None:
        """A run has ended. It is called each time, for a run that had nothing left to do as well:
        whoever keeps things looks whether it has them."""
