"""Results of webMUSHRA: rows of whoever had a session.

Where its files have no ``session_uuid``, what participants said of themselves tells sessions apart.
It is not taken over, but for a code that was asked for as ``listener``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snac_eval.results.listeners.tables import Table

_NO_SESSIONS = "No session_uuid: each session counts as a listener, whoever had it."


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One answer."""

    line: int
    listener: str
    trial: str
    stimulus: str
    text: str
    """The answer as the file has it."""


def session_rows(
    table: Table, trial: str, stimulus: str, answer: str, listener: str = ""
) -> tuple[list[SessionRow], tuple[str, ...]]:
    """The rows of a file of webMUSHRA by the names of its columns, and what must be known of them.

    ``listener`` empty: the column that says who it was, if there is one. Raises RatingsError with
    the line of a row that lacks something.
    """
    who = listener or table.column("session_uuid") or table.column("listener")
    people = _Sessions(() if who else table.header[: table.header.index(trial)])
    rows = []
    for line, cells in table.rows:
        place = (cells[trial], cells[stimulus])
        if not all(place):
            table.refuse(line, f"has no {trial if cells[stimulus] else stimulus}")
        person = cells[who] if who else people.listener(cells, place)
        if not person:
            table.refuse(line, f"has no {who}")
        rows.append(SessionRow(line, person, *place, cells[answer]))
    return rows, () if who else (_NO_SESSIONS,)


class _Sessions:
    """Who a row is of where sessions have no number: another one begins where another person's
    particulars do, or where a stimulus comes again."""

    def __init__(self, particulars: Sequence[str] = ()) -> None:
        self._particulars = particulars
        self._person: list[str] | None = None
        self._seen: set[tuple[str, str]] = set()
        self._count = 0

    def listener(self, cells: Mapping[str, str], stimulus: tuple[str, str]) -> str:
        """``session_3``."""
        person = [cells[name] for name in self._particulars]
        if person != self._person or stimulus in self._seen:
            self._person, self._seen, self._count = person, set(), self._count + 1
        self._seen.add(stimulus)
        return f"session_{self._count}"
