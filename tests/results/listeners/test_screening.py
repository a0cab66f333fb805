"""Who counts after ITU-R BS.1534-3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from snac_eval.errors import RatingsError
from snac_eval.results.listeners.ratings import Rating, Ratings
from snac_eval.results.listeners.screening import screen
from tests.results.listeners.drawn import ratings

CODECS = {"ref": 100.0, "opus": 50.0, "anchor": 10.0, "anchor_7000": 30.0}


def _changed(found: Ratings, listener: str, codec: str, clips: int, value: float) -> Ratings:
    """The ratings with this one in the first so many clips."""

    def change(row: Rating) -> Rating:
        here = (row.listener, row.codec) == (listener, codec) and int(row.clip[4:]) < clips
        return replace(row, value=value) if here else row

    return replace(found, rows=tuple(map(change, found.rows)))


def test_who_misses_the_reference_in_more_than_15_percent_is_out() -> None:
    drawn = ratings(CODECS, clips=20)
    assert not screen(_changed(drawn, "l1", "ref", 3, 89)).excluded  # 15 % is not more
    found = screen(_changed(drawn, "l1", "ref", 4, 89))
    assert [(one.listener, one.reason) for one in found.excluded] == [
        ("l1", "hidden reference below 90 in 4 of 20 trials")
    ]
    assert "l1" not in found.ratings.listeners
    assert len(found.ratings.listeners) == 5
    assert found.notes == ("Post-screening after ITU-R BS.1534-3 left out 1 listener.",)


def test_who_rates_the_middle_anchor_too_high_is_out() -> None:
    drawn = ratings(CODECS, clips=20)
    assert not screen(_changed(drawn, "l1", "anchor", 20, 95)).excluded  # not the middle one
    (one,) = screen(_changed(drawn, "l1", "anchor_7000", 4, 91)).excluded
    assert one.reason == "anchor_7000 above 90 in 4 of 20 trials"


def test_a_trial_whose_anchor_many_take_for_good_does_not_count() -> None:
    drawn = ratings(CODECS, clips=8)
    for listener in ("l1", "l2"):  # a third of six
        drawn = _changed(drawn, listener, "anchor_7000", 2, 95)
    assert not screen(drawn).excluded


def test_what_could_not_be_checked_is_said() -> None:
    assert "no hidden reference" in " ".join(screen(ratings({"a": 1, "anchor_7000": 2})).notes)
    for test in ({"a": 1, "ref": 100}, {"a": 1, "ref": 100, "anchor": 95}):
        found = screen(ratings(test))
        assert not found.excluded
        assert "No anchor is known to be the one of 7 kHz" in " ".join(found.notes)
    assert "neither" in screen(ratings({"a": 1})).notes[0]
    votes = screen(ratings({"ref": 1, "a": 2}, scale="acr"))
    assert (votes.excluded, len(votes.notes)) == ((), 1)
    assert "MUSHRA alone" in votes.notes[0]


def test_a_reference_that_nobody_finds_is_an_error() -> None:
    with pytest.raises(RatingsError, match="leaves out all 6 listeners"):
        screen(ratings({"ref": 40, "a": 50}))
