"""From a page to its HTML: one layout, one style, scripts allowed by hash.

Each page has its style and script within it and asks for nothing, so that it works from a web
server, from a folder and from a single saved file. Style, tables, plots and players are those of
``report.html``: its files are read where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from snac_eval.reports.html import render as report
from snac_eval.reports.html.data import in_script
from snac_eval.site.pages import ABOUT, CODECS, DATASETS, HOME, Page

if TYPE_CHECKING:
    from jinja2 import Environment

NAME = "snac-eval leaderboard"
NAVIGATION = ((HOME, "Boards"), (CODECS, "Codecs"), (DATASETS, "Datasets"), (ABOUT, "About"))
STYLES = ("report.css", "site.css", "board.css")
SCRIPTS = ("data.js", "state.js", "tables.js", "downloads.js", "figures.js", "picking.js")
"""Every page's, in this order; then those of its template, and ``site.js``, which starts all."""
PLAYERS = ("spectrum.js", "player.js", "blind.js")
OWN_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "board.html.j2": ("board.js",),
    "codec.html.j2": PLAYERS,
    "dataset_page.html.j2": PLAYERS,
}
"""By template what its pages have beside :data:`SCRIPTS`."""
NO_DATA: Mapping[str, Any] = {
    "codecs": [],
    "metrics": [],
    "datasets": [],
    "reasons": [],
    "main": "",
}
"""What the report's scripts find where a page has no scores of single clips."""


def render(page: Page, repository: str = "") -> str:
    """The page's HTML. ``repository`` is the address where submissions go, where one is known.

    A template extends ``base.html.j2`` and has the page's context, ``page`` itself, and ``data``:
    the JSON that scripts read, empty unless the context has one.
    """
    scripts = (*SCRIPTS, *OWN_SCRIPTS.get(page.template, ()), "site.js")
    site = {
        "name": NAME,
        "version": version("snac-eval"),
        "navigation": NAVIGATION,
        "section": page.address.rpartition("/")[0],
        "repository": external(repository),
    }
    context: dict[str, Any] = {"data": in_script(NO_DATA)}
    context |= page.context
    context |= {"page": page, "site": site}
    context |= report.inline(map(read, scripts), map(read, STYLES))
    return _environment().get_template(page.template).render(context)


def external(address: str) -> str:
    """The address of a page elsewhere if it is one that a link may lead to: http or https."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return ""
    return address.strip() if parts.scheme in ("http", "https") and parts.netloc else ""


@cache
def read(name: str) -> str:
    """The text of a template, style or script: the site's own, else the report's."""
    own = files("snac_eval.site").joinpath("templates", name)
    return own.read_text(encoding="utf-8") if own.is_file() else report.read(name)


@cache
def _environment() -> Environment:
    made = report.environment(read)
    made.filters["external"] = external
    return made
