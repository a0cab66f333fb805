"""Which listeners count: the post-screening of ITU-R BS.1534-3, section 4.1.2.

A listener is left out who rates the hidden reference below 90 in more than 15 % of the trials, or
the mid-range anchor above 90 in more than 15 %. A trial on which more than a quarter of all
listeners rate that anchor above 90 does not count for the second rule: there the anchor is not much
worse than the reference. Where no anchor's name says that it is the one of 7 kHz, the second rule
is not applied, and a note says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from snac_eval.errors import RatingsError, readable
from snac_eval.results.listeners.ratings import Rating, Ratings
from snac_eval.results.listeners.roles import is_middle_anchor

GRADE = 90.0
"""What a listener may not rate the reference below, nor the anchor above."""
SHARE = 0.15
"""In more of the trials than this."""
_UNDEGRADED = 0.25


@dataclass(frozen=True, slots=True)
class Excluded:
    """A listener who does not count, and why."""

    listener: str
    reason: str


@dataclass(frozen=True, slots=True)
class Screening:
    """Ratings of the listeners who count."""

    ratings: Ratings
    excluded: tuple[Excluded, ...]
    notes: tuple[str, ...]
    """What was checked, and what could not be: sentences."""


def screen(ratings: Ratings) -> Screening:
    """The ratings less those of listeners that BS.1534-3 leaves out.

    Scales other than MUSHRA have no such rule, and keep everybody. Raises RatingsError where nobody
    is left.
    """
    if ratings.scale != "mushra":
        return Screening(ratings, (), ("No listener was screened: BS.1534-3 is for MUSHRA alone.",))
    reference = list(ratings.of_role("reference"))
    anchors, which = _anchors(ratings)
    found: dict[str, list[str]] = {}
    for listener, reason in (*_deaf(reference), *_generous(anchors, which)):
        found.setdefault(listener, []).append(reason)
    excluded = tuple(
        Excluded(one, "; ".join(found[one])) for one in ratings.listeners if one in found
    )
    if len(excluded) == len(ratings.listeners):
        raise RatingsError(
            f"{ratings.source}: post-screening after BS.1534-3 leaves out all {len(excluded)}"
            f" listeners ({readable(excluded[0].listener)}: {excluded[0].reason}); see whether the"
            " hidden reference is named rightly, or leave out the screening"
        )
    kept = ratings.without({one.listener for one in excluded})
    return Screening(kept, excluded, tuple(_notes(len(excluded), bool(reference), which)))


def _anchors(ratings: Ratings) -> tuple[list[Rating], str]:
    """The ratings of the mid-range anchor, and what it is called; none where no name tells."""
    rows = [row for row in ratings.of_role("anchor") if is_middle_anchor(row.codec)]
    return rows, ", ".join(readable(name) for name in dict.fromkeys(row.codec for row in rows))


def _deaf(reference: Collection[Rating]) -> Iterator[tuple[str, str]]:
    for listener, rows in _by_listener(reference).items():
        missed = sum(row.value < GRADE for row in rows)
        if missed > SHARE * len(rows):
            said = f"hidden reference below {GRADE:g} in {missed} of {len(rows)} trials"
            yield listener, said


def _generous(anchors: Collection[Rating], which: str) -> Iterator[tuple[str, str]]:
    by_item: dict[tuple[str, str], list[bool]] = {}
    for row in anchors:
        by_item.setdefault((row.clip, row.codec), []).append(row.value > GRADE)
    poor = {one for one, high in by_item.items() if sum(high) <= _UNDEGRADED * len(high)}
    for listener, rows in _by_listener(anchors).items():
        checked = [row for row in rows if (row.clip, row.codec) in poor]
        missed = sum(row.value > GRADE for row in checked)
        if missed > SHARE * len(checked):
            yield listener, f"{which} above {GRADE:g} in {missed} of {len(checked)} trials"


def _by_listener(rows: Collection[Rating]) -> Mapping[str, list[Rating]]:
    found: dict[str, list[Rating]] = {}
    for row in rows:
        found.setdefault(row.listener, []).append(row)
    return found


def _notes(num_excluded: int, has_reference: bool, anchors: str) -> Iterator[str]:
    who = "nobody" if not num_excluded else f"{num_excluded} listener"
    who += "s" if num_excluded > 1 else ""
    if has_reference or anchors:
        yield f"Post-screening after ITU-R BS.1534-3 left out {who}."
    else:
        yield "Nobody was screened: there is neither a hidden reference nor an anchor of 7 kHz."
        return
    if not has_reference:
        yield "There is no hidden reference: whether listeners find it was not checked."
    if not anchors:
        yield (
            "No anchor is known to be the one of 7 kHz: whether listeners rate it too high was not"
            " checked."
        )
