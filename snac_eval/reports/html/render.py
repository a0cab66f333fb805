"""From templates to the text of a page: one file, whose script its policy allows by hash."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from snac_eval.reports.text import metric_title

if TYPE_CHECKING:
    from jinja2 import Template

SCRIPTS = (
    "data.js",
    "state.js",
    "tables.js",
    "downloads.js",
    "figures.js",
    "clips.js",
    "spectrum.js",
    "player.js",
    "blind.js",
    "start.js",
)
"""Joined in this order they are the page's one script."""
AGREEMENT_SCRIPTS = (
    "data.js",
    "state.js",
    "tables.js",
    "downloads.js",
    "figures.js",
    "agreement.js",
)
"""Those of the page of an agreement."""
TEMPLATES = ("report.html.j2", "dataset.html.j2", "clip.html.j2", "table.html.j2")
STYLES = ("report.css",)


def render(
    context: Mapping[str, Any], name: str = "report.html.j2", scripts: Sequence[str] = SCRIPTS
) -> str:
    """A page's HTML, from the template of this name."""
    script = '"use strict";\n' + "\n".join(map(read, scripts))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    style = Markup("\n".join(map(read, STYLES)))
    return template(name).render(**context, script=Markup(script), script_hash=digest, style=style)


def drawn_by() -> str:
    """Everything that decides how a page looks: its templates, styles and scripts."""
    return "\n".join(map(read, (*TEMPLATES, *STYLES, *SCRIPTS)))


@cache
def template(name: str) -> Template:
    """A template beside the scripts; whatever is put into it is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seconds": _seconds, "metric_title": metric_title}
    return environment.get_template(name)


@cache
def read(name: str) -> str:
    """The text of a file beside the templates."""
    return files("snac_eval.reports.html").joinpath("templates", name).read_text(encoding="utf-8")


def _seconds(seconds: float) -> str:
    return "–" if math.isnan(seconds) else f"{seconds:.1f} s"
