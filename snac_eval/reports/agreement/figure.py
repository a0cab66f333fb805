"""Figures of an agreement for papers: scatter plots in small multiples, and the forest plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from snac_eval.reports.agreement.drawing import (
    FOREST_LABEL,
    ROW_IN,
    Look,
    codec_order,
    forest,
    scatter,
    scatter_title,
)
from snac_eval.reports.agreement.words import heading, rating_text, with_arrow
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
_BOX_IN, _AROUND_IN, _BELOW_IN = 1.3, 0.62, 0.4
"""Heights of a panel, of what stands above and below it, and of that what stands below."""
_LEFT_IN, _BETWEEN_IN, _LEGEND_LINE_IN, _AXIS_IN = 0.45, 0.22, 0.16, 0.62
_MOST_NAMES = 0.42
"""Of a figure's width, what the names of metrics may take."""


def scatter_figure(agreement: Agreement, width: str | float = "double") -> Figure:
    """A panel a metric that has points, the best first; ``width`` as in ``plot``."""
    metrics = [one for one in agreement.metrics if one.points.get("clips")]
    codecs, inches = codec_order(agreement), width_in(width)
    across = max(1, min(len(metrics), int(inches / (0.8 * PANEL_IN))))
    down = max(1, math.ceil(len(metrics) / across))
    names = [shortened(shown(codec), inches / 3) for codec in codecs]
    per_row = max(1, int(inches / (max(map(inches_of, names), default=1) + 0.45)))
    legend_in = math.ceil(len(names) / per_row) * _LEGEND_LINE_IN + 0.1
    with style(_texts(agreement)):
        figure = _figure(inches, down * (_BOX_IN + _AROUND_IN) + legend_in)
        places = figure.subplots(down, across, squeeze=False, sharey=True)
        _set_margins(figure, down, across, legend_in)
        for place, axes in enumerate(places.flat):
            if place < len(metrics):
                _panel(axes, metrics[place], codecs, agreement, place % across == 0)
            else:
                axes.set_axis_off()
        _add_legend(figure, names, per_row)
    return figure


def _set_margins(figure: Figure, down: int, across: int, legend_in: float) -> None:
    """Fixed: a layout that is fitted takes as long as five drawings."""
    wide, tall = figure.get_size_inches()
    box = (wide - _LEFT_IN - 0.1 - (across - 1) * _BETWEEN_IN) / across
    figure.subplots_adjust(
        left=_LEFT_IN / wide,
        right=1 - 0.1 / wide,
        bottom=(legend_in + _BELOW_IN) / tall,
        top=1 - (_AROUND_IN - _BELOW_IN) / tall,
        wspace=_BETWEEN_IN / box,
        hspace=_AROUND_IN / _BOX_IN,
    )


def _add_legend(figure: Figure, names: Sequence[str], per_row: int) -> None:
    from matplotlib.lines import Line2D

    edge: dict[str, Any] = {"markeredgecolor": "black", "markeredgewidth": 0.5, "linestyle": ""}
    handles = []
    for index in range(len(names)):
        colour, marker = _LOOK.mark(index)
        handles.append(Line2D([], [], color=colour, marker=marker, **edge))
    figure.legend(
        handles,
        names,
        loc="lower center",
        ncols=per_row,
        frameon=False,
        handletextpad=0.2,
        borderaxespad=0.2,
        borderpad=0.1,
        labelspacing=0.3,
    )


def forest_figure(agreement: Agreement, width: str | float = "single") -> Figure:
    """Every metric that has a coefficient, the best on top; ``width`` as in ``plot``."""
    metrics, inches = ranked(agreement.metrics), width_in(width)
    height = _AXIS_IN + ROW_IN * max(1, len(metrics))
    with style(_texts(agreement)):
        names = [shortened(shown(with_arrow(one)), _MOST_NAMES * inches) for one in metrics]
        figure = _figure(inches, height)
        left = (max(map(inches_of, names), default=0.5) + 0.12) / inches
        axes = figure.add_axes((left, _AXIS_IN / height, 0.97 - left, 1 - _AXIS_IN / height))
        for _ in forest(axes, metrics, _LOOK):
            pass
        axes.set_yticks(range(len(metrics)), names)
        axes.tick_params(labelsize=SMALL_PT, width=0.6)
        # In the middle of the figure: beside long names the axis is narrower than this.
        figure.text(0.5, 0.04 / height, "\n".join(FOREST_LABEL), ha="center", fontsize=SMALL_PT)
    return figure


def ranked(metrics: Sequence[MetricAgreement]) -> list[MetricAgreement]:
    """Those with a coefficient over clips."""
    return [one for one in metrics if not math.isnan(one.spearman("clips").value)]


def _panel(
    axes: Axes, one: MetricAgreement, codecs: Sequence[str], agreement: Agreement, is_first: bool
) -> None:
    scatter(axes, one, codecs, _LOOK)
    axes.set_title(scatter_title(one), fontsize=SMALL_PT, loc="left", pad=3)
    name = shortened(shown(heading(one).printed), 0.8 * PANEL_IN)
    axes.set_xlabel(name, fontsize=SMALL_PT, labelpad=2)
    if is_first:
        axes.set_ylabel(rating_text(agreement).partition(" (")[0], fontsize=SMALL_PT)
    axes.tick_params(labelsize=SMALL_PT, width=0.6)


def _figure(inches: float, height: float) -> Figure:
    from snac_eval.reports.figures.shown import ShownFigure

    return ShownFigure(figsize=(inches, height))


def _texts(agreement: Agreement) -> list[str]:
    named = [heading(one).printed for one in agreement.metrics]
    return [*map(shown, [*agreement.codecs, *named]), "ρ"]
