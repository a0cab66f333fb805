"""What a codec is, as far as its card says: what the rows of a board can be picked by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from snac_eval.results.record import Run

Kind = Literal["neural", "classical", "not stated"]
_CLASSICAL = frozenset({"codec2", "lc3", "pcm", "pyav"})
"""Families of cards whose codecs learned nothing."""


@dataclass(frozen=True, slots=True)
class Traits:
    """Of one codec."""

    family: str
    """What the codecs of one name have in common: the card's series, else its family."""
    kind: Kind
    """Neural where its card names weights or codebooks; not stated for files and commands."""
    licence: str
    """Of code and weights; empty where the card names none."""


def traits(run: Run) -> Traits:
    """What the card of a run's codec says, as the run recorded it."""
    card: Mapping[str, Any] = run.manifest.get("codec", {}).get("card", {})
    family = str(card.get("family") or "")
    learned = bool(card.get("weights") or card.get("codebook_sizes"))
    kind: Kind = "neural" if learned else "not stated"
    return Traits(
        family=str(card.get("series") or family),
        kind="classical" if family in _CLASSICAL else kind,
        licence=str(card.get("licence") or ""),
    )
