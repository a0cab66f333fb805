"""Two files or two folders, scored as a run scores what another program made (``files:DIR``).

The pairs are linked into a folder of their own and run from there, so that processes, time limits
and reasons are a run's; nothing is kept.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from snac_eval.audio import AUDIO_SUFFIXES
from snac_eval.errors import UndefinedMetrics, UsageError, readable
from snac_eval.files.places import Inputs, audio_inputs
from snac_eval.locations import Url
from snac_eval.machine import num_cores
from snac_eval.metrics.opening import require_metric
from snac_eval.reading.names import composed
from snac_eval.registry import plugins
from snac_eval.results.left_out import LeftOut, left_out, refuse_undefined
from snac_eval.results.record import MetricResult, Run, read_run
from snac_eval.run.config import RunConfig
from snac_eval.run.loop import run
from snac_eval.run.metric_sets import DEFAULT
from snac_eval.types import Clip, Domain, MetricInfo, Score

_LONGEST_S = 1e9


@dataclass(frozen=True, slots=True)
class Pair:
    """A file and what another program made of it."""

    name: str
    """The reference's path below its folder, without a suffix that says only that it is audio."""
    reference: Clip
    estimate: Clip


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which files belong together, and which have no counterpart."""

    pairs: tuple[Pair, ...]
    lonely_references: tuple[str, ...] = ()
    lonely_estimates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """What came of the pairs."""

    pairing: Pairing
    infos: Mapping[str, MetricInfo]
    """What the metrics' numbers mean, in the order in which they are shown."""
    scores: Mapping[str, Mapping[str, Score]]
    """By metric, then by the pair's name."""
    whole: Mapping[str, Score]
    """By metric the score of all pairs together, of metrics that have no other."""
    left_out: tuple[LeftOut, ...]
    """Default metrics that no pair was asked, and why."""
    refused: str
    """That a metric was named which is undefined on every pair; empty where none is."""
    domains: Mapping[str, str]
    """By the pair's name."""

    @property
    def num_failed(self) -> int:
        """Pairs of which a metric failed."""
        failed = {
            name
            for by_pair in self.scores.values()
            for name, score in by_pair.items()
            if score.status == "error"
        }
        return len(failed)


def pair_up(reference: str, estimate: str) -> Pairing:
    """Two files as one pair; or of two folders the files of one relative path, whatever their
    suffixes, and of what is left those whose stem is in either folder only once.

    Raises UsageError for a file against a folder, and where nothing belongs together.
    """
    sides = audio_inputs([reference]), audio_inputs([estimate])
    folders = [os.path.isdir(side) for side in (reference, estimate)]
    if folders[0] != folders[1]:
        raise UsageError(
            f"{readable(reference)} and {readable(estimate)}: one is a folder and the other a file;"
            " give two files or two folders"
        )
    if any(isinstance(one.path, Url) for side in sides for one in side.clips):
        raise UsageError("score takes files and folders of this machine; fetch them first")
    notes = (*sides[0].notes, *sides[1].notes)
    if not folders[0]:
        (first,), (second,) = sides[0].clips, sides[1].clips
        return Pairing((Pair(readable(_stem(first)), first, second),), notes=notes)
    return _paired(*sides, notes)


def _paired(references: Inputs, estimates: Inputs, notes: tuple[str, ...]) -> Pairing:
    found: dict[str, Clip] = {}
    left = list(estimates.clips)
    for key in (_exact, _stem, _name):
        waiting = [one for one in references.clips if one.relative_path not in found]
        by_key = _unique(left, key)
        for name, one in _unique(waiting, key).items():
            if name in by_key:
                found[one.relative_path] = by_key[name]
        taken = {one.relative_path for one in found.values()}
        left = [one for one in estimates.clips if one.relative_path not in taken]
    lonely = [one for one in references.clips if one.relative_path not in found]
    if not found:
        raise UsageError(
            f"no file of {len(references.clips)} references has a counterpart among"
            f" {len(estimates.clips)} estimates: neither a relative path nor a stem is the same,"
            f" such as {readable(lonely[0].relative_path)} and {readable(left[0].relative_path)}"
        )
    clips = [one for one in references.clips if one.relative_path in found]
    names = _unique(clips, _stem)
    return Pairing(
        tuple(
            Pair(
                readable(_stem(one) if _stem(one) in names else one.relative_path),
                one,
                found[one.relative_path],
            )
            for one in clips
        ),
        tuple(one.relative_path for one in lonely),
        tuple(one.relative_path for one in left),
        notes,
    )


def _exact(clip: Clip) -> str:
    return composed(clip.relative_path)


def _stem(clip: Clip) -> str:
    path = PurePosixPath(composed(clip.relative_path))
    return str(path.with_suffix("")) if path.suffix.lower() in AUDIO_SUFFIXES else str(path)


def _name(clip: Clip) -> str:
    return PurePosixPath(_stem(clip)).name


def _unique(clips: Sequence[Clip], key: Callable[[Clip], str]) -> dict[str, Clip]:
    """The clips by key, less those that share one."""
    groups: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[key(clip)].append(clip)
    return {name: group[0] for name, group in groups.items() if len(group) == 1}


def score(
    pairing: Pairing,
    metrics: Sequence[str] = (),
    domain: Domain | Literal[""] = "",
    show_progress: bool = False,
    workers: int = -1,
) -> Scores:
    """Score every pair. ``metrics`` empty: the default set of what the files are.

    ``domain`` says what they are; empty: what the reference's top folder says, if it is called
    speech, music or general, else general. ``workers`` as in a run. Raises UsageError for a metric
    that needs codes.
    """
    for name in metrics:
        if name != DEFAULT and not _hears(require_metric(name).info):
            raise UsageError(f"metric '{name}' needs a codec's codes, and here is only audio")
    with tempfile.TemporaryDirectory(prefix="snac-eval-") as folder:
        root = Path(folder)
        places = [_linked(root, index, pair, domain) for index, pair in enumerate(pairing.pairs)]
        config = RunConfig(
            model=f"files:{root / 'estimates'}",
            dataset=f"folder:{root / 'references'}",
            output=root / "run",
            metrics=tuple(metrics),
            workers=min(num_cores() if workers < 0 else workers, len(places)),
            max_duration_s=_LONGEST_S,
            show_progress=show_progress,
            html=False,
        )
        run(config)
        return _scores(pairing, read_run(config.output), places)


@dataclass(frozen=True, slots=True)
class _Link:
    """Where a pair is linked to, and which clip of the run it is."""

    clip: str
    reference: Path
    estimate: Path


def _linked(root: Path, index: int, pair: Pair, domain: str) -> _Link:
    clip = f"{domain or pair.reference.domain}/{index:07d}"
    places = []
    for side, one in (("references", pair.reference), ("estimates", pair.estimate)):
        place = root / side / f"{clip}.wav"  # what a file holds decides how it is read
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.abspath(str(one.path)))
        places.append(place)
    return _Link(clip, *places)


def _scores(pairing: Pairing, record: Run, places: Sequence[_Link]) -> Scores:
    shown = {name: one for name, one in record.metrics.items() if _hears(one.info)}
    return Scores(
        pairing=pairing,
        infos={name: one.info for name, one in shown.items()},
        scores={
            name: dict(_by_pair(pairing, places, one))
            for name, one in shown.items()
            if one.whole is None
        },
        whole={name: one.whole for name, one in shown.items() if one.whole is not None},
        left_out=tuple(_left_out(record)),
        refused=_refused(record),
        domains={
            pair.name: link.clip.partition("/")[0]
            for pair, link in zip(pairing.pairs, places, strict=True)
        },
    )


def _by_pair(
    pairing: Pairing, places: Sequence[_Link], result: MetricResult
) -> Iterator[tuple[str, Score]]:
    for pair, link in zip(pairing.pairs, places, strict=True):
        if link.clip in result.values:
            weight = result.weights.get(link.clip, 1.0)
            yield pair.name, Score(result.values[link.clip], weight=weight)
        elif link.clip in result.missing:
            one = result.missing[link.clip]
            reason = one.reason.replace("the codec behind the file", "the estimate")
            for place, real in ((link.reference, pair.reference), (link.estimate, pair.estimate)):
                reason = reason.replace(str(place), readable(real.path))
            yield pair.name, replace(one, reason=reason.replace(link.clip, pair.name))


def _left_out(record: Run) -> Iterator[LeftOut]:
    """Metrics of the default set that hear audio and were asked no pair."""
    for group in left_out(record):
        names = [name for name in group.metrics if name not in record.metrics]
        if heard := tuple(name for name in names if _hears(plugins.metric(name).info)):
            yield LeftOut(heard, group.reason)


def _refused(record: Run) -> str:
    try:
        refuse_undefined(record)
    except UndefinedMetrics as error:
        return str(error)
    return ""


def _hears(info: MetricInfo) -> bool:
    """Whether a metric scores audio, and neither codes nor a codec."""
    return info.kind == "audio" or (info.kind == "corpus" and info.corpus_of == "audio")
