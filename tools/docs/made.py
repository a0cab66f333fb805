"""A page that is made from code or cards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Made:
    """One page of the site."""

    address: str
    """Its source below docs/, were it written by hand: ``metrics/pesq_wb.md``."""
    text: str
    """Markdown."""
    group: str = ""
    """The heading below which the navigation lists it; empty for the list itself."""
    title: str = ""
    """What the navigation calls it; empty: its own first heading."""
    source: str = ""
    """The file of the repository whose text it is; empty where it is made. Its links are that
    file's."""
