"""The tools of the documentation site."""

from __future__ import annotations

from pathlib import Path

import griffe
import pytest

from tools.docs import api_pages, hooks
from tools.docs.check_built import main, problems
from tools.docs.links import Site, for_site
from tools.docs.made import Made
from tools.docs.notebooks import notebook_page
from tools.docs.prose import markdown


def test_docstrings_become_markdown() -> None:
    assert markdown(":class:`~snac_eval.types.Clip` and :mod:`snac_eval.audio`") == (
        "`Clip` and `snac_eval.audio`"
    )
    table = markdown(
        "Before.\n\n===== ====\n``a`` one\n      more\n``b`` two\n===== ====\n\nAfter."
    )
    assert "| ``a`` | one more |\n| ``b`` | two |" in table
    headed = markdown("==== ====\nk    v\n==== ====\nx    y|z\n==== ====")
    assert "| k | v |\n| --- | --- |\n| x | y\\|z |" in headed


def test_links_out_of_docs_lead_to_pages_or_to_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("LICENSE").touch()
    text = "[a](../CONTRIBUTING.md#x) [b](../LICENSE) [`c`](b.md#y) `[d](../no)` [e](../no)"
    pages = {"CONTRIBUTING.md": "project/contributing.md"}
    missing: list[str] = []
    found = for_site(text, "docs/a.md", "a.md", Site(pages, "https://h/o/n"), missing.append)
    assert found == (
        "[a](project/contributing.md#x) [b](https://h/o/n/blob/HEAD/LICENSE) [`c`](b.md#y)"
        " `[d](../no)` [e](https://h/o/n/blob/HEAD/no)"
    )
    assert missing == ["../no"]
    without = for_site(
        "[the licence](../LICENSE)", "docs/a.md", "a.md", Site(pages), missing.append
    )
    assert without == "the licence (`LICENSE`)"
    back = for_site(
        "[m](docs/metrics.md)", "CONTRIBUTING.md", pages["CONTRIBUTING.md"], Site({}), print
    )
    assert back == "[m](../metrics.md)"


def test_a_built_site_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site"
    (site / "b").mkdir(parents=True)
    (site / "s.css").write_text("a { background: url(https://fonts.org/f) }")
    (site / "b" / "index.html").write_text('<h1 id="x">b</h1>')
    page = site / "index.html"
    page.write_text(
        '<link rel="icon" href="s.css"><a href="b/#x">1</a><a href="https://a.org/">2</a>'
    )
    assert list(problems(site, set())) == ["s.css: loads 'https://fonts.org/f' from another site"]
    (site / "s.css").write_text("")
    assert main([str(site)]) == 0
    assert (tmp_path / "site-external.txt").read_text() == "https://a.org/\n"
    other = site / "other.html"
    other.write_text(
        '<a href="b/#no">1</a><a href="c/">2</a><script src="https://cdn.org/x.js"></script>'
        '<img src="no.png"><a href="https://github.com/OWNER/x">3</a><a href="http://a.org">4</a>'
    )
    assert main([str(site)]) == 1
    said = capsys.readouterr().out.splitlines()[-6:]
    assert [line.split(": ")[0] for line in said] == ["other.html"] * 6
    for word, line in zip(
        [
            "anchor is not there",
            "which is not there",
            "placeholder",
            "no HTTPS",
            "cdn.org",
            "no.png",
        ],
        said,
        strict=True,
    ):
        assert word in line


def test_the_navigation_takes_what_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Made("m/all.md", ""), Made("m/a.md", "", "G", "A"), Made("m/b.md", "", "G", "B")]
    monkeypatch.setattr(hooks, "_made", {one.address: one for one in made})
    found = hooks._navigation([{"M": ["m.md", "m/*"]}, {"None": "x/*"}, "other.md"])
    assert found == [
        {"M": ["m.md", "m/all.md", {"G": [{"A": "m/a.md"}, {"B": "m/b.md"}]}]},
        "other.md",
    ]


def test_a_notebook_becomes_a_page(tmp_path: Path) -> None:
    path = tmp_path / "first.ipynb"
    path.write_text(
        '{"cells": [{"cell_type": "markdown", "source": ["# A\\n", "b"]},'
        ' {"cell_type": "code", "source": "print(1)", "outputs": []}]}'
    )
    made = notebook_page(path)
    assert made.address == "notebooks/first.md"
    assert made.text.startswith("# A\nb\n\n*The notebook itself: [first.ipynb](first.ipynb).*")
    assert "```python\nprint(1)\n```" in made.text


def test_a_public_name_without_a_word_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "snac_eval").mkdir()
    (tmp_path / "snac_eval" / "__init__.py").write_text(
        'class A:\n    """A; ``told`` is here."""\n    told = 1\n    silent = 2\n\n'
        "    def m(self): ...\n\n"
        'class B(A):\n    """B."""\n    told = 2\n\ndef f(): ...\n\ndef _g(): ...\n'
    )
    read = griffe.load("snac_eval", search_paths=[tmp_path], try_relative_path=False)
    monkeypatch.setattr(api_pages, "_package", lambda: read)
    monkeypatch.setattr(
        api_pages, "PAGES", (api_pages.Page("p", "P", "", (api_pages.Room("snac_eval"),)),)
    )
    assert api_pages.undocumented() == [
        "snac_eval.A.silent", "snac_eval.A.m", "snac_eval.B.told", "snac_eval.f",
    ]  # fmt: skip
