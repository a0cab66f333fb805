"""What plots of a page are drawn on: SVG that takes its colours from the page, its text still text.

matplotlib draws with stand-in colours that become CSS variables, so that one drawing serves a light
and a dark page. Each mark has a ``<title>``, which browsers show as a tooltip.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUM_COLOURS = 8
MARKERS = "os^DvPX*"
_SVG = "http://www.w3.org/2000/svg"
TEXT, GRID = "#010101", "#020202"
SERIES = [f"#0301{index:02x}" for index in range(NUM_COLOURS)]
_VARIABLES = {TEXT: "var(--text)", GRID: "var(--line)"} | {
    colour: f"var(--s{index})" for index, colour in enumerate(SERIES)
}
_WIDTH_IN = 4.6
# Any: matplotlib's own type for it spells out every key.
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "text.color": TEXT,
    "axes.edgecolor": GRID,
    "axes.labelcolor": TEXT,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
}


@contextmanager
def figure(
    title: str, height_in: float, left_in: float, below_in: float = 0.45
) -> Iterator[tuple[Figure, Axes]]:
    """A figure of the report's width, and its axes; ``below_in`` is the room below them.

    The margins are fixed: a fitted layout takes half of the time of the report. ``title`` keeps the
    ids of different drawings apart.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE | {"svg.hashsalt": title}):
        figure = Figure(figsize=(_WIDTH_IN, height_in))
        figure.patch.set_visible(False)
        left, bottom = left_in / _WIDTH_IN, below_in / height_in
        width = (_WIDTH_IN - left_in - 0.15) / _WIDTH_IN
        height = (height_in - below_in - 0.08) / height_in
        axes = figure.add_axes((left, bottom, width, height))
        axes.patch.set_visible(False)
        yield figure, axes


def svg(drawn: Figure, label: str, titles: dict[str, list[str]]) -> str:
    """The figure as SVG. ``titles`` are tooltips of the marks, by the gid of their collection; a
    gid of ``codec-B-...`` says whose something is."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    by_id = {element.get("id"): element for element in root.iter()}
    for gid, texts in titles.items():
        _add_titles(by_id[gid], texts)
    root.set("role", "img")
    root.set("aria-label", _printable(label))
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    return _themed(_own_ids(ElementTree.tostring(root, encoding="unicode")))


def _add_titles(group: ElementTree.Element, texts: Sequence[str]) -> None:
    marks = list(group.iter(f"{{{_SVG}}}use"))
    for mark, text in zip(marks, texts, strict=True):
        ElementTree.SubElement(mark, f"{{{_SVG}}}title").text = _printable(text)


def _own_ids(svg: str) -> str:
    """Drop every id that the drawing does not refer to: the next drawing has the same ones. What is
    marked as a codec's stays so."""
    svg = re.sub(r' id="codec-([A-Z]+)-[^"]*"', r' data-codec="\1"', svg)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    return re.sub(r' id="([^"]*)"', lambda hit: hit[0] if hit[1] in used else "", svg)


def _themed(svg: str) -> str:
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg


def plain(text: str) -> str:
    """Text whose letters the bundled font has: matplotlib measures with it."""
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont("DejaVu Sans")).get_charmap()
    return "".join(letter if ord(letter) in known else "?" for letter in _printable(text))


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())
