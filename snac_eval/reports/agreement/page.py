"""``agreement.html``: one self-contained page that says which metric to believe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from snac_eval.reports.agreement.drawing import (
    FOREST_LABEL,
    MAX_POINTS,
    ROW_IN,
    Look,
    codec_order,
    forest,
    scatter,
    scatter_title,
)
from snac_eval.reports.agreement.figure import ranked
from snac_eval.reports.agreement.table import agreement_grid, differences_grid
from snac_eval.reports.agreement.words import (
    caption,
    heading,
    left_out,
    listener_facts,
    notes,
    rating_text,
    sentences,
)
from snac_eval.reports.html import canvas
from snac_eval.reports.html.data import in_script
from snac_eval.reports.html.groups import letter
from snac_eval.reports.html.render import AGREEMENT_SCRIPTS, render
from snac_eval.results.agreement.shapes import Agreement, MetricAgreement
from snac_eval.writing import write_text

_SIGNS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", "*": "★"}
_LOOK = Look(
    colours=canvas.SERIES,
    markers=canvas.MARKERS,
    text=canvas.TEXT,
    grid=canvas.GRID,
    good=canvas.SERIES[0],
    bad=canvas.SERIES[1],
    unclear=canvas.SERIES[7],
    area=10,
)
_PANEL_IN, _AXIS_IN, _NAMES_IN = 3.0, 0.65, 1.9
_CHARACTERS = 28
"""Of a metric's name, what stands beside the forest."""


@dataclass(frozen=True, slots=True)
class _Drawing:
    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    colour: int
    marker: str


def write_agreement_page(agreement: Agreement, path: Path) -> None:
    """Write the page. Raises OutputError where it cannot be written."""
    write_text(path, agreement_page(agreement))


def agreement_page(agreement: Agreement) -> str:
    """The page's HTML: it loads nothing, and reads without scripts."""
    names = codec_order(agreement)
    drawn = [one for one in agreement.metrics if one.points.get("clips")]
    most = max((len(one.points["clips"]) for one in drawn), default=0)
    thinned = f"; {MAX_POINTS} of {most} clips are drawn" if most > MAX_POINTS else ""
    context = {
        "title": agreement.data,
        "caption": caption(agreement),
        "left_out": list(left_out(agreement.left_out)),
        "forest": _forest(agreement),
        "sentences": list(sentences(agreement)),
        "grid": replace(agreement_grid(agreement), notes=()),
        "differences": differences_grid(agreement),
        "panels": [_panel(one, names, agreement) for one in drawn],
        "thinned": thinned,
        "codecs": [
            _Codec(name, index, _SIGNS[canvas.MARKERS[index % len(canvas.MARKERS)]])
            for index, name in enumerate(names)
        ],
        "facts": list(listener_facts(agreement)),
        "notes": notes(agreement),
        "data": _data(names),
    }
    return render(context, "agreement.html.j2", AGREEMENT_SCRIPTS)


def _data(names: Sequence[str]) -> Markup:
    codecs = [
        {"letter": letter(index), "name": name, "colour": index} for index, name in enumerate(names)
    ]
    return in_script({"codecs": codecs, "datasets": [], "metrics": [], "main": "", "reasons": []})


def _panel(one: MetricAgreement, names: Sequence[str], agreement: Agreement) -> _Drawing:
    title = f"{heading(one).title}: {scatter_title(one)}"
    with canvas.figure(title, _PANEL_IN, left_in=0.5) as (figure, axes):
        titles: dict[str, list[str]] = {}
        for number, marks in enumerate(scatter(axes, one, names, _LOOK)):
            gid = f"codec-{letter(marks.codec)}-{number}"
            marks.collection.set_gid(f"{gid}-marks")
            marks.bars.set_gid(f"{gid}-bars")
            titles[f"{gid}-marks"] = list(marks.tooltips)
        axes.set_xlabel(canvas.plain(heading(one).printed))
        axes.set_ylabel(canvas.plain(rating_text(agreement)))
        # Our own drawing: its texts were escaped when it was written as XML.
        return _Drawing(title, Markup(canvas.svg(figure, title, titles)))


def _forest(agreement: Agreement) -> _Drawing | None:
    metrics = ranked(agreement.metrics)
    if not metrics:
        return None
    title = "Spearman's ρ of each metric with listeners, 95 % intervals"
    height = _AXIS_IN + ROW_IN * len(metrics)
    with canvas.figure(title, height, left_in=_NAMES_IN, below_in=_AXIS_IN) as (figure, axes):
        titles: dict[str, list[str]] = {}
        for number, (mark, tooltip) in enumerate(forest(axes, metrics, _LOOK)):
            mark.set_gid(f"forest{number}")
            titles[f"forest{number}"] = [tooltip]
        names = [f"{_cut(heading(one).title)} {heading(one).arrow}".strip() for one in metrics]
        axes.set_yticks(range(len(names)), list(map(canvas.plain, names)), fontsize=8)
        figure.text(0.5, 0.08 / height, "\n".join(FOREST_LABEL), ha="center", fontsize=8)
        return _Drawing(title, Markup(canvas.svg(figure, title, titles)))


def _cut(name: str) -> str:
    return name if len(name) <= _CHARACTERS else f"{name[: _CHARACTERS - 1]}…"
