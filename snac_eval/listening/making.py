"""Makes a listening test of runs: its folder, and the key beside it."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import StoreError, UsageError, one_line
from snac_eval.listening.choosing import (
    Candidate,
    Contender,
    asked_for,
    candidates,
    contenders,
    ordered,
)
from snac_eval.listening.folder import require_place, write_folder
from snac_eval.listening.page.writing import DEFAULT_TITLES, page
from snac_eval.listening.power import Plan, Power, planned_power
from snac_eval.listening.shapes import Choice, Method, TestKey, Trial
from snac_eval.listening.sounding import SHORTEST_S, SoundedClip, sound_clip
from snac_eval.listening.trials import MOST_STIMULI, Names, TrialMaker
from snac_eval.progress import track
from snac_eval.results.record import Run
from snac_eval.results.sounds import RunSounds, Sound, open_sounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_CLIPS = 10
LONGEST_S = {"mushra": 12.0, "abx": 30.0, "mos": 30.0}
"""BS.1534 asks for about 10 s, and 12 s at most."""
_TRAINING = {"mushra": 1, "abx": 2, "mos": 3}
_LOUDNESS = (-40.0, -10.0)
_SPARE = 10
"""Clips that are looked at beyond those that are needed, should some have no sound."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a test is to be."""

    output: Path
    method: Method = "mushra"
    clips: int | None = None
    """How many; None: as many as ``ids``, or ten."""
    ids: tuple[str, ...] = ()
    """Clips that must be in it."""
    choose: Choice = "telling"
    seed: int = 1
    length_s: float = 10.0
    loudness: float = -23.0
    """LUFS."""
    anchors: bool = True
    training: int | None = None
    """How many trials to practise on; None: as the method needs."""
    repeats: int = 1
    """How often each trial of an ABX test is asked."""
    title: str = ""
    url: str = ""
    contact: str = ""
    overwrite: bool = False
    show_progress: bool = False

    @property
    def num_clips(self) -> int:
        """How many clips the test is of."""
        return max(len(self.ids), self.clips or (len(self.ids) or DEFAULT_CLIPS))

    @property
    def num_training(self) -> int:
        """How many trials to practise on."""
        return _TRAINING[self.method] if self.training is None else self.training

    @property
    def has_anchors(self) -> bool:
        """Whether there are any: only side by side with the reference do they mean something."""
        return self.anchors and self.method == "mushra"


@dataclass(frozen=True, slots=True)
class Made:
    """A test that was made."""

    folder: Path
    key: TestKey
    notes: tuple[str, ...]
    """What its organiser must know."""
    power: Power


def make_test(runs: Sequence[Run], request: Request) -> Made:
    """Write the test's folder and its key.

    Raises UsageError for what cannot be asked for, StoreError where a run's sound cannot be made,
    OutputError where a file cannot be written.
    """
    request = replace(request, output=Path(os.path.abspath(request.output)))
    codecs = contenders(runs)
    _check(request, codecs)
    require_place(request.output, request.overwrite)
    among = candidates(codecs)
    asked = asked_for(request.ids, among, codecs)
    rest = (one for one in ordered(codecs, among, request.choose, request.seed) if one not in asked)
    num_practice = _clips_to_practise_on(request, len(codecs))
    needed = request.num_clips + num_practice
    wanted = [*asked, *islice(rest, needed + _SPARE - len(asked))]
    sounding = _Sounding(request, codecs, len(asked), needed)
    with sounding.of(wanted) as sounds:
        chosen = list(islice(sounds, request.num_clips))
        practice = list(islice(sounds, num_practice))
    if not chosen:
        raise StoreError(f"no clip of these runs has a sound: {sounding.notes[0]}")
    # With no clip left to practise on, those of the test serve.
    practice += islice(chosen, num_practice - len(practice))
    key, files = _key(request, codecs, chosen, practice)
    plan = Plan(request.method, len(codecs), request.repeats)
    found = planned_power(plan, len(chosen))
    notes = [*_notes(request, len(among), chosen, practice), *sounding.notes]
    facts = {**key.made, "notes": notes, "power": found.facts}
    key = replace(key, made=facts)
    write_folder(
        request.output,
        key,
        files,
        title=_title(request),
        url=request.url,
        contact=request.contact,
        repeats=request.repeats,
    )
    return Made(request.output, key, tuple(notes), found)


Chosen = tuple[Candidate, SoundedClip]


class _Sounding:
    """Makes the sounds of clips; says which clips it had to leave out, and why."""

    def __init__(
        self, request: Request, codecs: Sequence[Contender], num_asked: int, needed: int
    ) -> None:
        self._request, self._codecs = request, codecs
        self._num_asked, self._needed = num_asked, needed
        self.notes: list[str] = []

    @contextmanager
    def of(self, clips: Sequence[Candidate]) -> Iterator[Iterator[Chosen]]:
        """The clips and their sounds, in this order, less those that have none."""
        runs = [run for codec in self._codecs for run in codec.runs]
        with open_sounds(runs, [clip.id for clip in clips]) as opened:
            if broken := [one for one in opened if one.problem]:
                raise StoreError(f"{broken[0].run.name}: {broken[0].problem}")
            makers = {id(run): maker for run, maker in zip(runs, opened, strict=True)}
            yield self._sounded(clips, makers)

    def _sounded(
        self, clips: Sequence[Candidate], makers: dict[int, RunSounds]
    ) -> Iterator[Chosen]:
        total = min(len(clips), self._needed)
        shown = track(clips, "sounds", "clip", self._request.show_progress, total)
        for place, clip in enumerate(shown):
            try:
                yield clip, self._sound(clip, makers)
            except Exception as error:
                said = f"clip '{clip.id}': {one_line(error)}"
                if place < self._num_asked:
                    raise StoreError(said) from error
                self.notes.append(f"left out {said}")

    def _sound(self, clip: Candidate, makers: dict[int, RunSounds]) -> SoundedClip:
        made: dict[str, Sound] = {}
        for codec in self._codecs:
            try:
                made[codec.name] = makers[id(codec.run_of(clip.id))].make(clip.id)
            except Exception as error:
                raise StoreError(f"{codec.name}: {one_line(error)}") from error
        # A stereo reference is the better one where any codec kept both channels.
        reference = max(made.values(), key=lambda one: one.reference.num_channels).reference
        return sound_clip(
            reference,
            {name: one.estimate for name, one in made.items()},
            length_s=self._request.length_s,
            loudness=self._request.loudness,
            anchors=self._request.has_anchors,
            seed=self._request.seed,
        )


def _check(request: Request, codecs: Sequence[Contender]) -> None:
    longest = LONGEST_S[request.method]
    if request.clips is not None and request.clips < 1:
        raise UsageError(f"--clips {request.clips}: must be at least 1")
    if not SHORTEST_S <= request.length_s <= longest:
        raise UsageError(
            f"--length {request.length_s:g}: give {SHORTEST_S:g} to {longest:g} s, which is what"
            f" listeners can keep in mind in {request.method}"
        )
    if not _LOUDNESS[0] <= request.loudness <= _LOUDNESS[1]:
        raise UsageError(
            f"--loudness {request.loudness:g}: give {_LOUDNESS[0]:g} to {_LOUDNESS[1]:g} LUFS"
        )
    if request.num_training < 0:
        raise UsageError(f"--training {request.num_training}: must be at least 0")
    for text, flag in ((request.title, "--title"), (request.contact, "--contact")):
        for word in _taboo(codecs):
            if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE):
                raise UsageError(f"{flag}: listeners would read '{word}' there; leave it out")
    _check_number(request, len(codecs))
    # The page knows what it can post to; said before the work is done, not after.
    nothing = TestKey("", request.method, request.seed, (), {})
    page(nothing, post_to=request.url, repeats=request.repeats)


def _check_number(request: Request, num_codecs: int) -> None:
    others = 3 if request.has_anchors else 1
    if request.method != "mushra" or num_codecs + others <= MOST_STIMULI:
        return
    fewer = "" if not request.has_anchors else f", or {MOST_STIMULI - 1} with --no-anchors"
    raise UsageError(
        f"{num_codecs} codecs and {others} more on one screen: ITU-R BS.1534 allows {MOST_STIMULI};"
        f" give at most {MOST_STIMULI - others} runs{fewer}"
    )


def _taboo(codecs: Sequence[Contender]) -> list[str]:
    """What would tell a listener which codec is heard."""
    words = [word for codec in codecs for run in codec.runs for word in (run.codec, run.title)]
    return [word for word in dict.fromkeys(words) if word]


def _clips_to_practise_on(request: Request, num_codecs: int) -> int:
    each = {"mushra": 1, "abx": num_codecs, "mos": num_codecs + 1}[request.method]
    return -(-request.num_training // each)


def _key(
    request: Request,
    codecs: Sequence[Contender],
    chosen: Sequence[Chosen],
    practice: Sequence[Chosen],
) -> tuple[TestKey, dict[str, NDArray[np.int16]]]:
    """The key, and the sounds by their opaque names."""
    runs = {codec.name: ", ".join(run.run_id for run in codec.runs) for codec in codecs}
    taboo = [*_taboo(codecs), *runs, *(run.dataset for one in codecs for run in one.runs)]
    names = Names(_secret(request, runs, chosen), taboo)
    test_id, maker = names.draw(), TrialMaker(request.method, names)
    training = [trial for one in practice for trial in maker.trials(*one, True)]
    asked = [trial for one in chosen for trial in maker.trials(*one, False)]
    kept = [*names.shuffled(training)[: request.num_training], *names.shuffled(asked)]
    key = TestKey(
        test_id=test_id,
        method=request.method,
        seed=request.seed,
        trials=tuple(kept),
        runs=runs,
        made={
            "snac_eval": version("snac-eval"),
            "title": _title(request),
            "chosen": request.choose,
            "clips": {clip.id: _clip_facts(sounded) for clip, sounded in chosen},
        },
    )
    return key, {name: maker.sounds[name] for name in _heard(kept)}


def _heard(trials: Sequence[Trial]) -> list[str]:
    """Names of all sounds, in an order that tells nothing."""
    stimuli = {one.name for trial in trials for one in trial.stimuli}
    return sorted(stimuli | {trial.reference for trial in trials if trial.reference})


def _secret(request: Request, runs: dict[str, str], chosen: Sequence[Chosen]) -> str:
    """What nobody knows who does not have the runs; the same for the same test."""
    asked = replace(request, output=Path(), overwrite=False, show_progress=False)
    clips = [clip.facts.digest for clip, _ in chosen]
    return hashlib.sha256(repr((asked, sorted(runs.items()), clips)).encode()).hexdigest()


def _title(request: Request) -> str:
    return request.title or DEFAULT_TITLES[request.method]


def _clip_facts(sounded: SoundedClip) -> dict[str, Any]:
    facts = {key: getattr(sounded, key) for key in sounded.__dataclass_fields__ if key != "sounds"}
    return {key: _rounded(value) for key, value in facts.items()}


def _rounded(value: Any) -> Any:  # noqa: ANN401 - a number, or several
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _notes(
    request: Request, num_candidates: int, chosen: Sequence[Chosen], practice: Sequence[Chosen]
) -> Iterator[str]:
    """What the organiser must know of the clips."""
    if len(chosen) < request.num_clips:
        yield (
            f"{len(chosen)} clips of all runs can be heard, fewer than the {request.num_clips} that"
            " were asked for"
        )
    if {clip.id for clip, _ in practice} & {clip.id for clip, _ in chosen}:
        yield "no clip was left to practise on: training uses clips of the test"
    if request.choose == "telling" and len(request.ids) < len(chosen) < num_candidates:
        yield (
            "the clips are those that tell most by the metrics: means are of these clips, not of"
            " the data (--choose random)"
        )
    all_of = [sounded for _, sounded in chosen]
    lowered = [one.loudness for one in all_of if one.loudness < request.loudness - 0.005]
    if lowered:
        yield (
            f"{len(lowered)} of {len(chosen)} clips are quieter than {request.loudness:g} LUFS (at"
            f" least {min(lowered):.1f}), so that no peak passes -1 dBTP"
        )
    for name, count in Counter(name for one in all_of for name in one.roughly).items():
        yield (
            f"{name}: does not keep the waveform of {count} of {len(chosen)} clips; its delay was"
            " taken out by the envelope there, to some milliseconds"
        )
    for name, count in Counter(name for one in all_of for name in one.undelayed).items():
        yield (
            f"{name}: no delay could be measured on {count} of {len(chosen)} clips, and none was"
            " taken out there"
        )
    for name, count in Counter(name for one in all_of for name in one.silent).items():
        yield f"{name}: {count} of {len(chosen)} excerpts are silent"
