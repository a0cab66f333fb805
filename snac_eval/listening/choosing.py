"""Which clips of which codecs a listening test is of.

The most telling clips are those on which the codecs differ most by the metrics of quality that all
runs have. Means over such clips are of these clips, and not of the data that they are from;
``random`` draws without looking at any score.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from snac_eval.errors import UsageError
from snac_eval.listening.shapes import Choice
from snac_eval.listening.sounding import SHORTEST_S
from snac_eval.registry.plugins import unknown_name
from snac_eval.results.compare import telling_clips
from snac_eval.results.ranking import worst_clips
from snac_eval.results.record import Run, RunClip, named_apart


@dataclass(frozen=True, slots=True)
class Contender:
    """A codec of the test: its run, or its runs of several datasets."""

    name: str
    runs: tuple[Run, ...]

    @property
    def clips(self) -> dict[str, RunClip]:
        """By id, those that any of its metrics has a score of, of all its runs."""
        return {
            clip: facts
            for run in self.runs
            for clip, facts in run.clips.items()
            if any(clip in result.values for result in run.metrics.values())
        }

    def run_of(self, clip: str) -> Run:
        """The run that has this clip."""
        return next(run for run in self.runs if clip in run.clips)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A clip that all codecs have."""

    id: str
    facts: RunClip


def contenders(runs: Sequence[Run]) -> list[Contender]:
    """The codecs of these runs, named apart. Runs of one codec on other clips are one codec's.

    Raises UsageError without runs.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    parts: list[list[Run]] = []
    for run in runs:
        mine = (part for part in parts if all(_continues(run, other) for other in part))
        found = next(mine, None)
        if found is None:
            parts.append([run])
        else:
            found.append(run)
    named = named_apart([part[0] for part in parts])
    return [
        Contender(one.name, tuple(replace(run, name=one.name) for run in part))
        for one, part in zip(named, parts, strict=True)
    ]


def candidates(codecs: Sequence[Contender]) -> list[Candidate]:
    """The clips that every codec has scored, each the same audio in all, long enough to be judged.

    Raises UsageError where there is none.
    """
    every = [codec.clips for codec in codecs]
    shared = [clip for clip in every[0] if all(clip in one for one in every)]
    same = [clip for clip in shared if len({one[clip].digest for one in every}) == 1]
    found = [clip for clip in same if not every[0][clip].duration_s < SHORTEST_S]
    if found:
        return [Candidate(clip, every[0][clip]) for clip in found]
    if same:
        raise UsageError(f"every clip of these runs is shorter than {SHORTEST_S:g} s")
    if shared:
        raise UsageError(f"clip '{shared[0]}' is not the same audio in all runs, nor is any other")
    told = (f"{run.codec} of {run.dataset}" for codec in codecs for run in codec.runs)
    raise UsageError(
        f"no clip was scored in every run ({', '.join(told)}); give runs of one dataset, or each"
        " codec's runs of the same datasets"
    )


def ordered(
    codecs: Sequence[Contender], among: Sequence[Candidate], how: Choice, seed: int
) -> Iterator[Candidate]:
    """All candidates, best choice first: most telling or at random, spread over domains and, within
    a domain, over speakers."""
    rng = random.Random(f"clips {seed}")
    shuffled = rng.sample(list(among), len(among))
    strengths = _strengths(codecs) if how == "telling" else {}
    best = sorted(shuffled, key=lambda one: -strengths.get(one.id, 0.0))
    return _spread(best)


def asked_for(
    ids: Sequence[str], among: Sequence[Candidate], codecs: Sequence[Contender]
) -> list[Candidate]:
    """The candidates of these ids. Raises UsageError for others: says who lacks it, that it is too
    short, or what was probably meant."""
    known = {one.id: one for one in among}
    for clip in ids:
        lacking = [codec.name for codec in codecs if clip not in codec.clips]
        if clip not in known and 0 < len(lacking) < len(codecs):
            raise UsageError(f"clip '{clip}' has no score in {', '.join(lacking)}; choose another")
        if clip not in known and not lacking:
            raise UsageError(f"clip '{clip}' is too short, or not the same audio in all runs")
        if clip not in known:
            raise UsageError(unknown_name(clip, list(known), "clip of all these runs", ""))
    return [known[clip] for clip in dict.fromkeys(ids)]


def _continues(run: Run, other: Run) -> bool:
    same = run.codec == other.codec and run.codec_fingerprint == other.codec_fingerprint
    return same and run.dataset != other.dataset and not run.clips.keys() & other.clips.keys()


def _strengths(codecs: Sequence[Contender]) -> dict[str, float]:
    """By clip, how far apart the codecs are; of one codec, how badly it does."""
    if len(codecs) == 1:
        runs = codecs[0].runs
        ranked = [worst_clips([run]) for run in runs]
        return {clip: -place for clips in ranked for place, clip in enumerate(clips)}
    found = dict[str, float]()
    for first, second in combinations(codecs, 2):
        for one in first.runs:
            for other in second.runs:
                for clip in telling_clips(one, other):
                    found[clip.clip] = found.get(clip.clip, 0.0) + clip.strength**2
    return found


def _spread(best: Sequence[Candidate]) -> Iterator[Candidate]:
    """In turn from each domain, and there from the speaker who had the fewest clips so far."""
    left = dict.fromkeys(best)
    domains, speakers = Counter[str](), Counter[tuple[str, str]]()

    def rank(one: Candidate) -> tuple[int, int]:
        facts = one.facts
        return domains[facts.domain], speakers[facts.domain, facts.speaker]

    while left:
        taken = min(left, key=rank)
        del left[taken]
        domains[taken.facts.domain] += 1
        speakers[taken.facts.domain, taken.facts.speaker] += 1
        yield taken
