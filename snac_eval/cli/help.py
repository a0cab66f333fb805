"""snac-eval help: what --help prints, for whoever asks for it as a command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands
from snac_eval.cli.parser import did_you_mean
from snac_eval.errors import UsageError


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command. Whoever declares the last one sets ``parser``, all of them together."""
    command = commands.add_parser(
        "help",
        help="print the help of a command",
        description="Prints what COMMAND --help prints; without a command, what there is.",
        examples=("snac-eval help", "snac-eval help run", "snac-eval help listen make"),
        see_also=("docs/exit-codes.md",),
    )
    command.set_defaults(command=_help)
    command.add_argument("words", nargs="*", metavar="COMMAND", help="a command, and its part")


def _help(options: argparse.Namespace, _: Sequence[str]) -> None:
    parser = options.parser
    for word in options.words:
        known = _commands(parser)
        if word not in known:
            meant = did_you_mean(word, known) or f"; see {parser.prog} --help"
            raise UsageError(f"no command '{word[:60]}' of {parser.prog}{meant}")
        parser = known[word]
    print(parser.format_help(), end="")


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    parts = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return {name: command for part in parts for name, command in part.choices.items()}
