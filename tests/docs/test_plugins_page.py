"""The plugin guide shows the files of tests/plugin; tests/cli/test_plugins.py runs them."""

from __future__ import annotations

import re

from tests.docs.reading import ROOT

TEXT = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
PLUGIN = ROOT / "tests" / "plugin"
PACKAGE = PLUGIN / "snac_eval_tiny"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_examples_are_the_files_of_the_plugin() -> None:
    names = ("halving.py", "peak.py", "clips.py")
    assert _blocks("python") == [(PACKAGE / name).read_text() for name in names]
    cards = [one for one in _blocks("toml") if one.startswith("name")]
    names = ("codecs/tiny_half.toml", "datasets/tiny.toml")
    assert cards == [(PACKAGE / name).read_text() for name in names]


def test_its_entry_points_are_those_of_the_plugin() -> None:
    shown = [one for one in _blocks("toml") if not one.startswith("name")]
    lines = {line for block in shown for line in block.splitlines() if line}
    assert len(shown) == 3
    assert lines <= set((PLUGIN / "pyproject.toml").read_text().splitlines())


def test_the_tracker_of_its_page_is_the_plugin_s() -> None:
    page = (ROOT / "docs" / "trackers.md").read_text(encoding="utf-8")
    assert (PACKAGE / "lines.py").read_text() in page
