"""What every command's help says: what it does, examples that its parser takes, exit codes."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from snac_eval.cli import exit_codes
from snac_eval.cli import main as cli
from snac_eval.cli.parser import Parser
from snac_eval.errors import Interrupted, SnacEvalError, TooManyFailures, UndefinedMetrics

ROOT = Path(__file__).parents[2]


def parsers(parser: Parser) -> Iterator[Parser]:
    """It, and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from parsers(one)


PARSERS = {one.prog: one for one in parsers(cli._parser())}


@pytest.mark.parametrize("name", PARSERS)
def test_a_command_says_what_it_does_and_gives_examples(name: str) -> None:
    parser = PARSERS[name]
    said = parser.description or ""
    assert said[:1].isupper(), "a sentence that says what it does"
    assert said.endswith((".", "?"))
    assert parser.examples, "examples=(...) of add_parser"
    help_text = parser.format_help()
    for part in ("\nexamples:\n", "\nexit codes:\n", "\n  130  ended by Ctrl-C\n"):
        assert part in help_text
    for action in parser._actions:
        assert action.help or isinstance(action, argparse._SubParsersAction), action.dest


@pytest.mark.parametrize("name", PARSERS)
def test_examples_are_taken_by_the_parser(name: str) -> None:
    for example in PARSERS[name].examples:
        assert f"{example} ".startswith(f"{name} ")
        words = shlex.split(example, comments=True)
        end = words.index(">") if ">" in words else len(words)
        cli._parser().parse_args(words[1:end])  # SystemExit where it is refused


@pytest.mark.parametrize("name", PARSERS)
def test_help_leads_on_to_what_is_there(name: str) -> None:
    for one in PARSERS[name].see_also:
        if one.startswith("docs/"):
            assert (ROOT / one).is_file(), one
        else:
            assert {one, one.rpartition(" ")[0]} & PARSERS.keys(), one


def test_help_fits_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (60, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = PARSERS["snac-eval check"].format_help().partition("exit codes:")[2]
        assert max(map(len, text.partition("see also")[0].splitlines())) <= columns - 2
        assert "\n  3    no verdict: " in text


def test_the_page_of_exit_codes_is_made_of_them() -> None:
    page = ROOT / "docs" / "exit-codes.md"
    assert page.read_text(encoding="utf-8") == exit_codes.document(), (
        "python -m snac_eval.cli.exit_codes > docs/exit-codes.md"
    )


def test_exit_codes_are_those_that_commands_end_with() -> None:
    general = {one.code for one in exit_codes.EXIT_CODES if not one.commands}
    signals = {Interrupted(number).exit_code for number in (1, 2, 15)}
    assert general == {0, SnacEvalError.exit_code, cli.INTERNAL_ERROR, *signals}
    own = {one.code: one.meaning for one in exit_codes.exit_codes_of("run")}
    assert "undefined" in own[UndefinedMetrics.exit_code]
    assert "--max-error-rate" in own[TooManyFailures.exit_code]
    assert [one.code for one in exit_codes.exit_codes_of("list")] == sorted(general)
    known = {name.partition(" ")[2] for name in PARSERS}
    assert {name for one in exit_codes.EXIT_CODES for name in one.commands} <= known


def test_help_is_a_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["run"], ["listen", "make"]):
        assert cli.main(["help", *words]) == 0
        assert capsys.readouterr().out == PARSERS[" ".join(["snac-eval", *words])].format_help()
    assert cli.main(["help", "rnu"]) == 2
    assert cli.main(["help", "run", "now"]) == 2
    assert capsys.readouterr().err == (
        "snac-eval: no command 'rnu' of snac-eval; did you mean 'run'?\n"
        "snac-eval: no command 'now' of snac-eval run; see snac-eval run --help\n"
    )
