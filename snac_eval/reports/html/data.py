"""The scores of single clips as the page's script reads them: once, in one block of JSON.

Numbers are little-endian arrays in base64: one of float32 for each run and metric, in the order of
the dataset's clips, NaN where there is no value. Why there is none stands in a table of reasons, to
which an array of uint16 points (0: there is a value, or the clip was never scored).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from snac_eval.reports.html.groups import Group, Shown, clip_metrics, heading
from snac_eval.reports.html.sound import (
    DIFFERENCE_COLOURS,
    DIFFERENCE_RANGE_DB,
    LEVEL_COLOURS,
    SPECTROGRAM_RANGE_DB,
)
from snac_eval.results.ranking import worst_clips
from snac_eval.results.record import MetricResult, RunClip, first_info
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_MOST_REASONS = 65_000
_COLOUR_STEPS = 64
MOST_VALUES = 2_000_000
"""So many numbers a page holds: eleven megabytes."""
_LARGEST = 3e38
"""No more fits a float32."""


def page_data(groups: Sequence[Group], main: str) -> Markup:
    """JSON that may stand in a ``<script>``; ``main`` is the metric that is picked at first."""
    shown = [one for group in groups for one in group.shown]
    runs = [one.run for one in shown]
    names = clip_metrics(runs)
    reasons = _Reasons()
    content = {
        "codecs": list(_codecs(shown)),
        "metrics": [_metric(first_info(runs, name)) for name in names],
        "main": main,
        "datasets": [_dataset(group, names, reasons, most_clips(groups)) for group in groups],
        "reasons": reasons.known,
    }
    return in_script(content | colour_scales())


def colour_scales() -> dict[str, Any]:
    """What players draw spectrograms with."""
    return {
        "colours": {"level": _colours(LEVEL_COLOURS), "difference": _colours(DIFFERENCE_COLOURS)},
        "levelDb": SPECTROGRAM_RANGE_DB,
        "differenceDb": DIFFERENCE_RANGE_DB,
    }


def in_script(content: Mapping[str, Any]) -> Markup:
    """JSON that may stand in a ``<script>``."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character, escaped in _UNSAFE.items():
        text = text.replace(character, escaped)
    return Markup(text)


def most_clips(groups: Sequence[Group]) -> int:
    """How many clips of each dataset a page lists at most; of more it lists the worst."""
    runs = [run for group in groups for run in group.runs]
    return max(1, MOST_VALUES // (len(runs) * max(1, len(clip_metrics(runs)))))


def _codecs(shown: Sequence[Shown]) -> Iterable[dict[str, Any]]:
    for one in {one.letter: one for one in shown}.values():
        yield {"letter": one.letter, "name": one.run.name, "colour": one.colour}


def _metric(info: MetricInfo) -> dict[str, Any]:
    better = {True: 1, False: -1, None: 0}[info.higher_is_better]
    return {
        "name": info.name,
        "heading": heading(info),
        "about": info.description,
        "better": better,
        "quality": info.is_quality,
    }


def _colours(name: str) -> list[str]:
    """A scale of colours in steps, as six hex digits each."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    steps = np.linspace(0, 1, _COLOUR_STEPS)
    return [to_hex(colour).removeprefix("#") for colour in colormaps[name](steps)]


class _Reasons:
    """Every reason once."""

    def __init__(self) -> None:
        self.known: list[tuple[str, str]] = []
        self._places: dict[tuple[str, str], int] = {}

    def place(self, status: str, reason: str) -> int:
        """Counts from 1. What exceeds the table's bound is kept without its reason."""
        if len(self.known) > _MOST_REASONS:
            reason = "see scores.parquet"
        found = self._places.setdefault((status, reason), len(self.known) + 1)
        if found > len(self.known):
            self.known.append((status, reason))
        return found


def _dataset(group: Group, names: Sequence[str], reasons: _Reasons, most: int) -> dict[str, Any]:
    clips = _clips(group)[:most]
    places = {clip: place for place, clip in enumerate(clips)}
    facts = [_facts(group, clip) for clip in clips]
    speakers = {name: place for place, name in enumerate(sorted({one.speaker for one in facts}))}
    domains = {name: place for place, name in enumerate(sorted({one.domain for one in facts}))}
    return {
        "name": group.dataset,
        "key": group.key,
        "ids": clips,
        "speakers": list(speakers),
        "speaker": _packed([speakers[one.speaker] for one in facts], "<u4"),
        "domains": list(domains),
        "domain": _packed([domains[one.domain] for one in facts], "<u4"),
        "seconds": _packed([one.duration_s for one in facts], "<f4"),
        "runs": [_run(one, names, places, reasons) for one in group.shown],
    }


def _clips(group: Group) -> list[str]:
    """Every clip of the dataset: those with a value worst first, then those without any."""
    worst = worst_clips(group.runs)
    every = dict.fromkeys(clip for run in group.runs for clip in run.clips)
    return list(dict.fromkeys([*worst, *every]))


def _facts(group: Group, clip: str) -> RunClip:
    found = (run.clips[clip] for run in group.runs if clip in run.clips)
    return next(found, RunClip(""))


def _run(
    one: Shown, names: Sequence[str], places: Mapping[str, int], reasons: _Reasons
) -> dict[str, Any]:
    known = {name: one.run.metrics[name] for name in names if name in one.run.metrics}
    values = {
        str(names.index(name)): _values(result.values, places)
        for name, result in known.items()
        if result.values
    }
    missing = {
        str(names.index(name)): _missing(result, places, reasons)
        for name, result in known.items()
        if result.missing
    }
    weights = {
        str(names.index(name)): _values(result.weights, places)
        for name, result in known.items()
        if result.weights
    }
    return {"codec": one.letter, "values": values, "weights": weights, "missing": missing}


def _values(known: Mapping[str, float], places: Mapping[str, int]) -> str:
    column = np.full(len(places), np.nan, dtype="<f4")
    listed = [clip for clip in known if clip in places]
    values = np.array([known[clip] for clip in listed], dtype="f8")
    column[[places[clip] for clip in listed]] = np.clip(values, -_LARGEST, _LARGEST)
    return _encoded(column)


def _missing(result: MetricResult, places: Mapping[str, int], reasons: _Reasons) -> str:
    column = np.zeros(len(places), dtype="<u2")
    for clip, score in result.missing.items():
        if clip not in places:
            continue
        column[places[clip]] = reasons.place(score.status, score.reason)
    return _encoded(column)


def _packed(values: Sequence[float], kind: str) -> str:
    return _encoded(np.array(values, dtype=kind))


def _encoded(column: NDArray[Any]) -> str:
    return base64.b64encode(column.tobytes()).decode("ascii")
