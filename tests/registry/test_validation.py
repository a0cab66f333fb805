"""Tables become dataclasses, strictly; every problem is told in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from snac_eval.errors import UsageError
from snac_eval.registry.validation import validated


@dataclass(frozen=True, slots=True)
class Part:
    """A table in a list."""

    size: float
    label: str | Mapping[str, str] = ""


@dataclass(frozen=True, slots=True)
class Whole:
    """A table."""

    name: str
    parts: tuple[Part, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


def _refusal(**table: Any) -> str:  # noqa: ANN401 - that is what is tested
    with pytest.raises(UsageError) as caught:
        validated(Whole, table, "here", UsageError)
    return str(caught.value)


def test_lists_become_tuples_and_tables_dataclasses() -> None:
    table = {"name": "a", "parts": [{"size": 1, "label": {"b": "c"}}], "counts": {"d": 2}}
    whole = validated(Whole, table, "here")
    assert whole == Whole("a", (Part(1.0, {"b": "c"}),), {"d": 2})
    assert type(whole.parts[0].size) is float


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"name": 1}, "'name' is 1; it should be text"),
        ({"name": "a", "parts": {}}, "'parts' is {}; it should be a list"),
        ({"name": "a", "parts": [1]}, "'parts[0]' is 1; it should be a table"),
        ({"name": "a", "parts": [{}]}, "'parts[0].size' is missing"),
        (
            {"name": "a", "parts": [{"size": True}]},
            "'parts[0].size' is True; it should be a number",
        ),
        (
            {"name": "a", "parts": [{"size": 1, "label": 2}]},
            "'parts[0].label' is 2; it should be text or a table",
        ),
        (
            {"name": "a", "parts": [{"size": 1, "label": {"b": 2}}]},
            "'parts[0].label.b' is 2; it should be text",
        ),
        (
            {"name": "a", "parts": [{"size": 1, "lable": "b"}]},
            "unknown key 'lable' in parts[0]; did you mean 'label'?",
        ),
        ({"name": "a", "counts": {"b": "2"}}, "'counts.b' is '2'; it should be a whole number"),
        ({"name": b"a"}, "b'a' is a bytes; put it in quotes to make it text"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(table: dict[str, Any], words: str) -> None:
    assert _refusal(**table) == f"here: {words}"


def test_a_misspelt_key_is_not_missing_too() -> None:
    assert _refusal(nmae="a") == "here: unknown key 'nmae'; did you mean 'name'?"


def test_the_first_problems_are_named_and_the_others_counted() -> None:
    assert _refusal(nane="a", x=1, z=2, parts=3, counts=4) == (
        "here: unknown key 'nane'; did you mean 'name'? unknown keys 'x', 'z'; known: name, parts,"
        " counts. 'parts' is 3; it should be a list. And 1 more"
    )


def test_the_command_line_starts_without_pydantic() -> None:
    program = (
        "import sys, snac_eval, snac_eval.cli.main as main\n"
        "try: main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('pydantic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
