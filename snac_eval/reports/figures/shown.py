"""The figure that a notebook shows, although pyplot knows nothing of it."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

from snac_eval.reports.figures.style import style

_DPI = 150


class ShownFigure(Figure):
    """A matplotlib figure that is shown where a notebook's cell ends in it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with style():
            self.savefig(buffer, format="png", dpi=_DPI)
        return buffer.getvalue()
