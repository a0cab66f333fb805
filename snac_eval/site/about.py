"""The page that says how to read the others, and how a row gets there."""

from __future__ import annotations

from snac_eval.results.ranking import ALPHA
from snac_eval.results.stats import MIN_UNITS
from snac_eval.site.bands import BANDS, EDGES
from snac_eval.site.boards import MIN_CODECS
from snac_eval.site.pages import ABOUT, Page
from snac_eval.site.plots import READING


def about_page() -> Page:
    """It is the same whatever runs there are."""
    context = {
        "bands": [band.title for band in BANDS],
        "edges": EDGES,
        "alpha": f"{ALPHA:g}",
        "min_codecs": MIN_CODECS,
        "min_units": MIN_UNITS,
        "reading": READING,
    }
    return Page(ABOUT, "How to read this, and how to submit", "about.html.j2", context)
