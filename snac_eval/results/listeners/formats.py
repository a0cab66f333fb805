"""Ratings of listening tests from the files that tests leave.

Four kinds are told apart by their first line: a table with a row a rating (``long``), the CSV of
webMUSHRA (``webmushra``), answers of crowds as Amazon Mechanical Turk returns them to the P.808
toolkit (``p808``), and what our own test collects (``answers``), which needs the test's key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import unquote, urlsplit

from snac_eval.errors import RatingsError, UsageError, readable
from snac_eval.results.listeners.answers import answered_ratings, are_answers
from snac_eval.results.listeners.ratings import Rating, Ratings, Role, Scale
from snac_eval.results.listeners.roles import first_outside, roles, scale_of
from snac_eval.results.listeners.tables import Table, file_text, number, read_table
from snac_eval.results.listeners.webmushra import session_rows

RatingsKind = Literal["long", "webmushra", "p808", "answers"]
KINDS: tuple[RatingsKind, ...] = get_args(RatingsKind)
COLUMNS = ("clip_id", "codec", "listener", "rating")
"""What a table of ratings has, and what ``columns`` maps from."""
_ALSO = {
    "clip_id": ("clip_id", "clip", "item", "clip_name"),
    "codec": ("codec", "condition", "system", "codec_name"),
    "listener": (
        "listener",
        "listener_id",
        "assessor",
        "subject",
        "participant",
        "worker_id",
        "workerid",
    ),
    "rating": ("rating", "score", "vote", "mos", "value"),
}
_ELSEWHERE = {
    "choice_reference": "webMUSHRA's paired comparisons: choices, no ratings",
    "rating_non_reference": "webMUSHRA's BS.1116 pages: differences of pairs, no ratings of codecs",
    "stimuli_rating": "webMUSHRA's Likert pages: their words are no scale that is known here",
    "vote_1": "the P.808 toolkit's votes by clip, which say no longer who voted",
}
_QUESTION = re.compile(r"answer\.(q_?\d+)_url", re.IGNORECASE)
_CONTROL = re.compile(r"input\.(?:tp|trap|gold)\w*", re.IGNORECASE)


@dataclass(slots=True)
class _Read:
    """What a reader of a kind found: the line of each rating, and what the kind declares."""

    rows: list[tuple[int, Rating]]
    scale: Scale | None = None
    notes: tuple[str, ...] = ()


def read_ratings(
    path: Path,
    columns: Mapping[str, str] | None = None,
    scale: Scale | None = None,
    *,
    kind: RatingsKind | None = None,
    key: Path | None = None,
    reference: str | None = None,
    anchors: Collection[str] | None = None,
    pattern: str = "",
) -> Ratings:
    """The ratings in this file.

    Args:
        path: CSV with commas, semicolons or tabs, or the JSON lines of our own test.
        columns: the file's names for some of :data:`COLUMNS`: ``{"codec": "System"}``.
        scale: what listeners were asked for; None: what the kind says, else what the numbers show.
        kind: one of :data:`KINDS`; None: by the first line.
        key: the key of our own test; None: ``NAME.key.json`` beside ``NAME.answers.jsonl``.
        reference: which codec is the hidden reference, "" for none; None: by the usual names.
        anchors: which codecs are anchors; None: by the usual names.
        pattern: for ``p808``, a regular expression with the groups ``codec`` and ``clip`` that is
            searched in each clip's address; empty: the last folder is the codec, the file the clip.

    A listener's several ratings of a stimulus become their mean, which a note says. Raises
    RatingsError with the line for what is no rating, UsageError for arguments that do not fit.
    """
    _check(columns, kind, pattern)
    text = file_text(path)
    if kind == "answers" or (kind is None and are_answers(text)):
        if columns:
            raise UsageError(f"{path}: answers to our own test have their own columns; name none")
        found = answered_ratings(path, text, key)
        return replace(found, roles={**found.roles, **_told(found, reference, anchors)})
    table = read_table(path, text)
    read = _READERS[kind or _kind(table)](table, dict(columns or {}), pattern)
    if not read.rows:
        raise RatingsError(f"{path}: holds no rating")
    asked = scale or read.scale or scale_of([row.value for _, row in read.rows], str(path))
    if outside := first_outside(read.rows, asked):
        table.refuse(*outside)
    rows, twice = merged([row for _, row in read.rows])
    again = f"{twice} ratings are the mean of several of one listener of one stimulus."
    named = roles([row.codec for row in rows], reference, anchors)
    return Ratings(rows, asked, str(path), named, (*read.notes, *([again] if twice else [])))


def merged(rows: Sequence[Rating]) -> tuple[tuple[Rating, ...], int]:
    """One rating by listener, clip and codec, the mean of several; and how many had several."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        values.setdefault((row.clip, row.codec, row.listener), []).append(row.value)
    found = tuple(
        Rating(*who, several[0] if len(several) == 1 else math.fsum(several) / len(several))
        for who, several in values.items()
    )
    return found, sum(len(several) > 1 for several in values.values())


def _told(
    found: Ratings, reference: str | None, anchors: Collection[str] | None
) -> Mapping[str, Role]:
    return {} if reference is None and anchors is None else roles(found.codecs, reference, anchors)


def _check(columns: Mapping[str, str] | None, kind: RatingsKind | None, pattern: str) -> None:
    if unknown := [name for name in columns or () if name not in COLUMNS]:
        raise UsageError(f"column {unknown[0]}: ratings have {', '.join(COLUMNS)}")
    if kind is not None and kind not in KINDS:
        raise UsageError(f"ratings of the kind {kind}: there are {', '.join(KINDS)}")
    if pattern:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise UsageError(f"pattern {pattern}: is no regular expression ({error})") from error
        if not {"codec", "clip"} <= set(groups):
            raise UsageError(f"pattern {pattern}: name its parts (?P<codec>...) and (?P<clip>...)")


def _kind(table: Table) -> RatingsKind:
    for column, what in _ELSEWHERE.items():
        if table.column(column):
            raise UsageError(f"{table.path}: holds {what}; give the file of single ratings")
    if table.column("rating_stimulus") and table.column("rating_score"):
        return "webmushra"
    if any(_QUESTION.fullmatch(name) for name in table.header):
        return "p808"
    return "long"


def _long(table: Table, columns: Mapping[str, str], _: str) -> _Read:
    """A row a rating."""
    named = [_column(table, name, columns.get(name, "")) for name in COLUMNS]
    rows = []
    for line, cells in table.rows:
        clip, codec, listener, rating = (cells[name] for name in named)
        what = zip(COLUMNS[:3], (clip, codec, listener), strict=True)
        if lacking := next((name for name, cell in what if not cell), ""):
            table.refuse(line, f"has no {lacking}")
        rows.append((line, Rating(clip, codec, listener, number(table, line, rating))))
    return _Read(rows)


def _webmushra(table: Table, columns: Mapping[str, str], _: str) -> _Read:
    """A row a rating, of whoever had the session."""
    usual = {"clip_id": "trial_id", "codec": "rating_stimulus", "rating": "rating_score"}
    trial, stimulus, answer = (
        _column(table, name, columns.get(name, usual[name])) for name in usual
    )
    told = _column(table, "listener", one) if (one := columns.get("listener")) else ""
    found, notes = session_rows(table, trial, stimulus, answer, told)
    rows = [
        (one.line, Rating(one.trial, one.stimulus, one.listener, number(table, one.line, one.text)))
        for one in found
    ]
    return _Read(rows, "mushra", notes)


def _p808(table: Table, columns: Mapping[str, str], pattern: str) -> _Read:
    """A row an assignment of a worker: votes ``Answer.q1`` or ``Answer.q1_ovrl`` on the clips whose
    addresses are in ``Answer.q1_url``. What the toolkit set as a trap or as gold is no vote."""
    worker = _column(table, "listener", columns.get("listener", "WorkerId"))
    questions = list(_questions(table, columns.get("rating", "")))
    state, rows, rejected = table.column("AssignmentStatus"), list[tuple[int, Rating]](), 0
    for line, cells in table.rows:
        if state and cells[state].lower() == "rejected":
            rejected += 1
            continue
        if not cells[worker]:
            table.refuse(line, f"has no {worker}")
        control = {cells[name] for name in table.header if _CONTROL.fullmatch(name)} - {""}
        for address, vote in questions:
            url = cells[address]
            if not url or any(one in url for one in control):
                continue
            codec, clip = _clip_of(table, line, url, pattern)
            value = number(table, line, cells[vote])
            rows.append((line, Rating(clip, codec, cells[worker], value)))
    notes = ["The toolkit's own cleaning of votes was not done here."]
    notes += [f"{rejected} rejected assignments are left out."] if rejected else []
    return _Read(rows, "acr", tuple(notes))


def _questions(table: Table, suffix: str) -> Iterator[tuple[str, str]]:
    """The columns of the address and of the vote of each question."""
    for name in table.header:
        if found := _QUESTION.fullmatch(name):
            asked = f"Answer.{found[1]}"
            endings = (f"{asked}_{suffix}",) if suffix else (asked, f"{asked}_ovrl")
            if not (vote := table.column(*endings)):
                raise UsageError(
                    f"{table.path}: has {name} and no {endings[0]}; name the votes by"
                    " --rating-column SUFFIX"
                )
            yield name, vote


def _clip_of(table: Table, line: int, url: str, pattern: str) -> tuple[str, str]:
    """Codec and clip of a clip's address."""
    try:
        place = unquote(urlsplit(url).path) if "://" in url else url
    except ValueError:
        table.refuse(line, f"'{readable(url[:80])}' is no address")
    if pattern:
        if (found := re.search(pattern, place)) and found["codec"] and found["clip"]:
            return found["codec"], found["clip"]
        table.refuse(line, f"the pattern is not found in '{readable(place[:80])}'")
    parts = [part for part in place.split("/") if part]
    if len(parts) < 2:
        said = readable(url[:80])
        table.refuse(line, f"'{said}' has no folder that names the codec and a file, the clip")
    return parts[-2], parts[-1].rpartition(".")[0] or parts[-1]


def _column(table: Table, what: str, told: str) -> str:
    """The column that was told, or one of the usual names. Raises UsageError for none."""
    if found := table.column(*((told,) if told else _ALSO[what])):
        return found
    have = ", ".join(map(readable, table.header))[:300]
    advice = "" if told else f"; say which column it is: --{what.removesuffix('_id')}-column NAME"
    raise UsageError(f"{table.path}: has no column '{told or what}', but {have}{advice}")


_READERS = {"long": _long, "webmushra": _webmushra, "p808": _p808}
