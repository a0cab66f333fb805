"""The files that CONTRIBUTING names are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


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
