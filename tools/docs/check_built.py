"""Every link of a built site leads somewhere, and nothing on it is fetched from elsewhere.

    python -m tools.docs.check_built build/docs

Looks at all of the site's HTML: a relative link needs its file, an anchor its element. What a page
loads (scripts, styles, images, fonts) lies on the site itself. Links to other sites are HTTPS, none
is a placeholder, and all are listed in ``build/docs-external.txt``; nothing is fetched.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "audio": "src"}
_LOADING_RELS = {"stylesheet", "icon", "preload", "preconnect", "modulepreload", "dns-prefetch"}
PLACEHOLDER = re.compile(
    r"(^|[/.@:])(OWNER|USER|NAME|REPO|example\.(com|org|net)|localhost|127\.0\.0\.1)(?=[/:.]|$)"
)
_CSS_ELSEWHERE = re.compile(r"(?:url\(|@import\s+)['\"]?((?:https?:)?//[^'\")\s]+)")


@dataclass
class Found(HTMLParser):
    """What a page has that can be led to, and where it leads."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of each element."""
        have = {name: value or "" for name, value in attrs}
        self.ids |= {have[name] for name in ("id", "name") if have.get(name)}
        if tag == "a" and "href" in have:
            self.links.append(have["href"])
        if tag == "link" and _LOADING_RELS & set(have.get("rel", "").split()):
            self.loads.append(have["href"])
        if tag in _LOADED and have.get(_LOADED[tag]):
            self.loads.append(have[_LOADED[tag]])


def problems(site: Path, external: set[str]) -> Iterator[str]:
    """One line for each thing that is wrong; ``external`` gets the links to other sites."""
    for page in sorted(site.rglob("*.html")):
        found = _read(page)
        for link in dict.fromkeys(found.links):
            if said := _wrong_link(site, page, link, external):
                yield f"{page.relative_to(site)}: {said}"
        for load in dict.fromkeys(found.loads):
            if urlsplit(load).netloc:
                yield f"{page.relative_to(site)}: loads '{load}' from another site"
            elif not load.startswith("data:") and _target(site, page, load) is None:
                yield f"{page.relative_to(site)}: loads '{load}', which is not there"
    for style in sorted(site.rglob("*.css")):
        for place in _CSS_ELSEWHERE.findall(style.read_text(encoding="utf-8")):
            yield f"{style.relative_to(site)}: loads '{place}' from another site"


def wrong_external(link: str) -> str:
    """What is wrong with a link to another site; empty where nothing is."""
    parts = urlsplit(link)
    if parts.scheme == "mailto":
        return ""
    if PLACEHOLDER.search(link):
        return f"'{link}' is a placeholder, and no place to lead to"
    if parts.scheme != "https":
        return f"'{link}' is no HTTPS address"
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc):
        return f"'{link}' names no host"
    return ""


def _wrong_link(site: Path, page: Path, link: str, external: set[str]) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        external.add(link)
        return wrong_external(link)
    target = page if not parts.path else _target(site, page, parts.path)
    if target is None:
        return f"leads to '{link}', which is not there"
    anchor = unquote(parts.fragment)
    if anchor and target.suffix == ".html" and anchor not in _read(target).ids:
        return f"leads to '{link}', whose anchor is not there"
    return ""


def _target(site: Path, page: Path, link: str) -> Path | None:
    path = unquote(urlsplit(link).path)
    base = page.parent
    if path.startswith("/"):  # As on the page for what is not found, whose own address is any.
        base, path = site, path.removeprefix(urlsplit(os.environ.get("SITE_URL", "")).path)
    target = (base / path.lstrip("/")).resolve()
    if target.is_dir():
        target /= "index.html"
    return target if target.is_file() and target.is_relative_to(site.resolve()) else None


@cache
def _read(page: Path) -> Found:
    found = Found()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def main(arguments: list[str]) -> int:
    """Print every finding; 1 if there is one."""
    site = Path(arguments[0])
    external: set[str] = set()
    findings = list(problems(site, external))
    listed = site.with_name(f"{site.name}-external.txt")
    listed.write_text("".join(f"{link}\n" for link in sorted(external)), encoding="utf-8")
    pages = len(list(site.rglob("*.html")))
    said = f"{pages} pages: every link leads somewhere; {len(external)} other places in {listed}"
    print("\n".join(findings) or said)
    return 1 if findings or not pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
