"""What listeners said in a test: who counts, means, differences, and how far they agree.

``read_test`` is for the tests of ``listen make``; ``examined`` for ratings of any other test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from snac_eval.errors import RatingsError, UsageError
from snac_eval.listening.shapes import answers_file, key_file
from snac_eval.results.listeners.answers import (
    Given,
    Key,
    are_answers,
    check_answer,
    counted,
    given_answers,
    ratings_of,
    read_key,
)
from snac_eval.results.listeners.consistency import Consistency, consistency
from snac_eval.results.listeners.formats import merged
from snac_eval.results.listeners.means import (
    MeanRating,
    PairedRating,
    codec_means,
    paired_ratings,
)
from snac_eval.results.listeners.ratings import Ratings, Role
from snac_eval.results.listeners.screening import Screening, screen
from snac_eval.results.listeners.tables import Table, file_text, number, read_table
from snac_eval.results.listeners.telling import Told, told
from snac_eval.results.listeners.webmushra import SessionRow, session_rows

_WEBMUSHRA = {
    "mushra": ("trial_id", "rating_stimulus", "rating_score"),
    "mos": ("trial_id", "stimuli", "stimuli_rating"),
    "abx": ("trial_id", "choice_non_reference", "choice_answer"),
}
"""Columns of webMUSHRA's results, by the method that our test has there."""
_NO_SCREENING = ("Listeners were not screened, as was asked.",)


@dataclass(frozen=True, slots=True)
class Reading:
    """Ratings and what they say."""

    given: Ratings
    """Of everybody."""
    screening: Screening
    means: Mapping[str, MeanRating]
    """Reference and anchors included; the best mean first."""
    pairs: tuple[PairedRating, ...]
    """Every two codecs, the one with the better mean first."""
    consistency: Consistency


@dataclass(frozen=True, slots=True)
class AbxReading:
    """Answers to an ABX test and what they say."""

    source: str
    told: tuple[Told, ...]
    """By codec and anchor: whether it was told from the reference."""
    notes: tuple[str, ...]


def read_test(
    folder: Path, files: Sequence[Path] = (), screens: bool = True
) -> Reading | AbxReading:
    """What was answered to the test in this folder.

    ``files`` are answers as the page saves or posts them, or webMUSHRA's results of it; none: what
    ``listen serve`` collected. Raises UsageError where there is nothing to read, RatingsError for
    what is broken or is of another test.
    """
    path = key_file(folder.resolve() if folder.name in ("", "..") else folder)
    if not path.is_file():
        raise UsageError(f"{path}: not there; it belongs beside the folder that listen make wrote")
    key = read_key(path)
    if not files:
        files = (answers_file(path.with_name(path.name.removesuffix(".key.json"))),)
        if not files[0].is_file():
            raise UsageError(f"{files[0]}: not there; name the files that listeners sent")
    found = [_given(file, key) for file in dict.fromkeys(files)]
    kept, replaced = counted([one for given, _ in found for one in given], key)
    notes = [*dict.fromkeys(note for _, several in found for note in several), *replaced]
    source = ", ".join(map(str, files))
    if key.method == "abx":
        return AbxReading(source, tuple(told(kept, key)), tuple(notes))
    return examined(ratings_of(kept, key, source, notes), screens)


def read_files(files: Sequence[Path], read: Iterable[Ratings], screens: bool = True) -> Reading:
    """What the ratings of these files, read one by one, say together.

    Raises RatingsError where they are of different scales or name other references.
    """
    several = list(read)
    first = several[0]
    for other in several[1:]:
        if other.scale != first.scale:
            raise RatingsError(
                f"{other.source}: its scale is {other.scale}, that of {first.source} {first.scale};"
                " read them one by one, or name the scale"
            )
    rows, twice = merged([row for one in several for row in one.rows])
    again = f"{twice} ratings are the mean of several of one listener of one stimulus."
    roles: dict[str, Role] = {}
    for one in several:
        roles |= one.roles
    notes = dict.fromkeys(note for one in several for note in one.notes)
    said = (*notes, *([again] if twice else []))
    joined = Ratings(rows, first.scale, ", ".join(map(str, files)), roles, said)
    return examined(joined, screens)


def examined(ratings: Ratings, screens: bool = True) -> Reading:
    """What these ratings say; ``screens``: after post-screening."""
    screening = screen(ratings) if screens else Screening(ratings, (), _NO_SCREENING)
    kept = screening.ratings
    means = codec_means(kept)
    best_first = dict(sorted(means.items(), key=lambda one: -one[1].mean))
    ordered = replace(kept, roles={name: kept.roles[name] for name in best_first})
    return Reading(
        ratings, screening, best_first, tuple(paired_ratings(ordered)), consistency(kept)
    )


def _given(path: Path, key: Key) -> tuple[list[Given], tuple[str, ...]]:
    """The answers in a file of ours, or of webMUSHRA; and what must be known of them."""
    text = file_text(path)
    if are_answers(text):
        return given_answers(path, text, key), ()
    return _of_webmushra(path, read_table(path, text), key)


def _of_webmushra(path: Path, table: Table, key: Key) -> tuple[list[Given], tuple[str, ...]]:
    """webMUSHRA's results of this test, in which trials and stimuli are as opaque as in ours, but
    for the reference and the anchors that webMUSHRA made itself."""
    names = [table.column(one) for one in _WEBMUSHRA[key.method]]
    if not all(names):
        lacking, method = _WEBMUSHRA[key.method][names.index("")], key.method.upper()
        raise RatingsError(f"{path}: holds no answers to this {method} test: no column {lacking}")
    rows, notes = session_rows(table, *names)
    given = list((_choices if key.method == "abx" else _rated)(table, rows, key))
    for one in given:
        check_answer(one, key)
    return given, notes


def _choices(table: Table, rows: Sequence[SessionRow], key: Key) -> Iterator[Given]:
    for row in rows:
        where, is_right = f"{table.path}:{row.line}", row.text.lower() == "correct"
        yield Given(row.listener, row.trial, {}, is_right, row.line, where, key.test)


def _rated(table: Table, rows: Sequence[SessionRow], key: Key) -> Iterator[Given]:
    ratings: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        rated = ratings.setdefault((row.listener, row.trial), {})
        rated[_stimulus(key, row.trial, row.stimulus)] = number(table, row.line, row.text)
    for (listener, trial), rated in ratings.items():
        yield Given(listener, trial, rated, None, 0, str(table.path), key.test)


def _stimulus(key: Key, trial: str, name: str) -> str:
    """Our name of what webMUSHRA calls so."""
    known = key.trials[trial].stimuli if trial in key.trials else {}
    if name in known:
        return name
    own = {"reference": "reference", "anchor35": "anchor_3500", "anchor70": "anchor_7000"}
    return next((one for one, (codec, _) in known.items() if codec == own.get(name)), name)
