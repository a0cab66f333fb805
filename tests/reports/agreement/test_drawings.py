"""The page and the figures, from one agreement."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from snac_eval.reports.agreement.drawing import MAX_POINTS, thinned
from snac_eval.reports.agreement.figure import forest_figure, scatter_figure
from snac_eval.reports.agreement.page import agreement_page
from snac_eval.results.agreement.shapes import Point
from tests.reports.agreement.made import CODECS, agreement, metric

_EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def page() -> str:
    return agreement_page(agreement(metric("pesq_wb", 0.5, clip=_EVIL), data=_EVIL))


def test_the_page_loads_nothing_and_names_are_text(page: str) -> None:
    assert _EVIL not in page
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", page)


def test_every_mark_says_codec_clip_and_figures(page: str) -> None:
    svgs = re.findall(r"<svg .*?</svg>", page, re.DOTALL)
    forest, scatter = map(ElementTree.fromstring, svgs)
    titles = [one.text or "" for one in scatter.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == 14  # six clips and a mean of each codec
    assert any("first, mean over clips: 0.000, rated 61.00" in title for title in titles)
    assert any(f"second, {_EVIL}3: 2.300, rated 62.00" in title for title in titles)
    said = [one.text or "" for one in forest.iter("{http://www.w3.org/2000/svg}title")]
    assert said == [
        "PESQ-WB, over clips: 0.50 (0.30 to 0.70)",
        "PESQ-WB, over codecs: 0.50 (0.10 to 0.90)",
    ]
    for letter in "AB":
        assert f'data-codec="{letter}"' in svgs[1]


def test_without_any_figure_there_is_a_page_all_the_same() -> None:
    page = agreement_page(agreement(metric("stoi", math.nan, points={}, mapped={}), codecs=CODECS))
    assert "No metric has a coefficient." in page
    assert 'id="plots"' not in page


def test_figures_have_a_panel_a_metric_and_a_row_a_metric() -> None:
    made = agreement()
    panels = [axes for axes in scatter_figure(made).axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in panels] == [
        "ρ = -0.50 (-0.70 to -0.30)",
        "ρ = -0.40 (-0.60 to -0.20)",
    ]
    (axes,) = forest_figure(made).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["Mel distance (audiotools) ↓", "PESQ-WB ↑"]
    # Towards better: the distance's coefficient is turned, the score's stands on the left.
    drawn = [float(one.get_offsets()[0][0]) for one in axes.collections]  # type: ignore[index]
    assert drawn[::2] == [0.5, -0.4]


def test_of_very_many_clips_some_are_drawn() -> None:
    points = [Point("first", str(n), n, 1.0, 0.0, 2.0, 3) for n in range(5000)]
    kept = thinned(points)
    assert len(kept) == MAX_POINTS
    assert (kept[0], kept[-1]) == (points[0], points[-1])
