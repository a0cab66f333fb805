"""Errors on their way from one interpreter to another: class and line of ours, one line of all
other ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snac_eval import errors
from snac_eval.errors import SnacEvalError, one_line, trace_of


def told(error: BaseException) -> dict[str, Any]:
    """What is sent of an error: its class where it is ours, else none; its line; its traceback, and
    what was added to it."""
    is_ours = isinstance(error, SnacEvalError) and hasattr(errors, type(error).__name__)
    return {
        "kind": type(error).__name__ if is_ours else "",
        "text": one_line(error),
        "trace": trace_of(error),
        "notes": [str(note) for note in getattr(error, "__notes__", ())],
    }


def heard(said: object, other: type[SnacEvalError]) -> SnacEvalError:
    """The error that was sent; ``other`` where its class is none of ours."""
    facts: Mapping[str, Any] = said if isinstance(said, dict) else {"text": str(said)}
    kind = getattr(errors, str(facts.get("kind", "")), None)
    if not (isinstance(kind, type) and issubclass(kind, SnacEvalError)):
        kind = other
    found = kind(str(facts.get("text", "it failed")))
    found.trace = str(facts.get("trace", ""))
    for note in facts.get("notes", ()):
        found.add_note(str(note))
    return found
