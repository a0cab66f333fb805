"""What mkdocs asks while it builds the site: pages from code and cards, links out of docs/.

    python -m mkdocs build --strict        (make docs)

In mkdocs.yml, ``metrics/*`` in the navigation stands for the pages that are made there. The address
of the repository comes from GITHUB_REPOSITORY, as GitHub's workflows set it; without it, links to
files that have no page name the file. Where SITE_URL says at which address the site will be, its
navigation leads to the leaderboard, which is put below ``leaderboard/`` there.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.docs import api_pages
from tools.docs.card_pages import codec_pages, dataset_pages
from tools.docs.command_pages import command_pages
from tools.docs.links import Site, for_site
from tools.docs.made import Made
from tools.docs.metric_pages import metric_pages
from tools.docs.notebooks import notebook_page

LOG = logging.getLogger("mkdocs.hooks.snac_eval")
INCLUDED = (
    ("CONTRIBUTING.md", "project/contributing.md", "", ""),
    ("CHANGELOG.md", "project/changelog.md", "", ""),
    ("SECURITY.md", "project/security.md", "", ""),
    ("CODE_OF_CONDUCT.md", "project/conduct.md", "", ""),
    ("reports/README.md", "project/reports.md", "", "Data that comes with it"),
    ("reports/results/README.md", "project/results.md", "", "Submitted results"),
    ("codecs/snac_16khz_mini/README.md", "codecs/snac-16khz-mini.md", "SNAC", "snac_16khz_mini"),
    ("datasets/demo/README.md", "datasets/demo-clips.md", "", "What is in demo"),
)
"""Files beside docs/ that are pages, where they are there: path, address, group, title."""
LEADERBOARD = "leaderboard"
"""Where the leaderboard itself is: the page about it must lie elsewhere."""
_SEARCH = '<div class="md-search" data-md-component="search" role="dialog"'
_INLINE_METRIC = re.compile(r"(?<![\[`\w])`([a-z0-9_]+)`(?!\]|`|\w)")
_LINKED = ("metrics.md", "which-metric.md")
"""Pages on which the name of a metric leads to its page."""

_made: dict[str, Made] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the pages, and put them into the navigation."""
    _made.clear()
    for one in _all_pages():
        _made[one.address] = one
    for lacking in api_pages.undocumented():
        LOG.warning("%s has no docstring, and is public", lacking)
    if repository := _repository():
        config.repo_url = repository
        config.repo_name = "/".join(repository.split("/")[-2:])
    config.nav = _navigation(config.nav or [])
    if config.site_url:
        config.nav.append({"Leaderboard": f"{config.site_url.rstrip('/')}/{LEADERBOARD}/"})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them as if they stood in docs/."""
    for one in _made.values():
        if found := files.get_file_from_path(one.address):
            files.remove(found)
        files.append(File.generated(config, one.address, content=one.text))
    if about := files.get_file_from_path(f"{LEADERBOARD}.md"):
        about.dest_uri = f"about-{LEADERBOARD}/index.html"
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to what is beside docs/."""
    address = page.file.src_uri
    made = _made.get(address)
    source = made.source if made and made.source else f"docs/{address}"

    def missing(target: str) -> None:
        LOG.warning("%s: leads to '%s', which the repository does not have", source, target)

    if address in _LINKED:
        markdown = _INLINE_METRIC.sub(_to_metric, markdown)
    pages = {one.source: one.address for one in _made.values() if one.source}
    return for_site(markdown, source, address, Site(pages, _repository()), missing)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Give the search a name, which material leaves without one: screen readers tell it."""
    return output.replace(_SEARCH, f'{_SEARCH} aria-label="Search"')


def _all_pages() -> Iterator[Made]:
    yield from metric_pages()
    yield from codec_pages()
    yield from dataset_pages()
    yield from command_pages()
    yield from api_pages.api_pages()
    yield from map(notebook_page, sorted(Path("docs/notebooks").glob("*.ipynb")))
    for source, address, group, title in INCLUDED:
        if Path(source).is_file():
            text = Path(source).read_text(encoding="utf-8")
            yield Made(address, text, group, title, source)


def _repository() -> str:
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    name = os.environ.get("GITHUB_REPOSITORY", "")
    return f"{server}/{name}" if name else ""


def _navigation(entries: Iterable[Any]) -> list[Any]:
    """The entries, each pattern with the pages that it stands for, below their groups."""
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            ((title, below),) = entry.items()
            below = [below] if isinstance(below, str) and below.endswith("/*") else below
            inside = _navigation(below) if isinstance(below, list) else below
            if inside:
                found.append({title: inside})
        elif entry.endswith("/*"):
            found += _group(entry.removesuffix("*"))
        else:
            found.append(entry)
    return found


def _group(folder: str) -> list[Any]:
    found: list[Any] = []
    groups: dict[str, list[Any]] = {}
    for one in _made.values():
        if one.address.startswith(folder):
            item = {one.title: one.address} if one.title else one.address
            if one.group and one.group not in groups:
                found.append({one.group: groups.setdefault(one.group, [])})
            (groups[one.group] if one.group else found).append(item)
    return found


def _to_metric(found: re.Match[str]) -> str:
    address = f"metrics/{found[1]}.md"
    return f"[`{found[1]}`]({address})" if address in _made else found[0]
