"""The runs of a page: a letter and a colour for each codec, and a group for each dataset.

A codec has the same letter and colour wherever the page shows it, whatever the dataset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from snac_eval.reports.text import metric_title
from snac_eval.results.ranking import quality_metrics
from snac_eval.results.record import Run, first_info, metric_names
from snac_eval.types import MetricInfo

_HEARD = "MOS"
"""The unit of metrics that estimate what listeners would say."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One run of the page."""

    run: Run
    letter: str
    """Marks its codec in plots and players; A is the reference."""
    colour: int
    """Its codec's; counts from 0."""

    @property
    def name(self) -> str:
        """The run as tables call it."""
        return f"{self.letter} · {self.run.name}"


@dataclass(frozen=True, slots=True)
class Group:
    """The runs of one dataset, which are compared with one another and with no others."""

    index: int
    dataset: str
    shown: tuple[Shown, ...]

    @property
    def runs(self) -> list[Run]:
        """The runs, in the page's order."""
        return [one.run for one in self.shown]

    @property
    def key(self) -> str:
        """Begins every id of the group in the page."""
        return f"d{self.index}"

    @property
    def num_clips(self) -> int:
        """How many clips any run has a score of."""
        return len({clip for run in self.runs for clip in run.compact["clip_id"].unique()})

    @property
    def num_speakers(self) -> int:
        """How many speakers are known; 0: none is."""
        clips = (clip for run in self.runs for clip in run.clips.values())
        return len({clip.speaker for clip in clips if clip.speaker})


def show(runs: Sequence[Run]) -> list[Shown]:
    """The runs with a letter and a colour each; those of one name share them."""
    places = {name: place for place, name in enumerate(dict.fromkeys(run.name for run in runs))}
    return [Shown(run, letter(places[run.name] + 1), places[run.name]) for run in runs]


def letter(index: int) -> str:
    """0 is A, 25 is Z, 26 is AA."""
    return (letter(index // 26 - 1) if index > 25 else "") + chr(ord("A") + index % 26)


def by_dataset(shown: Sequence[Shown]) -> list[Group]:
    """The runs of each dataset, in the order in which datasets first occur."""
    datasets = dict.fromkeys(one.run.dataset for one in shown)
    return [
        Group(index, dataset, tuple(one for one in shown if one.run.dataset == dataset))
        for index, dataset in enumerate(datasets)
    ]


def clip_metrics(runs: Sequence[Run]) -> list[str]:
    """Metrics with a score per clip: quality first, of it what listeners would say first."""
    judging = set(quality_metrics(runs))
    kept = [name for name in metric_names(*runs) if first_info(runs, name).kind != "corpus"]
    return sorted(kept, key=lambda name: _place(runs, name, name in judging))


def main_metric(runs: Sequence[Run]) -> str:
    """The metric that the page shows large: the first of :func:`clip_metrics` that every run has
    values of, else that any has; empty where there is none."""
    names = clip_metrics(runs)
    having = {
        name: sum(name in run.metrics and bool(run.metrics[name].values) for run in runs)
        for name in names
    }
    most = max(having.values(), default=0)
    return next((name for name in names if having[name] == most > 0), "")


def heading(info: MetricInfo) -> str:
    """The metric as papers print it, with its unit and an arrow towards better."""
    return replace(info, name=metric_title(info)).heading


def _place(runs: Sequence[Run], metric: str, judging: bool) -> int:
    info = first_info(runs, metric)
    if judging:
        return 0 if info.unit == _HEARD else 1
    return 2 if info.name == "bitrate" else 3 if info.speed else 4
