"""From templates to the text of a page: one file, whose script its policy allows by hash."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from snac_eval.reports.text import metric_title

if TYPE_CHECKING:
    from jinja2 import Environment, Template

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
    return template(name).render(**context, **inline(map(read, scripts), map(read, STYLES)))


def inline(scripts: Iterable[str], styles: Iterable[str]) -> dict[str, str]:
    """What a template writes into its page: ``script``, its ``script_hash``, and ``style``."""
    script = '"use strict";\n' + "\n".join(scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    style = Markup("\n".join(styles))
    return {"script": Markup(script), "script_hash": digest, "style": style}


def drawn_by() -> str:
    """Everything that decides how a page looks: its templates, styles and scripts."""
    return "\n".join(map(read, (*TEMPLATES, *STYLES, *SCRIPTS)))


@cache
def template(name: str) -> Template:
    """A template beside the scripts; whatever is put into it is escaped."""
    return environment(read).get_template(name)


def environment(load: Callable[[str], str]) -> Environment:
    """What makes templates of the texts that ``load`` gives; whatever is put in is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"seconds": _seconds, "metric_title": metric_title}
    return made


@cache
def read(name: str) -> str:
    """The text of a file beside the templates."""
    return files("snac_eval.reports.html").joinpath("templates", name).read_text(encoding="utf-8")


def _seconds(seconds: float) -> str:
    return "–" if math.isnan(seconds) else f"{seconds:.1f} s"
