"""README is short, its picture small, its figures are those of the results, its links lead on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from snac_eval.cli.main import main
from snac_eval.registry import cards
from snac_eval.reports.compact import compact_terminal
from snac_eval.results.study import read_runs
from tests.docs.reading import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "reports" / "results"
PICTURE = ROOT / "docs" / "picture.png"
AT_ROOT = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")


def test_it_has_at_most_150_lines() -> None:
    assert len(README.splitlines()) <= 150


def test_it_opens_with_a_small_picture() -> None:
    opening = README.partition("## ")[0]
    alternative = re.findall(r"!\[([^\]]+)\]\(docs/picture\.png\)", opening)
    assert len(alternative[0]) > 100
    assert PICTURE.stat().st_size < 300_000
    with Image.open(PICTURE) as picture:
        picture.verify()
        assert picture.format == "PNG"
        assert picture.width >= 1600


def test_the_output_of_its_run_is_that_of_the_results_of_these_codecs() -> None:
    codecs = re.findall(r"run --model ([\w,]+) --dataset demo --output runs/demo", README)[0]
    runs = read_runs([RESULTS / "demo" / name for name in codecs.split(",")])
    table = compact_terminal(runs, width=76, colour=False).split("\n\n")[0].rstrip()
    assert f"```text\n{table}\n```" in README
    assert table in (ROOT / "docs" / "start.md").read_text(encoding="utf-8")


def test_its_ten_rows_are_what_the_command_above_them_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    shown = README.partition("## Ten codecs")[2].partition("\n## ")[0]
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 10
    command = re.findall(r"^    snac-eval table (.+)\\\n(.+)", shown, re.MULTILINE)[0]
    words = [path for word in " ".join(command).split() for path in _expanded(word)]
    assert main(["table", *words]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert rows == [line for line in printed if line.startswith("|")]


def _expanded(word: str) -> list[str]:
    """As a shell does with braces."""
    before, _, rest = word.partition("{")
    inside, _, after = rest.partition("}")
    return [f"{before}{one}{after}" for one in inside.split(",")] if inside else [word]


def test_it_counts_codecs_right() -> None:
    assert "over a hundred more by name" in README
    assert len(cards.card_files("codecs")) > 106


def _links() -> Iterator[tuple[str, str]]:
    for name in AT_ROOT:
        text = re.sub(r"```.*?```", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not target.startswith(("https://", "#")):
                yield name, target.partition("#")[0]


def test_links_of_files_at_the_root_lead_somewhere() -> None:
    links = list(_links())
    assert len(links) > 40
    assert [link for link in links if not Path(ROOT / link[1]).exists()] == []
