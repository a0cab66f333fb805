"""The tools of ``make lint`` find what they refuse, and pass what they do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("grimp", reason="needs import-linter, of the extra dev")

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def run(tool: str, folder: Path) -> tuple[int, list[str]]:
    """Exit code and lines of a tool, run beside a package ``house``."""
    done = subprocess.run(
        [sys.executable, str(TOOLS / tool), "house"], cwd=folder, capture_output=True, text=True
    )
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A package in which nothing is amiss."""
    for name, text in {
        "__init__.py": "",
        "door.py": "from house.room import bed, chair\n",
        "room/__init__.py": "",
        "room/bed.py": "from house.room import chair\n",
        "room/chair.py": "",
    }.items():
        file = tmp_path / "house" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "house"


def test_a_package_without_circles_passes(house: Path) -> None:
    assert run("check_imports.py", house.parent) == (0, ["no import circles"])


@pytest.mark.parametrize(
    "text",
    [
        "from house.room.bed import pillow\n",
        "def late():\n    import house.room.bed\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.room import bed\n",
    ],
    ids=["top", "late", "for type checkers"],
)
def test_a_circle_within_a_package_is_found(house: Path, text: str) -> None:
    (house / "room" / "chair.py").write_text(text)
    code, (line,) = run("check_imports.py", house.parent)
    assert code == 1
    way = line.removeprefix("import circle: ").split(" -> ")
    assert way[0] == way[-1]
    assert set(way) == {"house.room.bed", "house.room.chair"}


def test_every_circle_is_found_through_init_and_between_packages_too(house: Path) -> None:
    (house / "room" / "__init__.py").write_text("from house.room.bed import pillow\n")
    (house / "room" / "bed.py").write_text("from house.room import pillow\n")
    (house / "room" / "chair.py").write_text("import house.door\n")
    code, lines = run("check_imports.py", house.parent)
    assert code == 1
    ways = {frozenset(line.removeprefix("import circle: ").split(" -> ")) for line in lines}
    assert ways == {
        frozenset({"house.room", "house.room.bed"}),
        frozenset({"house.door", "house.room.chair"}),
    }


def test_what_is_small_and_in_its_place_passes(house: Path) -> None:
    (house / "long.py").write_text("a = 1\n" * 400)
    (house / "function.py").write_text("def f():\n" + "    a = 1\n" * 49)
    for index in range(14 - len([path for path in house.iterdir() if path.is_file()])):
        (house / f"{index}.txt").touch()
    (house.parent / "codecs").mkdir()
    assert run("check_functions.py", house.parent)[0] == 0


def test_what_is_too_long_or_out_of_place_is_found(house: Path) -> None:
    (house / "room" / "long.py").write_text("a = 1\n" * 401)
    (house / "room" / "function.py").write_text("class A:\n  def f(self):\n" + "    a = 1\n" * 50)
    for index in range(15 - len([path for path in house.iterdir() if path.is_file()])):
        (house / f"{index}.txt").touch()
    (house.parent / "codecs").mkdir()
    (house.parent / "codecs" / "a.py").touch()
    code, lines = run("check_functions.py", house.parent)
    assert code == 1
    assert lines == [
        "house/room/function.py:2: f has 51 lines, more than 50",
        "house/room/long.py: has 401 lines, more than 400",
        "house: holds 15 files itself, more than 14",
        "codecs/a.py: no Python in codecs/",
    ]
