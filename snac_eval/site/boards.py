"""Boards: who stands where on one dataset and one domain, and among whom.

A metric of two runs compares where both scored the very same clips by the same fingerprint. Runs
for which that holds have one :class:`Measure`, M1 for most of them, M2 and so on for others; each
metric has measures of its own. A run that lost clips has a measure for itself, so that one
submission that fails cannot take the ranks from all others. Marks and ranks are those of
:mod:`snac_eval.results.ranking`, and are given within one measure and one band of bitrates.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from snac_eval.reports.html.groups import clip_metrics, main_metric
from snac_eval.results.families import named_by_title
from snac_eval.results.pairing import Shared, losses, metric_problem
from snac_eval.results.ranking import Contest, Mark, contest, mark, quality_metrics, ranks
from snac_eval.results.record import MetricResult, Run, RunClip, first_info, metric_names
from snac_eval.results.stats import MIN_UNITS, Interval, units
from snac_eval.site.bands import BANDS, Band, Rate, rate_of
from snac_eval.types import DOMAINS, MetricInfo

MIN_CODECS = 3
"""The fewest runs of which ranks are given."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Runs whose means by one metric may be compared."""

    name: str
    """M1 for most of the runs."""
    runs: tuple[Run, ...]
    clips: str
    """Digest of their clips, ids and audio."""
    lost: str = ""
    """What its only run lost; empty for runs that lost nothing."""
    other: str = ""
    """What parts it from M1; empty for M1 itself."""

    @property
    def num_clips(self) -> int:
        """How many clips its runs were given."""
        return len(self.runs[0].clips)


@dataclass(frozen=True, slots=True)
class Standing:
    """One metric of one run on a board."""

    result: MetricResult
    mean: float
    interval: Interval | None
    """95 % interval of the mean; None for a score of all clips together."""
    n: int
    """How many clips are behind the mean."""
    measure: Measure
    mark: Mark = ""
    rank: tuple[int, int] | None = None
    """95 % interval of the rank within measure and band, 1 best."""
    unranked: str = ""
    """Why there is no rank; empty where there is one, and for what is not ranked anywhere."""

    @property
    def half_width(self) -> float:
        """Half of the interval's width; NaN without one."""
        return (self.interval.high - self.interval.low) / 2 if self.interval else math.nan


@dataclass(frozen=True, slots=True)
class Row:
    """One run on a board."""

    run: Run
    """Of its clips those of the board's domain; under a name that no other row has."""
    rate: Rate
    standings: Mapping[str, Standing]
    """By metric, where the run has a value."""


@dataclass(frozen=True, slots=True)
class Board:
    """The runs of one dataset and one domain."""

    dataset: str
    domain: str
    infos: Mapping[str, MetricInfo]
    """Of the metrics, quality first; the first is the main one."""
    ranked: tuple[str, ...]
    """Those of the metrics that say how good a codec is."""
    rows: tuple[Row, ...]
    measures: Mapping[str, tuple[Measure, ...]]
    """By metric, those of most runs first."""
    num_tests: Mapping[str, int]
    """By the key of the band, how many tests it took to mark its best."""
    notes: tuple[str, ...] = field(default=())
    """What must be known of single runs: not finished, another answer at the second try."""

    @property
    def title(self) -> str:
        """``librispeech, speech``."""
        return f"{self.dataset}, {self.domain}"

    @property
    def main(self) -> str:
        """The metric that orders rows unless another is picked; empty without a quality metric."""
        return self.ranked[0] if self.ranked else ""

    @property
    def clips(self) -> Mapping[str, RunClip]:
        """Those that most of the runs were given."""
        digests = Counter(clips_digest(row.run) for row in self.rows)
        most = max(digests, key=digests.__getitem__)
        return next(row.run.clips for row in self.rows if clips_digest(row.run) == most)

    @property
    def num_speakers(self) -> int:
        """How many speakers are known; 0: none is."""
        return len({clip.speaker for clip in self.clips.values() if clip.speaker})

    def lost(self) -> Mapping[str, Sequence[str]]:
        """What runs lost, with the metrics that say how good a codec is and share it."""
        found: dict[str, list[str]] = {}
        for name in self.ranked:
            for one in self.measures[name]:
                if one.lost:
                    found.setdefault(one.lost, []).append(name)
        return found

    def bands(self) -> Iterator[tuple[Band, tuple[Row, ...]]]:
        """The bands that have rows, the cheapest first, rows best first by the main metric."""
        for band in BANDS:
            if rows := [row for row in self.rows if row.rate.band == band]:
                yield band, tuple(sorted(rows, key=self._place))

    def _place(self, row: Row) -> tuple[int, str, float, str]:
        """Rows of one measure stand together; those without a value stand last."""
        if (one := row.standings.get(self.main)) is None:
            return (1, "", 0.0, row.run.name)
        sign = -1.0 if one.result.info.higher_is_better else 1.0
        found = one.measure.name
        return (0, f"{len(found)}{found}", sign * one.mean, row.run.name)


def named(runs: Iterable[Run]) -> list[Run]:
    """The runs under names that differ within their dataset, and that do not depend on the order in
    which runs were given."""
    order = sorted(runs, key=lambda run: (run.dataset, run.codec, run.name, run.run_id))
    return named_by_title(order)


def make_boards(runs: Sequence[Run]) -> Iterator[Board]:
    """The boards of these runs (:func:`named`), by dataset and domain."""
    for dataset in dict.fromkeys(run.dataset for run in runs):
        for domain in DOMAINS:
            found = [_in_domain(run, domain) for run in runs if run.dataset == dataset]
            if here := [run for run in found if run is not None and run.metrics]:
                yield _board(dataset, domain, here)


def _in_domain(run: Run, domain: str) -> Run | None:
    """The run's clips of this domain, as if it had no others; None where it has none."""
    kept = {clip: facts for clip, facts in run.clips.items() if _domain(facts) == domain}
    if len(kept) == len(run.clips):
        return run
    results = {name: _of_clips(result, kept) for name, result in run.metrics.items()}
    metrics = {name: one for name, one in results.items() if one.values or one.missing}
    rows = run.compact[run.compact["clip_id"].isin(list(kept))]
    return replace(run, clips=kept, metrics=metrics, compact=rows) if kept else None


def _domain(clip: RunClip) -> str:
    return clip.domain if clip.domain in DOMAINS else "general"


def _of_clips(result: MetricResult, kept: Mapping[str, RunClip]) -> MetricResult:
    """A score of all clips together is none of some of them."""
    values = {clip: value for clip, value in result.values.items() if clip in kept}
    missing = {clip: score for clip, score in result.missing.items() if clip in kept}
    weights = {clip: weight for clip, weight in result.weights.items() if clip in kept}
    failed = sum(score.status == "error" for score in missing.values())
    counts = (len(values), len(missing) - failed, failed)
    return MetricResult(result.info, values, missing, None, counts, weights)


def _board(dataset: str, domain: str, runs: Sequence[Run]) -> Board:
    names = [name for name in _columns(runs) if any(_is_scored(run, name) for run in runs)]
    judged = [name for name in names if name in quality_metrics(runs)]
    measures = {name: tuple(_measures(runs, name)) for name in names}
    rates = {run: rate_of(run) for run in runs}
    found: dict[Run, dict[str, Standing]] = {run: {} for run in runs}
    num_tests = {}
    for band in BANDS:
        here = [run for run in runs if rates[run].band == band]
        several = list(_contests(here, measures))
        num_tests[band.key] = mark([one for one, _ in several if one.info.kind != "corpus"])
        for one, measure in several:
            for run, standing in _standings(one, measure, one.info.name in judged):
                found[run][one.info.name] = standing
    return Board(
        dataset=dataset,
        domain=domain,
        infos={name: first_info(runs, name) for name in names},
        ranked=tuple(judged),
        rows=tuple(Row(run, rates[run], found[run]) for run in runs),
        measures=measures,
        num_tests=num_tests,
        notes=tuple(_notes(runs)),
    )


def _columns(runs: Sequence[Run]) -> list[str]:
    """The main metric, other quality metrics, the rest; scores of all clips together last."""
    main, clipwise = main_metric(runs), clip_metrics(runs)
    return list(dict.fromkeys([*([main] if main else []), *clipwise, *metric_names(*runs)]))


def _is_scored(run: Run, metric: str) -> bool:
    result = run.metrics.get(metric)
    whole = result.whole.value if result is not None and result.whole is not None else None
    return result is not None and (bool(result.values) or whole is not None)


def _measures(runs: Sequence[Run], metric: str) -> Iterator[Measure]:
    groups: list[list[Run]] = []
    for run in (run for run in runs if _is_scored(run, metric)):
        alike = next((group for group in groups if not _unlike(group[0], run, metric)), None)
        if alike is None:
            groups.append([run])
        else:
            alike.append(run)
    parts = [(part, lost) for group in groups for part, lost in _parted(group, metric)]
    parts.sort(key=lambda part: (bool(part[1]), -len(part[0])))
    for place, (part, lost) in enumerate(parts):
        other = (lost or _unlike(parts[0][0][0], part[0], metric)) if place else ""
        yield Measure(f"M{place + 1}", tuple(part), clips_digest(part[0]), lost, other)


def _parted(group: Sequence[Run], metric: str) -> Iterator[tuple[list[Run], str]]:
    """The runs that lost nothing together, and each that lost clips alone."""
    lost = {loss.run: str(loss) for loss in losses(group, metric)}
    if whole := [run for run in group if run.name not in lost]:
        yield whole, ""
    yield from (([run], lost[run.name]) for run in group if run.name in lost)


def _unlike(first: Run, second: Run, metric: str) -> str:
    """Why this metric of the two may not be compared; empty where it may."""
    if said := _other_clips(first, second):
        return said
    mine, theirs = first.info(metric), second.info(metric)
    if mine.kind != "corpus":
        return metric_problem(first, second, metric)
    difference = mine.fingerprint.difference(theirs.fingerprint)
    return "" if mine.fingerprint == theirs.fingerprint else f"measured in two ways: {difference}"


def _other_clips(first: Run, second: Run) -> str:
    if _digests(first) == _digests(second):
        return ""
    same = sum(second.clips.get(clip) == facts for clip, facts in first.clips.items())
    mine, theirs = len(first.clips), len(second.clips)
    return f"other clips: {theirs}, of which {same} are among the {mine} of M1"


def _digests(run: Run) -> dict[str, str]:
    return {clip: facts.digest for clip, facts in run.clips.items()}


def clips_digest(run: Run) -> str:
    """SHA-256 of the ids and the audio of the run's clips, whatever their order."""
    lines = sorted(f"{clip}\0{digest}\n" for clip, digest in _digests(run).items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _contests(
    here: Sequence[Run], measures: Mapping[str, Sequence[Measure]]
) -> Iterator[tuple[Contest, Measure]]:
    """Those of the runs of one band, one for each metric and measure."""
    for name, several in measures.items():
        for measure in several:
            if runs := [run for run in here if run in measure.runs]:
                info = first_info(runs, name)
                is_whole = info.kind == "corpus"
                yield Contest(info, runs, Shared()) if is_whole else contest(runs, name), measure


def _standings(one: Contest, measure: Measure, judged: bool) -> Iterator[tuple[Run, Standing]]:
    name = one.info.name
    found = next(ranks(one.runs, [name]), None) if judged else None
    why = _unranked(one, measure) if judged and found is None else ""
    for run in one.runs:
        result = run.metrics[name]
        if result.whole is not None:
            value = math.nan if result.whole.value is None else result.whole.value
            yield run, Standing(result, value, None, result.counts[0], measure)
            continue
        yield (
            run,
            Standing(
                result=result,
                mean=one.mean(run),
                interval=one.interval(run),
                n=len(one.values(run)),
                measure=measure,
                mark=one.marks.get(run.name, ""),
                rank=found.intervals[run.name] if found else None,
                unranked=why,
            ),
        )


def _unranked(one: Contest, measure: Measure) -> str:
    """Why runs of this measure and band have no rank."""
    if measure.lost:
        return measure.lost
    interval = one.interval(one.runs[0])
    if interval.claim == "one speaker":
        return "all clips are of one speaker, and say nothing of others"
    if interval.claim == "too few":
        few = units(interval.num_units, interval.unit)
        return f"{few}; ranks need {MIN_UNITS}"
    few = f"{len(one.runs)} codec{'s' * (len(one.runs) != 1)}"
    return f"{few} of this band measured alike; ranks need {MIN_CODECS}"


def _notes(runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        for said in filter(None, (run.unfinished, run.determinism)):
            yield f"{run.name}: {said}."
