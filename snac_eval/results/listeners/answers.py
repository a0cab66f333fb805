"""Answers to our own listening test, and the key that says what was heard.

The shapes are those of :mod:`snac_eval.listening.shapes`, as their files hold them. Practice does
not count. Where a listener answered a trial more than once, the last answer counts; in an ABX test,
where trials repeat, the last of each place in the listener's order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snac_eval.errors import RatingsError, UsageError, readable
from snac_eval.results.listeners.ratings import Rating, Ratings, Role, Scale
from snac_eval.results.listeners.tables import Table, file_text, read_table

_SCALES: Mapping[str, Scale] = {"mushra": "mushra", "mos": "acr", "abx": "other"}
_RANGES: Mapping[str, tuple[float, float]] = {"mushra": (0.0, 100.0), "mos": (1.0, 5.0)}
_CSV = ("test", "listener", "trial", "stimulus", "rating")
_ROLES: Mapping[str, Role] = {"codec": "codec", "reference": "reference", "anchor": "anchor"}
ANSWERS_END, KEY_END = ".answers.jsonl", ".key.json"


@dataclass(frozen=True, slots=True)
class KeyTrial:
    """What the organiser knows of a trial."""

    clip: str
    stimuli: Mapping[str, tuple[str, Role]]
    """By opaque name, the codec and its role."""
    reference: str
    is_training: bool


@dataclass(frozen=True, slots=True)
class Key:
    """What answers are read by."""

    path: Path
    test: str
    method: str
    trials: Mapping[str, KeyTrial]


@dataclass(frozen=True, slots=True)
class Given:
    """What one listener answered in one trial."""

    listener: str
    trial: str
    ratings: Mapping[str, float]
    correct: bool | None
    """Of an ABX trial."""
    place: int
    """In the listener's order, from 1."""
    where: str
    """File and line, for messages."""
    test: str


def are_answers(text: str) -> bool:
    """Whether this is a file of answers: JSON lines, or CSV with the columns of answers."""
    first = text.lstrip().split("\n", 1)[0].strip()
    if first.startswith("{"):
        return True
    header = [cell.strip().strip('"').lower() for cell in first.replace(";", ",").split(",")]
    return set(_CSV) <= set(header)


def answered_ratings(path: Path, text: str, key: Path | None) -> Ratings:
    """The ratings that answers in this file are; ``key`` as in
    :func:`~snac_eval.results.listeners.formats.read_ratings`.

    Raises RatingsError for what is broken or of another test, UsageError where there is no key.
    """
    known = read_key(key or key_beside(path))
    if known.method == "abx":
        raise UsageError(f"{path}: holds answers of an ABX test, which are no ratings")
    given, notes = counted(given_answers(path, text, known), known)
    return ratings_of(given, known, str(path), notes)


def key_beside(path: Path) -> Path:
    """The key of a test by the file of its answers. Raises UsageError where there is none."""
    stem = path.name.removesuffix(ANSWERS_END)
    beside = path.with_name(stem + KEY_END)
    if stem == path.name or not beside.is_file():
        raise UsageError(
            f"{path}: holds answers to a listening test; give its key, --key DIR{KEY_END}"
        )
    return beside


def read_key(path: Path) -> Key:
    """The key in this file. Raises RatingsError where it is none."""
    text = file_text(path)
    try:
        facts = json.loads(text)
        trials = {str(one["id"]): _trial(one) for one in facts["trials"]}
        found = Key(path, str(facts["test_id"]), str(facts["method"]), trials)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = f"{type(error).__name__}: {error}"
        raise RatingsError(f"{path}: is no key of a listening test ({readable(said)})") from error
    if found.method not in _SCALES:
        raise RatingsError(f"{path}: is of a test by {readable(found.method)}, which is not known")
    return found


def _trial(facts: Mapping[str, Any]) -> KeyTrial:
    stimuli: dict[str, tuple[str, Role]] = {}
    for one in facts["stimuli"]:
        stimuli[str(one["name"])] = (str(one["codec"]), _ROLES[one["role"]])
    training = facts.get("is_training", False) is True
    return KeyTrial(str(facts["clip"]), stimuli, str(facts.get("reference", "")), training)


def given_answers(path: Path, text: str, key: Key) -> list[Given]:
    """The answers in this file, each checked against the key.

    A last line without its end is what a crash left of an answer that nobody was told was taken: it
    does not count. Raises RatingsError with the line of what is broken or of another test.
    """
    found = list(_json(path, text) if text.lstrip().startswith("{") else _table(path, text))
    for one in found:
        check_answer(one, key)
    return found


def _json(path: Path, text: str) -> Iterator[Given]:
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            facts = json.loads(line)
            ratings = {str(name): _value(one) for name, one in dict(facts["ratings"]).items()}
            correct = facts.get("correct")
            if correct not in (None, True, False):
                raise ValueError("correct is neither true nor false")
            names = [str(facts[name]) for name in ("listener", "trial", "test")]
            place = int(facts.get("place", 0))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if number == len(lines):
                return
            said = readable(f"{type(error).__name__}: {error}")
            raise RatingsError(f"{where}: is no answer to a listening test ({said})") from error
        yield Given(names[0], names[1], ratings, correct, place, where, names[2])


def _value(found: object) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError(f"the rating {found!r} is no number")
    return float(found)


def _table(path: Path, text: str) -> list[Given]:
    """A row a stimulus. Rows of one listener and trial are an answer; where a stimulus comes again,
    another answer begins."""
    table = read_table(path, text)
    if lacking := next((name for name in _CSV if not table.column(name)), ""):
        raise RatingsError(f"{path}: holds no answers to a listening test: no column '{lacking}'")
    answers: list[Given] = []
    begun: dict[tuple[str, str, str], int] = {}
    for line, cells in table.rows:
        one = _row(table, line, {name.lower(): cell for name, cell in cells.items()})
        who = (one.test, one.listener, one.trial)
        if one.ratings and who in begun and not set(one.ratings) & set(answers[begun[who]].ratings):
            before = answers[begun[who]]
            answers[begun[who]] = replace(before, ratings={**before.ratings, **one.ratings})
        else:
            begun[who] = len(answers)
            answers.append(one)
    return answers


def _row(table: Table, line: int, cells: Mapping[str, str]) -> Given:
    correct = {"true": True, "false": False, "1": True, "0": False}.get(
        cells.get("correct", "").lower()
    )
    ratings = {}
    if cells["rating"]:
        try:
            ratings = {cells["stimulus"]: _value(float(cells["rating"].replace(",", ".")))}
        except ValueError:
            table.refuse(line, f"the rating '{readable(cells['rating'][:40])}' is no number")
    place = cells.get("place", "")
    return Given(
        listener=cells["listener"],
        trial=cells["trial"],
        ratings=ratings,
        correct=correct,
        place=int(place) if place.isdecimal() else 0,
        where=f"{table.path}:{line}",
        test=cells["test"],
    )


def check_answer(one: Given, key: Key) -> None:
    """Raise RatingsError for an answer that does not fit the key."""
    if one.test != key.test:
        raise RatingsError(
            f"{one.where}: is an answer to another test ({readable(one.test[:40])}), not to that of"
            f" {key.path} ({readable(key.test[:40])})"
        )
    if not one.listener:
        raise RatingsError(f"{one.where}: says no listener")
    if one.trial not in key.trials:
        raise RatingsError(f"{one.where}: the test has no trial '{readable(one.trial[:40])}'")
    stimuli = key.trials[one.trial].stimuli
    low, high = _RANGES.get(key.method, (-math.inf, math.inf))
    for name, value in one.ratings.items():
        if name not in stimuli:
            raise RatingsError(f"{one.where}: the trial has no stimulus '{readable(name[:40])}'")
        if not low <= value <= high:
            raise RatingsError(
                f"{one.where}: the rating {value:g} is outside of {low:g} to {high:g}"
            )


def counted(given: Iterable[Given], key: Key) -> tuple[list[Given], list[str]]:
    """Of each listener and trial the last answer, practice left out; and what was dropped."""
    last: dict[tuple[str, str, int], Given] = {}
    again = 0
    for one in given:
        if key.trials[one.trial].is_training:
            continue
        which = (one.listener, one.trial, one.place if key.method == "abx" else 0)
        again += which in last
        last[which] = one
    if not last:
        raise RatingsError(f"{key.path}: nobody has answered a trial of this test yet")
    said = "1 answer was" if again == 1 else f"{again} answers were"
    note = f"{said} replaced by a later one of the same listener."
    return list(last.values()), [note] if again else []


def ratings_of(given: Sequence[Given], key: Key, source: str, notes: Sequence[str]) -> Ratings:
    """What answers rate, by clip and codec."""
    values: dict[tuple[str, str, str], list[float]] = {}
    roles: dict[str, Role] = {}
    for one in given:
        trial = key.trials[one.trial]
        for name, value in one.ratings.items():
            codec, role = trial.stimuli[name]
            roles[codec] = role
            values.setdefault((trial.clip, codec, one.listener), []).append(value)
    rows = tuple(Rating(*who, sum(each) / len(each)) for who, each in values.items())
    if not rows:
        raise RatingsError(f"{source}: holds no rating")
    return Ratings(rows, _SCALES[key.method], source, roles, tuple(notes))
