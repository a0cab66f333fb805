"""Where a link leads: on GitHub a file of the repository, on the site its page, or that file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2`*[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(
    r"(?P<before>!?\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\()(?P<to>[^()\s]+)(?P<after>\))"
)
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:|#|//", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Site:
    """What there is beside docs/."""

    pages: Mapping[str, str]
    """By the file's path in the repository, the address of its page's source on the site."""
    repository: str = ""
    """``https://github.com/OWNER/NAME``; empty where it is not known."""


def links(text: str) -> list[str]:
    """Targets of the text's links, in order; those in code are none."""
    found: list[str] = []

    def note(link: re.Match[str]) -> str:
        found.append(link["to"])
        return link[0]

    _outside_code(text, lambda part: _LINK.sub(note, part))
    return found


def for_site(
    text: str, source: str, address: str, site: Site, missing: Callable[[str], None]
) -> str:
    """The text of the file ``source`` of the repository as the page ``address`` needs it.

    ``missing`` is told of each target that the repository does not have.
    """

    def turned(link: re.Match[str]) -> str:
        if _ABSOLUTE.match(link["to"]):
            return link[0]
        path, mark, anchor = link["to"].partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if target in site.pages:
            to = posixpath.relpath(site.pages[target], posixpath.dirname(address) or ".")
            return f"{link['before']}{to}{mark}{anchor}{link['after']}"
        if target.startswith("docs/"):
            # Of this site, or made for it: mkdocs checks that.
            to = posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(address) or ".")
            return f"{link['before']}{to}{mark}{anchor}{link['after']}"
        if not Path(target).exists():
            missing(link["to"])
        if site.repository:
            kind = "tree" if Path(target).is_dir() else "blob"
            return f"{link['before']}{site.repository}/{kind}/HEAD/{target}{mark}{anchor})"
        return f"{link['text']} (`{target}`)" if link["text"] != target else f"`{target}`"

    return _outside_code(text, lambda part: _LINK.sub(turned, part))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """The text, changed where it is no code. A link may have code in its own text."""
    kept: list[str] = []

    def hide(code: re.Match[str]) -> str:
        kept.append(code[0])
        return f"\0{len(kept) - 1}\0"

    hidden = _CODE.sub(hide, _FENCE.sub(hide, text))
    changed = change(hidden)
    while "\0" in changed:
        changed = re.sub(r"\0(\d+)\0", lambda place: kept[int(place[1])], changed)
    return changed
