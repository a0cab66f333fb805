"""BibTeX: a card's ``cite`` names an entry of ``citations.bib`` in a folder of cards.

Entries are printed as they stand there. A card without ``cite`` gets an entry that quotes its
``citation``; one whose citation is empty or begins with "none:" has nothing to cite.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from snac_eval.errors import CardError, detail
from snac_eval.reports.text import latex_text
from snac_eval.types import CodecCard, DatasetCard
from snac_eval.writing import read_text

FILE = "citations.bib"
_START = re.compile(r"^@(?P<type>[A-Za-z]+)\s*\{\s*(?P<key>[^\s,{}]+)\s*,", re.MULTILINE)


def card_entry(card: CodecCard | DatasetCard, folders: Sequence[Path]) -> str:
    """The BibTeX entry of a card; empty where there is nothing to cite.

    ``folders`` are those of cards, the last of which goes before the others. Raises CardError where
    the card names an entry that none of them has.
    """
    if card.cite:
        return _named(card, folders)
    if not card.citation or card.citation.startswith("none:"):
        return ""
    key = re.sub(r"[^A-Za-z0-9.:_-]", "-", card.name)
    return (
        f"@misc{{{key},\n  title = {{{latex_text(card.name)}}},\n"
        f"  note  = {{{latex_text(card.citation)}}},\n}}"
    )


def entries(text: str) -> dict[str, str]:
    """Key to entry, in the text's order. Raises ValueError for braces that do not close and for a
    key that stands twice."""
    found: dict[str, str] = {}
    for start in _START.finditer(text):
        if start["key"] in found:
            raise ValueError(f"the key '{start['key']}' stands twice")
        end = next(_closings(text, start.start()), None)
        if end is None:
            raise ValueError(f"the braces of '{start['key']}' do not close")
        found[start["key"]] = text[start.start() : end]
    return found


def _named(card: CodecCard | DatasetCard, folders: Sequence[Path]) -> str:
    files = [folder / FILE for folder in reversed(folders) if (folder / FILE).is_file()]
    for file in files:
        try:
            known = entries(read_text(file))
        except (OSError, ValueError) as error:
            raise CardError(f"{file}: cannot be read: {detail(error)}") from error
        if card.cite in known:
            return known[card.cite]
    looked = ", ".join(map(str, files)) or f"there is no {FILE} beside it"
    raise CardError(f"card '{card.name}': cite is '{card.cite}', which is not there ({looked})")


def _closings(text: str, start: int) -> Iterator[int]:
    """Where the brackets opened from here on are all closed again."""
    depth = 0
    for place in re.compile(r"(?<!\\)[{}]").finditer(text, start):
        depth += 1 if place[0] == "{" else -1
        if depth == 0:
            yield place.end()
