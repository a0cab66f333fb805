"""The site's pages that are made from code and cards: all are there, and say what they must."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from markdown import Markdown
from markdown_it import MarkdownIt

from snac_eval.catalogue.facts import MetricFacts
from snac_eval.catalogue.listing import Wanted, listed
from snac_eval.cli import main as cli
from snac_eval.registry import plugins
from tests.docs.reading import DOCUMENTS, ROOT
from tools.docs import api_pages
from tools.docs.card_pages import codec_pages, dataset_pages
from tools.docs.command_pages import command_pages
from tools.docs.costs import FILE, read_costs
from tools.docs.made import Made
from tools.docs.metric_pages import metric_pages

_COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module", autouse=True)
def _at_home() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield


@pytest.fixture(scope="module")
def pages() -> dict[str, Made]:
    made = [*metric_pages(), *codec_pages(), *dataset_pages(), *command_pages()]
    found = {one.address: one for one in made}
    assert len(found) == len(made), "two pages have one address"
    return found


@pytest.fixture(scope="module")
def metrics() -> list[MetricFacts]:
    found = [one for one in listed("metrics", Wanted()) if isinstance(one, MetricFacts)]
    return [one for one in found if one.source.startswith("snac_eval.")]


def test_every_metric_has_a_page_that_says_what_a_reader_must_know(
    pages: dict[str, Made], metrics: list[MetricFacts]
) -> None:
    measured = read_costs(FILE)
    known = {*measured.seconds, *measured.reasons}
    assert known == {one.name for one in metrics}, "python -m benchmarks.metric_costs"
    for one in metrics:
        text = pages[f"metrics/{one.name}.md"].text
        assert one.definition, f"{one.name}: its class says nothing"
        assert one.definition.split("\n")[0].split("``")[0] in text
        assert one.traps, f"{one.name}: nothing to know before comparing?"
        assert all(trap in text for trap in one.traps)
        assert all(paper in text for paper in one.papers)
        runs_others = any("==" in part for part in one.fingerprint)
        assert one.papers or not runs_others
        assert "## Cost" in text
        assert all(line in text for line in one.listeners)


def test_documents_have_the_same_parts_on_the_site_as_on_github() -> None:
    # The two read lists and blocks by rules of their own: indents, blank lines before a list.
    site = Markdown(extensions=["tables", "attr_list", "pymdownx.superfences", "pymdownx.tilde"])
    hub = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        here, there = _parts(site.reset().convert(text)), _parts(hub.render(text))
        assert here == there, f"{document.name}: {here - there} here, {there - here} there"


def test_every_codec_dataset_and_command_has_a_page(pages: dict[str, Made]) -> None:
    codecs = "".join(one.text for one in pages.values() if one.address.startswith("codecs/"))
    assert [name for name in plugins.codec_names() if f"| `{name}` |" not in codecs] == []
    assert all(f"datasets/{name}.md" in pages for name in plugins.dataset_names())
    assert "usage: snac-eval listen make" in pages["commands/listen.md"].text


def test_commands_on_the_pages_are_right(pages: dict[str, Made]) -> None:
    lines = {
        line: address
        for address, one in pages.items()
        for block in _COMMANDS.findall(one.text)
        for line in block.splitlines()
    }
    assert len(lines) > 100
    parser = cli._parser()
    for line, address in lines.items():
        program, *words = line.split()
        assert program == "snac-eval", address
        assert parser.parse_args(words), address


def test_every_public_name_is_explained_and_on_a_page() -> None:
    assert api_pages.undocumented() == []
    import snac_eval.types

    shown = {
        name for page in api_pages.PAGES for room in page.rooms
        for name in api_pages.public_names(room)
    }  # fmt: skip
    wanted = {f"snac_eval.types.{name}" for name in snac_eval.types.__all__}
    wanted |= {f"snac_eval.{name}" for name in snac_eval.__all__ if name != "__version__"}
    assert wanted <= shown
    text = "".join(one.text for one in api_pages.api_pages())
    assert all(f"::: {name}\n" in text for name in shown)


def _parts(html: str) -> Counter[str]:
    """How many lists, tables, headings and blocks there are."""
    inside = re.sub(r"(?s)<pre.*?</pre>", "<pre>", html)
    return Counter(re.findall(r"<(li|ul|ol|tr|td|h[1-6]|pre|img|strong)\b", inside))
