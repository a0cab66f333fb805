"""How wide text is, and where its lines break."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

_BREAKS = "_-@/:. ,"


def text_width(text: str) -> int:
    """How many columns of a terminal this text takes: an ideograph two, an accent none."""
    return sum(map(_columns, text))


def wrapped(text: str, width: float, measure: Callable[[str], float] = text_width) -> list[str]:
    """Lines that are at most so wide; a word that is wider is broken, behind a ``_`` or the like
    where one is near."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if measure(joined) <= width:
            lines[-1] = joined
            continue
        pieces = _pieces(word, width, measure)
        lines = [*([] if lines == [""] else lines), *pieces]
    return lines


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _pieces(word: str, width: float, measure: Callable[[str], float]) -> list[str]:
    pieces = []
    while len(word) > 1 and measure(word) > width:
        end = 1
        while end < len(word) and measure(word[: end + 1]) <= width:
            end += 1
        near = max(word.rfind(sign, end // 2, end) for sign in _BREAKS) + 1
        end = near or end
        pieces.append(word[:end])
        word = word[end:]
    return [*pieces, word]
