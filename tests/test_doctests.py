"""Every example in a docstring runs and gives what it says; none is there without its prompt."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    path for name in ("snac_eval", "training", "tools") for path in (ROOT / name).rglob("*.py")
]
WITH_EXAMPLES = sorted(path for path in SOURCES if ">>> " in path.read_text(encoding="utf-8"))
TESTS_OF_A_READER = {"snac_eval/pytest_plugin.py": "tests/docs runs what it shows, in docs/gate.md"}
_CODE = re.compile(
    r"^ {4,}(?:import |from \w+ import|\w+(?:, \w+)* = |\w+(?:\.\w+)*\().*$", re.MULTILINE
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=_name)
def test_examples_run(path: Path) -> None:
    module = _name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    failed, attempted = doctest.testmod(importlib.import_module(module))
    assert attempted
    assert not failed


def test_no_example_goes_unrun() -> None:
    found = [
        f"{_name(path)}: {line}"
        for path in SOURCES
        if _name(path) not in TESTS_OF_A_READER
        for part in _paragraphs(path)
        if ">>> " not in part
        for line in _CODE.findall(part)
    ]
    assert found == []


def _paragraphs(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (ast.get_docstring(node) or "").split("\n\n")
