"""Links of the repository's documents, as GitHub shows them; the site's own are followed by
``make docs``. Blocks of YAML, TOML and JSON in documents are well-formed."""

from __future__ import annotations

import json
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.docs.reading import DOCUMENTS, ROOT
from tools.docs.check_built import wrong_external
from tools.docs.links import links

LINKED = sorted({
    *DOCUMENTS, *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md"),
    *ROOT.glob("codecs/*/README.md"), *ROOT.glob("datasets/*/README.md"),
    *ROOT.glob("reports/**/README.md"),
})  # fmt: skip
_HTML = re.compile(
    r"<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=\"([^\"]+)\"|<(https?://[^>\s]+)>"
)
_READERS = {
    "toml": tomllib.loads,
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "yml": lambda text: list(yaml.safe_load_all(text)),
}


@pytest.mark.parametrize("document", LINKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert wrong_links(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_of_data_are_well_formed(document: Path) -> None:
    for token in MarkdownIt("commonmark").parse(document.read_text(encoding="utf-8")):
        language = token.info.strip().split(" ")[0].lower()
        if token.type == "fence" and language in _READERS:
            _READERS[language](token.content)


def test_what_is_wrong_with_links_is_found(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    (tmp_path / "there.md").write_text("# A heading, with `code`: two\n")
    document.write_text(
        "# Here\n[a](there.md#a-heading-with-code-two) [b](#here) `[c](no.md)` <https://a.org/x>\n"
        "[d](gone.md) [e](there.md#other) [f](#nowhere) [g](http://a.org) [h](https://x/)\n"
        '[i](https://github.com/OWNER/snac-eval) <img src="gone.png">\n'
    )
    assert [one.partition(": ")[0] for one in wrong_links(document)] == [
        "gone.md",
        "there.md#other",
        "#nowhere",
        "http://a.org",
        "https://x/",
        "https://github.com/OWNER/snac-eval",
        "gone.png",
    ]


def wrong_links(document: Path) -> list[str]:
    """Each link of the document that leads nowhere, and why."""
    text = document.read_text(encoding="utf-8")
    html = [one for found in _HTML.findall(_without_code(text)) for one in found if one]
    found = []
    for link in dict.fromkeys([*links(text), *html]):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            said = wrong_external(link)
        else:
            said = _wrong_place(document.parent / path if path else document, anchor)
        if said:
            found.append(f"{link}: {said}")
    return found


def _wrong_place(target: Path, anchor: str) -> str:
    if not target.exists():
        return "there is no such file"
    if anchor and target.suffix == ".md" and anchor not in _anchors(target):
        return "there is no such heading"
    return ""


def _anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    tokens = MarkdownIt("commonmark").parse(document.read_text(encoding="utf-8"))
    found: set[str] = set()
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            text = "".join(child.content for child in token.children or ())
            found.add(re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))
    return found


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)
