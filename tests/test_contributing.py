"""What CONTRIBUTING shows is what the tests run, and the files that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PLUGIN = ROOT / "tests" / "plugin"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_examples_are_the_files_of_the_plugin() -> None:
    """tests/cli/test_plugins.py installs these files, runs them and validates the codec."""
    shown = [(PLUGIN / "snac_eval_tiny" / name).read_text() for name in ("halving.py", "peak.py")]
    assert _blocks("python") == shown
    card, *entry_points = _blocks("toml")
    assert card == (PLUGIN / "snac_eval_tiny" / "codecs" / "tiny_half.toml").read_text()
    declared = (PLUGIN / "pyproject.toml").read_text()
    lines = {line for block in entry_points for line in block.splitlines() if line}
    assert lines <= set(declared.splitlines())
    tracker = (PLUGIN / "snac_eval_tiny" / "lines.py").read_text()
    assert tracker in (ROOT / "docs" / "trackers.md").read_text()


def test_one_clip_is_followed_through_at_most_seven_files() -> None:
    path = re.findall(r"^\d\. `([^`]+)`", TEXT, re.MULTILINE)
    assert 0 < len(path) <= 7
    assert all((ROOT / name).is_file() for name in path)


def test_every_file_that_it_names_is_there() -> None:
    names = re.findall(r"`((?:snac_eval|tests|reports|tools)/[\w./]+)`", TEXT)
    assert names
    assert [name for name in names if not (ROOT / name).exists()] == [
        "snac_eval/data/",
        "tests/audio",
    ]
