"""Figures for papers: quality over rate, speed, streams or steps of training, and boxes of clips.

matplotlib is imported when something is drawn.
"""

from snac_eval.reports.figures.captions import caption
from snac_eval.reports.figures.content import KINDS, Content, Kind, content
from snac_eval.reports.figures.drawing import draw, plot, save
from snac_eval.reports.figures.style import SUFFIXES, WIDTHS_CM, suffix

__all__ = [
    "KINDS",
    "SUFFIXES",
    "WIDTHS_CM",
    "Content",
    "Kind",
    "caption",
    "content",
    "draw",
    "plot",
    "save",
    "suffix",
]
