"""A page for each command: what its ``--help`` prints."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from unittest.mock import patch

from snac_eval.cli.main import _parser
from tools.docs.made import Made
from tools.docs.prose import fence, table

_WIDTH = "82"


def command_pages() -> Iterator[Made]:
    """All of them, then a page each; subcommands stand on their command's."""
    with patch.dict(os.environ, {"COLUMNS": _WIDTH}):
        parser = _parser()
        commands = _subparsers(parser)
        says = {action.dest: action.help or "" for group in parser._action_groups
                for holder in group._group_actions
                for action in getattr(holder, "_choices_actions", ())}  # fmt: skip
        rows = [[f"[`snac-eval {name}`]({name}.md)", says.get(name, "")] for name in commands]
        first = ["# All commands", table(["command", "what it does"], rows)]
        yield Made(
            "commands/all.md", "\n\n".join([*first, _help(parser)]) + "\n", "", "All commands"
        )
        for name, command in commands.items():
            parts = [f"# `snac-eval {name}`", f"{_sentence(says.get(name, ''))}", _help(command)]
            for sub, below in _subparsers(command).items():
                parts += [f"## `snac-eval {name} {sub}`", _help(below)]
            yield Made(f"commands/{name}.md", "\n\n".join(parts) + "\n", "", name)


def _help(parser: argparse.ArgumentParser) -> str:
    return fence(parser.format_help(), "text")


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    if parser._subparsers is None:
        return {}
    (action,) = parser._subparsers._group_actions
    assert isinstance(action, argparse._SubParsersAction)
    return dict(action.choices)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
