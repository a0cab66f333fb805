"""What a listening test is made of, and what a listener answers.

A test is a folder that may be published as it is, and two files beside it that stay with the
organiser::

    DIR/                 index.html, config.yaml (webMUSHRA), audio/NAME.wav: no codec's name
    DIR.key.json         what each opaque NAME is: a :class:`TestKey`
    DIR.answers.jsonl    what ``listen serve`` collected: an :class:`Answer` a line
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from snac_eval.results.listeners.ratings import Role

Method = Literal["mushra", "abx", "mos"]
METHODS: tuple[Method, ...] = ("mushra", "abx", "mos")
Choice = Literal["telling", "random"]
CHOICES: tuple[Choice, ...] = ("telling", "random")
"""How clips are chosen: see :mod:`snac_eval.listening.choosing`."""
AUDIO_FOLDER = "audio"
PAGE_FILE = "index.html"
WEBMUSHRA_FILE = "config.yaml"


def key_file(folder: Path) -> Path:
    """Where the key of the test in this folder lies."""
    return folder.with_name(folder.name + ".key.json")


def answers_file(folder: Path) -> Path:
    """Where ``listen serve`` writes the answers to the test in this folder."""
    return folder.with_name(folder.name + ".answers.jsonl")


@dataclass(frozen=True, slots=True)
class Stimulus:
    """One sound of a trial. ``name`` is opaque: its file is ``audio/NAME.wav``."""

    name: str
    role: Role
    codec: str
    """The run's name for a codec, else ``reference``, ``anchor_3500`` or ``anchor_7000``."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One screen: all stimuli of a clip (mushra), one of them (mos), or one against the reference
    (abx)."""

    id: str
    """Opaque."""
    clip: str
    domain: str
    speaker: str
    reference: str
    """Name of the sound that listeners know to be the reference; empty for mos."""
    stimuli: tuple[Stimulus, ...]
    """Hidden reference and anchors included; for abx the reference and one other."""
    is_training: bool = False
    """Its answers do not count."""


@dataclass(frozen=True, slots=True)
class TestKey:
    """All that the organiser knows of a test."""

    __test__ = False  # no class of tests, though its name begins so

    test_id: str
    """Random; every answer carries it, so that answers to another test are refused."""
    method: Method
    seed: int
    trials: tuple[Trial, ...]
    runs: Mapping[str, str]
    """By codec's name, the run's id."""
    made: Mapping[str, object] = field(default_factory=dict)
    """Version, levels, delays taken out: facts for the record."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one listener said in one trial: a line of the answers' file, and what the page posts.

    As JSON: ``{"test", "listener", "trial", "ratings": {NAME: value}, "chosen", "correct",
    "seconds", "place"}``. As CSV, a row a stimulus: ``test, listener, trial, stimulus, rating,
    correct, seconds, place``.
    """

    test: str
    listener: str
    """Random letters and digits that the page made up."""
    trial: str
    ratings: Mapping[str, float]
    """By stimulus, 0..100 (mushra) or 1..5 (mos); empty for abx."""
    correct: bool | None = None
    """For abx, whether X was told."""
    seconds: float = 0.0
    place: int = 0
    """Which trial it was in this listener's order, from 1."""
