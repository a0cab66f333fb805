"""Which clips of two runs are comparable, and which a run lost. Every reader asks here.

Comparable is the same id with the same audio, the same metric by fingerprint, and speeds of the
same machine. A clip is **lost** by a run that has no score of it where another run has one, or that
failed on it where another did not: it crashed, answered with silence, or never saw the clip. Means
over what is left are means of unlike sets, so where a run lost clips nobody gives a verdict.

A metric without meaning for a clip (a silent reference) is undefined in every run, for the audio is
the same: that is no loss. A metric that has no value on any clip of a run, and is undefined on
some, does not apply to its codec: that is no loss either, for there is nothing to compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from weakref import WeakKeyDictionary

from snac_eval.results.record import DECLARED_BITS, MetricResult, Run
from snac_eval.results.stats import mean_of
from snac_eval.types import Fingerprint


@dataclass(frozen=True, slots=True)
class Loss:
    """The clips that one run lost by one metric, of those that another run has a score of."""

    run: str
    """The run's name."""
    count: int
    """How many clips it lost."""
    absent: int
    """How many of these were not scored at all: not chosen, or not yet reached."""
    total: int
    """How many clips some run has a score of, or failed on."""
    reason: str
    """Why it has no score of the first of them."""

    def __str__(self) -> str:
        return f"{self.run} lost {self.count} of {self.total} clips ({self.reason})"


@dataclass(frozen=True, slots=True)
class Shared:
    """The clips on which runs are comparable by one or more metrics."""

    clips: tuple[str, ...] = ()
    """Scored ok by every run and metric, in the order of the first run."""
    speakers: tuple[str, ...] = ()
    """One a clip."""
    problem: str = ""
    """Why nothing can be compared; there are no clips then."""
    lost: tuple[Loss, ...] = ()
    """What runs lost: where there is any, means may be shown and nothing may be concluded."""

    def values(self, run: Run, metric: str) -> list[float]:
        """The run's scores on these clips, in their order."""
        return [run.metrics[metric].values[clip] for clip in self.clips]

    def weights(self, run: Run, metric: str) -> list[float]:
        """How much each of these clips counts in it; empty where all count alike."""
        return run.metrics[metric].weights_of(self.clips)

    def mean(self, run: Run, metric: str) -> float:
        """Mean of :meth:`values` by :meth:`weights`."""
        return mean_of(self.values(run, metric), self.weights(run, metric))


@dataclass(frozen=True, slots=True)
class Pairs:
    """One metric of two runs, on the clips that are scored ok in both."""

    clips: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    first: tuple[float, ...] = ()
    second: tuple[float, ...] = ()
    weights: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    """How much each clip counts in the first and in the second; empty where all count alike."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many clips of either run are not among them, by reason."""
    problem: str = ""
    """Why the two cannot be compared; there are no values then."""
    lost: tuple[Loss, ...] = ()
    """What either lost: where there is any, nothing may be concluded."""


def pair(first: Run, second: Run, metric: str) -> Pairs:
    """Scores of this metric on the clips that both runs scored."""
    if problem := _problem(first, second, metric):
        return Pairs(problem=problem)
    mine, theirs = first.metrics[metric].values, second.metrics[metric].values
    clips = tuple(clip for clip in mine if clip in theirs)
    left_out, lost = _left_out(first, second, metric), losses((first, second), metric)
    if not clips:
        return Pairs(left_out=left_out, problem="no clip was scored in both", lost=lost)
    return Pairs(
        clips=clips,
        speakers=tuple(map(first.speaker, clips)),
        first=tuple(mine[clip] for clip in clips),
        second=tuple(theirs[clip] for clip in clips),
        weights=(
            tuple(first.metrics[metric].weights_of(clips)),
            tuple(second.metrics[metric].weights_of(clips)),
        ),
        left_out=left_out,
        lost=lost,
    )


def shared(runs: Sequence[Run], *metrics: str) -> Shared:
    """The clips that all these runs scored by all these metrics; or which two differ, and how."""
    for first, second in combinations(runs, 2):
        for metric in metrics:
            if problem := _problem(first, second, metric):
                return Shared(problem=f"{first.name} and {second.name}: {problem}")
    for run in runs:
        if absent := [metric for metric in metrics if metric not in run.metrics]:
            return Shared(problem=f"{absent[0]} was not measured in {run.name}")
    lost = tuple(dict.fromkeys(loss for metric in metrics for loss in losses(runs, metric)))
    scored = [run.metrics[metric].values for run in runs for metric in metrics]
    clips = tuple(clip for clip in scored[0] if all(clip in one for one in scored[1:]))
    if not clips:
        return Shared(problem="no clip was scored by all", lost=lost)
    return Shared(clips, tuple(map(runs[0].speaker, clips)), lost=lost)


def have_clips_in_common(first: Run, second: Run) -> bool:
    """Whether two runs share clips, each the same audio in both."""
    return not _clips_problem(first, second)


def losses(runs: Sequence[Run], metric: str) -> tuple[Loss, ...]:
    """What each of these runs lost by this metric; empty where the runs are not comparable.

    Runs that did not measure it, or to which it does not apply, are left out.
    """
    having = [run for run in runs if metric in run.metrics and _applies(run.metrics[metric])]
    if any(_problem(first, second, metric) for first, second in combinations(having, 2)):
        return ()
    results = [run.metrics[metric] for run in having]
    clips = dict.fromkeys(clip for one in results for clip in (*one.values, *one.missing))
    lost: dict[int, list[str]] = {index: [] for index in range(len(having))}
    total = 0
    for clip in clips:
        states = [_state(result, clip) for result in results]
        if "absent" in states and _are_benches(having):
            continue
        total += any(state in ("ok", "error") for state in states)
        for index, state in enumerate(states):
            if _is_lost(state, states):
                lost[index].append(clip)
    return tuple(_loss(having[i], metric, found, total) for i, found in lost.items() if found)


def lost_by_metric(runs: Sequence[Run], metrics: Iterable[str]) -> dict[Loss, list[str]]:
    """Every loss of these runs, with the metrics that share it."""
    found: dict[Loss, list[str]] = {}
    for metric in metrics:
        for loss in losses(runs, metric):
            found.setdefault(loss, []).append(metric)
    return found


def _applies(result: MetricResult) -> bool:
    """False where it is undefined wherever it did not fail, and where nothing was scored yet."""
    ok, undefined, failed = result.counts
    return bool(ok or (failed and not undefined))


def _are_benches(runs: Sequence[Run]) -> bool:
    """A bench's clips are its settings, which its user chose: other settings are no loss."""
    return all(run.manifest.get("kind") == "bench" for run in runs)


def _is_lost(state: str, states: Sequence[str]) -> bool:
    """Whether this state of a clip is a loss, beside its states in all runs."""
    if state == "error":
        return any(other != "error" for other in states)
    return state != "ok" and "ok" in states


def _loss(run: Run, metric: str, clips: Sequence[str], total: int) -> Loss:
    result = run.metrics[metric]
    absent = sum(_state(result, clip) == "absent" for clip in clips)
    return Loss(run.name, len(clips), absent, total, _why_lost(run, result, clips[0]))


def _why_lost(run: Run, result: MetricResult, clip: str) -> str:
    if clip in result.missing:
        found = result.missing[clip]
        return f"undefined: {found.reason}" if found.status == "undefined" else found.reason
    if clip not in run.clips:
        return "they are not among its clips"
    return "they are not scored" if run.finished else "it was not finished"


def _problem(first: Run, second: Run, metric: str) -> str:
    """Why this metric of the two cannot be compared; empty where it can."""
    return _clips_problem(first, second) or metric_problem(first, second, metric)


_KNOWN: WeakKeyDictionary[Run, WeakKeyDictionary[Run, str]] = WeakKeyDictionary()
"""What :func:`_compared` found; every metric asks again. Runs that nobody holds are let go."""


def _clips_problem(first: Run, second: Run) -> str:
    known = _KNOWN.setdefault(first, WeakKeyDictionary())
    if second not in known:
        known[second] = _compared(first, second)
    return known[second]


def _compared(first: Run, second: Run) -> str:
    both = [clip for clip in first.clips if clip in second.clips]
    if not both:
        return f"no clip in common ({first.dataset} and {second.dataset})"
    other = [clip for clip in both if first.clips[clip].digest != second.clips[clip].digest]
    if other:
        return f"clip '{other[0]}' is not the same audio in both ({len(other)} such clips)"
    return ""


def metric_problem(first: Run, second: Run, metric: str) -> str:
    """Why this metric of the two, whatever their clips, cannot be compared; empty where it can."""
    found = [run.metrics[metric].info for run in (first, second) if metric in run.metrics]
    if any(info.kind == "corpus" for info in found):
        return "no value per clip"
    for run in (first, second):
        if metric not in run.metrics:
            return f"not measured in {run.name}"
    mine, theirs = found
    if _less_declared(mine.fingerprint) != _less_declared(theirs.fingerprint):
        return f"measured in two ways: {mine.fingerprint.difference(theirs.fingerprint)}"
    if mine.speed and first.place != second.place:
        return f"speeds of two places: {_place_difference(first.place, second.place)}"
    return ""


def _less_declared(fingerprint: Fingerprint) -> list[str]:
    """What a rate is measured by, whoever counted: each run says of itself whether it did."""
    return [part for part in fingerprint.parts if not part.startswith(DECLARED_BITS)]


def _place_difference(first: Mapping[str, object], second: Mapping[str, object]) -> str:
    keys = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    return ", ".join(f"{key} {first.get(key)} against {second.get(key)}" for key in keys)


def _left_out(first: Run, second: Run, metric: str) -> dict[str, int]:
    mine, theirs = first.metrics[metric], second.metrics[metric]
    clips = dict.fromkeys([*mine.values, *mine.missing, *theirs.values, *theirs.missing])
    left = [clip for clip in clips if clip not in mine.values or clip not in theirs.values]
    return dict(Counter(_why_left_out(clip, first, second, metric) for clip in left))


def _why_left_out(clip: str, first: Run, second: Run, metric: str) -> str:
    states = [_state(run.metrics[metric], clip) for run in (first, second)]
    if states[0] == states[1]:
        return f"{states[0]} in both"
    return ", ".join(
        f"{state} in {run.name}"
        for state, run in zip(states, (first, second), strict=True)
        if state != "ok"
    )


def _state(result: MetricResult, clip: str) -> str:
    if clip in result.values:
        return "ok"
    return result.missing[clip].status if clip in result.missing else "absent"
