"""What :func:`snac_eval.evaluate` gives: the runs of one codec or of many, to look at and to hear.

Everything that it can do asks the runs' own record, as the command line does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from snac_eval.errors import UsageError
from snac_eval.registry.plugins import unknown_name
from snac_eval.results.frames import streams_frame, summary_frame
from snac_eval.results.record import Run, named_apart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from snac_eval.reports.grid import GridFormat
    from snac_eval.run.plan import Material

_MOST_SOUND_BYTES = 30_000_000


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Runs that have ended, one for each codec and dataset.

    ``runs`` are their records. ``run_dir`` is the folder of the run, or of the study; None where
    nothing is kept. ``problems`` has the pairs that failed, ``MODEL on DATASET`` to the reason. In
    a notebook it shows itself as a table.
    """

    runs: tuple[Run, ...]
    run_dir: Path | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    callback_notes: tuple[str, ...] = ()
    """What callbacks and trackers have raised."""
    objects: Mapping[Path, Material] = field(default_factory=dict, repr=False)
    """By a run's folder, with what codecs that were handed over as objects can be heard again."""

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row for each codec, dataset, clip and metric: what ``scores.parquet`` holds."""
        return _joined(run.rows for run in self.runs)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row for each codec, dataset and metric: what ``summary.csv`` holds."""
        return _joined(map(summary_frame, self.runs))

    @cached_property
    def streams(self) -> pd.DataFrame:
        """One row for each code stream: what ``streams.csv`` holds."""
        return _joined(map(streams_frame, self.runs))

    def table(self, metrics: Sequence[str] = (), style: GridFormat = "md") -> Text:
        """The runs side by side as ``snac-eval table`` prints them: ``md``, ``latex``, ``csv`` or
        ``txt``. Raises UsageError for a metric that no run has."""
        from snac_eval.reports.grid import render
        from snac_eval.reports.paper import paper_grid

        return Text(render(paper_grid(self.runs, metrics), style))

    def compare(self, metrics: Sequence[str] = ()) -> Text:
        """Which codec is better, and whether that is shown: what ``snac-eval compare`` prints.

        Raises UsageError where there are not two runs.
        """
        from snac_eval.reports.verdicts import comparison_markdown
        from snac_eval.results.compare import compare
        from snac_eval.results.tolerances import load_tolerances

        return Text(comparison_markdown(compare(self.runs, load_tolerances(None, ()), metrics)))

    def plot(self, x: str = "", y: Sequence[str] = (), **options: Any) -> Figure:  # noqa: ANN401
        """The figure that ``snac-eval plot`` draws: the metrics ``y`` over ``x``, the bitrate.

        ``y`` empty: the first metrics of quality. ``options`` as in
        :func:`snac_eval.reports.figures.plot`. Raises UsageError for what cannot be drawn.
        """
        from snac_eval.reports.figures import plot

        return plot(self.runs, x, tuple(y), **options)

    def listen(self, clip: str | None = None) -> Sound:
        """Players of a clip, the reference first; without a name the clip that fared worst.

        Raises UsageError for a clip that there is not.
        """
        from snac_eval.reports.html.playback import play
        from snac_eval.reports.html.sound import fit
        from snac_eval.results.ranking import worst_clips

        known = dict.fromkeys(name for run in self.runs for name in run.clips)
        name = clip if clip is not None else next(iter(worst_clips(self.runs)), "")
        if name not in known:
            raise UsageError(unknown_name(name, list(known), "clip", ""))
        having = named_apart([run for run in self.runs if name in run.clips])
        clips, notes = play({0: having}, {0: [name]}, self.objects)
        (playable,) = fit(clips[0], _MOST_SOUND_BYTES)
        said = [*notes, *(f"{run}: {why}" for run, why in playable.problems.items())]
        return Sound(name, {one.label or "reference": one.sound for one in playable.versions}, said)

    def _repr_html_(self) -> str:
        from snac_eval.reports.compact import compact_html

        failed = (
            f"<p>{escape(name)} failed: {escape(why)}</p>" for name, why in self.problems.items()
        )
        return compact_html(self.runs) + "".join(failed) if self.runs else "".join(failed)

    def __repr__(self) -> str:
        pairs = ", ".join(f"{run.codec} on {run.dataset}" for run in self.runs)
        return f"<Evaluation of {pairs or 'nothing'}; {len(self.problems)} failed>"


class Text(str):
    """A text that a notebook shows as the Markdown that it is."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Sound:
    """One clip in several versions, each a data URI; a notebook shows players."""

    clip: str
    """Its id."""
    versions: Mapping[str, str]
    """By what each is called, a data URI of WAV or Opus; the clip itself is ``reference``."""
    notes: Sequence[str] = ()
    """What could not be played, and why."""

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><td>{escape(name)}</td><td><audio controls src='{escape(uri)}'></audio></td></tr>"
            for name, uri in self.versions.items()
        )
        notes = (f"<p>{escape(note)}</p>" for note in self.notes)
        return (
            f"<table><caption>{escape(self.clip)}</caption>{''.join(rows)}</table>{''.join(notes)}"
        )


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    found = list(frames)
    filled = [frame for frame in found if not frame.empty]
    return pd.concat(filled, ignore_index=True) if filled else found[0] if found else pd.DataFrame()
