"""The page of codecs names every family, and what each needs."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

from snac_eval.registry import cards
from tests.docs.reading import ROOT

PAGE = (ROOT / "docs" / "codecs.md").read_text(encoding="utf-8")
ROWS = {
    row[0].strip(" `"): " ".join(row[1:])
    for line in PAGE.partition("## Families")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| `") and (row := line.strip("|").split("|"))
}
FAMILIES = {
    entry.name: entry
    for entry in entry_points(group="snac_eval.codecs")
    if entry.value.startswith("snac_eval.")
}


def test_every_family_has_its_row() -> None:
    assert sorted(ROWS) == sorted(FAMILIES)


def test_a_row_names_the_extras_and_the_environments_of_its_family() -> None:
    needed: dict[str, set[str]] = {name: set() for name in FAMILIES}
    for name, entry in FAMILIES.items():
        needed[name] |= {f"extra `{extra}`" for extra in entry.extras}
    for card in map(cards.read_codec_card, cards.card_files("codecs").values()):
        if card.environment:
            needed[card.family].add(f"environment `{card.environment}`")
    told = {
        name: set(re.findall(r"(?:extra|environment) `[\w.]+`", row)) for name, row in ROWS.items()
    }
    assert told == needed
