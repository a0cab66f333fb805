"""How the command line reads its words: one line says what is wrong, and what was probably meant.

Whatever every command's flags have in common is here: none may be shortened, since ``--out`` would
silently mean ``--output``; one that takes a value is given once, unless it is made to be repeated
(``action="append"``); numbers say what they want.
"""

from __future__ import annotations

import argparse
import difflib
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from snac_eval.cli.exit_codes import exit_codes_of, summary
from snac_eval.writing import printable

LONGEST_LINE = 2000
_LONGEST_VALUE = 60


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the whole usage before it. Its help closes with
    examples, exit codes and where to read on."""

    def __init__(
        self,
        *words: Any,  # noqa: ANN401 - as argparse takes them
        examples: Sequence[str] = (),
        see_also: Sequence[str] = (),
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*words, **{"allow_abbrev": False} | options)
        self.examples = tuple(examples)
        """Commands as a shell takes them, a remark behind ``#``."""
        self.see_also = tuple(see_also)
        """Commands of ours, and pages of docs/."""
        self.given: set[str] = set()
        """Flags that were met already while arguments are read."""
        for action in (None, "store"):
            self.register("action", action, _Once)
        self.register("type", int, _whole_number)
        self.register("type", float, _number)

    def parse_known_args(  # type: ignore[override]  # the overloads say no more than this
        self,
        args: Sequence[str] | None = None,
        namespace: Any = None,  # noqa: ANN401
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse does; a command refuses flags that it does not have before it asks for what
        is missing, for the one may be the other misspelt."""
        self.given.clear()
        has_commands = self._subparsers is not None
        for word in args or ():
            if word == "--" or (has_commands and not word.startswith("-")):
                break
            if word.startswith("--") and " " not in word:
                self._require_flag(word.partition("=")[0])
        found, extra = super().parse_known_args(args, namespace)
        if extra and not has_commands:
            if extra[0].startswith("-"):
                self._require_flag(extra[0])
            self.error(f"'{_short(extra[0])}' is one argument too many")
        return found, extra

    def format_help(self) -> str:
        """Usage, what it does, flags, examples, exit codes, where to read on."""
        width = shutil.get_terminal_size().columns - 2
        closing = [
            _section("examples", [f"  {one}" for one in self.examples]),
            _section("exit codes", self._exit_codes(width)),
            _section("see also", _filled("  ", ", ".join(self.see_also), width)),
        ]
        return "\n".join([super().format_help(), *filter(None, closing)])

    def _exit_codes(self, width: int) -> list[str]:
        command = self.prog.partition(" ")[2]
        codes = [(str(one.code), one.meaning) for one in exit_codes_of(command)]
        rows = codes if command else summary()
        return [line for code, text in rows for line in _filled(f"  {code:<5}", text, width)]

    def error(self, message: str) -> NoReturn:
        """End with the message on one line, and exit code 2."""
        said = " ".join(printable(message).split())[:LONGEST_LINE]
        then = " See" if said.endswith("?") else "; see"
        self.exit(2, f"{self.prog}: {said}{then} {self.prog} --help\n")

    def _require_flag(self, flag: str) -> None:
        if flag not in self._option_string_actions:
            meant = did_you_mean(flag, self._option_string_actions)
            self.error(f"no flag '{_short(flag)}'{meant}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401
        if action.choices is None or value in action.choices:
            return
        known = list(map(str, action.choices))
        meant = did_you_mean(str(value), known) or f"; there are {', '.join(known)}"
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"no command '{_short(value)}'{meant}")
        raise argparse.ArgumentError(action, f"not '{_short(value)}'{meant}")


class _Once(argparse.Action):
    """Stores a value, and refuses a second one: whoever repeats a flag expects both to count."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 - whatever its type made of the words
        option_string: str | None = None,
    ) -> None:
        assert isinstance(parser, Parser)
        if self.option_strings:
            flag = self.option_strings[-1]
            if flag in parser.given:
                parser.error(f"{flag} given twice; it takes one value")
            parser.given.add(flag)
        setattr(namespace, self.dest, values)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean '--limit'?`` where a known word is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{title}:", *lines, ""]) if lines else ""


def _filled(first: str, text: str, width: int) -> list[str]:
    """Lines of this width, those after the first indented as the text is."""
    return textwrap.wrap(
        text,
        max(width, 30),
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{_short(text)}' is no whole number, such as 8"
        ) from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{_short(text)}' is no number, such as 0.5") from None


def _short(text: object) -> str:
    whole = str(text)
    return whole if len(whole) <= _LONGEST_VALUE else f"{whole[:_LONGEST_VALUE]}..."
