"""Figures of an agreement for papers: scatter plots in small multiples, and the forest plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from snac_eval.reports.agreement.drawing import (
    ROW_IN,
    Look,
    codec_order,
    forest,
    forest_label,
    scatter,
    scatter_title,
)
from snac_eval.reports.agreement.words import heading, rating_text
from snac_eval.reports.figures.style import (
    PANEL_IN,
    SMALL_PT,
    inches_of,
    mark,
    shortened,
    shown,
    style,
    width_in,
)
from snac_eval.results.agreement.shapes import Agreement, MetricAgreement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NUM_MARKS = 63
"""Colours and markers of the style repeat together after so many."""
_MARKS = [mark(index) for index in range(_NUM_MARKS)]
_LOOK = Look(
    colours=[one["color"] for one in _MARKS],
    markers=[one["marker"] for one in _MARKS],
    text="#000000",
    grid="#cccccc",
    good="#0072B2",
    bad="#D55E00",
    unclear="#666666",
    area=6,
)
_PANEL_HEIGHT_IN, _LEGEND_LINE_IN = 1.9, 0.16
_MOST_NAMES = 0.36
"""Of a figure's width, what the names of metrics may take."""


def scatter_figure(agreement: Agreement, width: str | float = "double") -> Figure:
    """A panel a metric that has points, the best first; ``width`` as in ``plot``."""
    from matplotlib.lines import Line2D

    metrics = [one for one in agreement.metrics if one.points.get("clips")]
    codecs, inches = codec_order(agreement), width_in(width)
    across = max(1, min(len(metrics), int(inches / (0.8 * PANEL_IN))))
    down = max(1, math.ceil(len(metrics) / across))
    names = [shortened(shown(codec), inches / 3) for codec in codecs]
    per_row = max(1, int(inches / (max(map(inches_of, names), default=1) + 0.45)))
    height = down * _PANEL_HEIGHT_IN + math.ceil(len(names) / per_row) * _LEGEND_LINE_IN
    with style(_texts(agreement)):
        figure = _figure(inches, height)
        places = figure.subplots(down, across, squeeze=False, sharey=True).flat
        for place, axes in enumerate(places):
            if place < len(metrics):
                _panel(axes, metrics[place], codecs, agreement, place % across == 0)
            else:
                axes.set_axis_off()
        figure.legend(
            [_handle(Line2D, index) for index in range(len(codecs))],
            names,
            loc="outside lower center",
            ncols=per_row,
            frameon=False,
            handletextpad=0.2,
            borderaxespad=0.2,
        )
    return figure


def forest_figure(agreement: Agreement, width: str | float = "single") -> Figure:
    """Every metric that has a coefficient, the best on top; ``width`` as in ``plot``."""
    metrics = ranked(agreement.metrics)
    inches = width_in(width)
    with style(_texts(agreement)):
        figure = _figure(inches, 0.62 + ROW_IN * max(1, len(metrics)))
        axes = figure.add_subplot()
        for _ in forest(axes, metrics, _LOOK):
            pass
        names = [shortened(shown(heading(one).printed), _MOST_NAMES * inches) for one in metrics]
        axes.set_yticks(range(len(metrics)), names)
        axes.tick_params(labelsize=SMALL_PT, width=0.6)
        axes.set_xlabel(_two_lines(forest_label(agreement)))
    return figure


def ranked(metrics: Sequence[MetricAgreement]) -> list[MetricAgreement]:
    """Those with a coefficient over clips."""
    return [one for one in metrics if not math.isnan(one.spearman("clips").value)]


def _panel(
    axes: Axes, one: MetricAgreement, codecs: Sequence[str], agreement: Agreement, is_first: bool
) -> None:
    scatter(axes, one, codecs, _LOOK)
    axes.set_title(_two_lines(shown(scatter_title(one)), " ρ"), fontsize=SMALL_PT, loc="left")
    axes.set_xlabel(shortened(shown(heading(one).printed), 0.8 * PANEL_IN), fontsize=SMALL_PT)
    if is_first:
        axes.set_ylabel(rating_text(agreement).partition(" (")[0], fontsize=SMALL_PT)
    axes.tick_params(labelsize=SMALL_PT, width=0.6)


def _two_lines(text: str, at: str = ": ") -> str:
    before, sign, after = text.partition(at)
    return f"{before}\n{(sign + after).removeprefix(': ').strip()}" if sign else text


def _figure(inches: float, height: float) -> Figure:
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from snac_eval.reports.figures.shown import ShownFigure

    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.04, hspace=0.04)
    return ShownFigure(figsize=(inches, height), layout=layout)


def _handle(line: Any, index: int) -> Any:  # noqa: ANN401 - matplotlib's, imported late
    colour, marker = _LOOK.mark(index)
    edge = {"markeredgecolor": "black", "markeredgewidth": 0.5}
    return line([], [], linestyle="", color=colour, marker=marker, **edge)


def _texts(agreement: Agreement) -> list[str]:
    named = [heading(one).printed for one in agreement.metrics]
    return [*map(shown, [*agreement.codecs, *named]), "ρ"]
