"""How figures look: sizes, colours, marks, fonts, and names that fit.

Colours are those of Okabe and Ito, which people tell apart who see few colours. Marks and line
styles tell the lines apart in grey. The numbers of the three share no factor, so that more than 300
lines all differ.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from snac_eval.errors import UsageError

WIDTHS_CM = {"single": 8.5, "double": 17.5}
"""Of a paper's column and of its page, as most journals and conferences have them."""
SUFFIXES = (".pdf", ".svg", ".png")
"""Formats that a figure can be saved in, by the file's suffix."""
NARROWEST_CM, WIDEST_CM = 5.0, 100.0
PANEL_IN = 2.6
"""The least width of a panel that stands beside another."""
FONT_PT, SMALL_PT = 8.0, 7.0
_COLOURS = ("#0072B2", "#E69F00", "#000000", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p")
_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (8, 2)))
_FONT = "DejaVu Sans"
"""It comes with matplotlib: figures are the same on every machine."""
# Any: matplotlib's own type for it spells out every key.
_STYLE: Any = {
    "text.parse_math": False,
    "text.usetex": False,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "snac-eval",
    "font.size": FONT_PT,
    "axes.titlesize": FONT_PT,
    "axes.labelsize": FONT_PT,
    "legend.fontsize": SMALL_PT,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "savefig.dpi": 300,
}


@contextmanager
def style(texts: Iterable[str] = ()) -> Iterator[None]:
    """Everything drawn within looks like a figure of ours, whatever the user's own settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | {"font.family": fonts("".join(texts))})
        yield


def mark(index: int) -> dict[str, Any]:
    """Colour, marker and line style of the line of this number, as matplotlib calls them."""
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "linestyle": _LINES[index % len(_LINES)],
    }


def width_in(width: str | float) -> float:
    """Inches of ``single``, ``double``, or so many centimetres. Raises UsageError for others."""
    try:
        size = WIDTHS_CM.get(str(width)) or float(width)
    except ValueError:
        size = math.nan
    if not NARROWEST_CM <= size <= WIDEST_CM:
        raise UsageError(
            f"width {width}: give {', '.join(WIDTHS_CM)} or {NARROWEST_CM:g} to"
            f" {WIDEST_CM:g} centimetres"
        )
    return size / 2.54


def shortened(text: str, inches: float) -> str:
    """In small letters at most so wide; the middle of a longer text is left out: names of codecs
    differ at their ends."""
    if inches_of(text) <= inches:
        return text
    kept = bisect_right(range(1, len(text)), inches, key=lambda kept: inches_of(_cut(text, kept)))
    return _cut(text, kept)


def _cut(text: str, kept: int) -> str:
    tail = kept // 2
    return f"{text[: kept - tail]}…{text[len(text) - tail :]}"


def wrapped(text: str, inches: float) -> str:
    """In one line or, broken where both halves are shortest, in two, each at most so wide."""
    if inches_of(text) <= inches or " " not in text:
        return shortened(text, inches)
    words = shortened(text, 1.8 * inches).split(" ")
    halves = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    best = min(halves, key=lambda both: max(map(inches_of, both)))
    return "\n".join(shortened(half, inches) for half in best)


def inches_of(text: str) -> float:
    """How wide a text is in small letters."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=fonts(text), size=SMALL_PT)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72


def one_line(text: str) -> str:
    """The text without line breaks and what else would not print."""
    return "".join(one if one.isprintable() else " " for one in " ".join(text.split()))


def shown(text: str) -> str:
    """The text in one line, a question mark for a letter that no font here has."""
    line = one_line(text)
    known = set().union(*(_letters(_files()[family]) for family in fonts(line)))
    return "".join(one if ord(one) in known else "?" for one in line)


@cache
def fonts(text: str) -> list[str]:
    """The families that together have the letters of this text: ours, and what else it needs."""
    missing = {ord(letter) for letter in text if letter.isprintable()}
    found = [_FONT]
    missing -= _letters(_files()[_FONT])
    while missing:
        best = max(_files(), key=lambda family: len(missing & _letters(_files()[family])))
        if not missing & _letters(_files()[best]):
            break
        missing -= _letters(_files()[best])
        found.append(best)
    return found


@cache
def _files() -> dict[str, str]:
    """A file of each family that is installed; not of that which has a box for every letter."""
    from matplotlib.font_manager import findfont, fontManager

    plain = [font for font in fontManager.ttflist if font.style == "normal"]
    named = {font.name: font.fname for font in plain if "Last Resort" not in font.name}
    return dict(sorted(named.items())) | {_FONT: str(findfont(_FONT))}


@cache
def _letters(file: str) -> frozenset[int]:
    """The letters of a font; none of one that cannot be drawn, such as coloured pictures."""
    from matplotlib.font_manager import get_font

    try:
        font = get_font(file)
    except RuntimeError:
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()


def suffix(path: Path) -> str:
    """The format that a path asks for. Raises UsageError for one that there is not."""
    if (found := path.suffix.lower()) not in SUFFIXES:
        raise UsageError(f"{path}: name a file that ends in {', '.join(SUFFIXES)}")
    return found.removeprefix(".")
