"""The command line: errors become one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from snac_eval.cli import (
    agreement,
    baseline,
    bench,
    check,
    compare,
    completion,
    decode,
    doctor,
    encode,
    env,
    export,
    listen,
    merge,
    new,
    plot,
    pull,
    push,
    report,
    run,
    score,
    show,
    site,
    streams,
    table,
    validate,
)
from snac_eval.cli import help as help_command
from snac_eval.cli import list as list_command
from snac_eval.cli.exit_codes import INTERNAL_ERROR, INTERRUPTED
from snac_eval.cli.flags import Commands, debugs
from snac_eval.cli.parser import LONGEST_LINE, Parser
from snac_eval.errors import Interrupted, OutputError, SnacEvalError, one_line, trace_of
from snac_eval.run import interrupts
from snac_eval.writing import printable

COMMANDS = (
    run,
    merge,
    bench,
    list_command,
    show,
    validate,
    new,
    report,
    table,
    plot,
    site,
    compare,
    agreement,
    baseline,
    check,
    export,
    push,
    pull,
    listen,
    encode,
    decode,
    score,
    doctor,
    env,
    completion,
    help_command,
)

_EXAMPLES = (
    "snac-eval run --model snac_16khz_mini --dataset demo",
    "snac-eval run --model snac_24khz --dataset librispeech --limit 100",
    "snac-eval run --model opus_12kbps --dataset folder:my/recordings --domain speech",
    "snac-eval run --model opus_6kbps,opus_12kbps --dataset demo,librispeech",
    "snac-eval run --study study.toml --dry-run",
    "snac-eval plot runs/* --y pesq_wb -o rd.pdf",
    "snac-eval table runs/* --format latex",
    "snac-eval compare runs/mine runs/theirs",
    "snac-eval check runs/new --baseline baseline.json",
    "snac-eval list codecs",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Raises SystemExit, as argparse does, after ``--help`` and for flags that are wrong.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with streams.guarded() as output:
        try:
            options = _parser().parse_args(arguments)
        except SystemExit:  # --help and --version print
            output.flush()
            if not output.lost:
                raise
            code = 0
        else:
            code = _execute(options, arguments)
        output.flush()
        if output.lost:
            _say(f"standard output cannot be written: {output.lost}")
    # A verdict stands, whether or not it could be shown.
    return code or (OutputError.exit_code if output.lost else 0)


def _execute(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    try:
        code: int | None = options.command(options, arguments)
        return code or 0
    except SnacEvalError as error:
        _say(one_line(error))
        if example := "\n".join(getattr(error, "__notes__", ())):
            print(printable(example), file=sys.stderr)
        if debugs(options) and (trace := trace_of(error)):
            print(printable(trace), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as error:
        _say("interrupted")
        return error.exit_code if isinstance(error, Interrupted) else INTERRUPTED
    except (Exception, SystemExit) as error:  # noqa: BLE001 - nothing but a verdict may exit with 1
        if interrupts.received():  # An import turned it into another error.
            _say("interrupted")
            return 128 + interrupts.received()
        code = _explain(error, options)
        if debugs(options):
            traceback.print_exception(error)
        return code


def _explain(error: BaseException, options: argparse.Namespace) -> int:
    """Say what happened, and give the exit code: a file that fails is its user's to mend."""
    if isinstance(error, OSError) and error.filename is not None:
        _say(f"{error.filename}: {error.strerror}; mend that and run again")
        return OutputError.exit_code
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] != "snac_eval":
        _say(
            f"a package cannot be imported: {one_line(error)}; snac-eval doctor says how to mend it"
        )
        return SnacEvalError.exit_code
    _say(f"internal error: {one_line(error)}{_place(error)}; {_how_to_report(options)}")
    return INTERNAL_ERROR


def _say(message: str) -> None:
    print(f"snac-eval: {printable(message)[:LONGEST_LINE]}", file=sys.stderr)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" in {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _how_to_report(options: argparse.Namespace) -> str:
    return "please report it" if debugs(options) else "please report it with what --debug shows"


def _parser() -> Parser:
    parser = Parser(
        prog="snac-eval",
        description="How good is this neural audio codec, at what bitrate and at what speed?",
        epilog="snac-eval COMMAND --help has the flags, examples and exit codes of a command.",
        examples=_EXAMPLES,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    _add_debug(parser, False)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    for name in ("completion", "help"):
        commands.choices[name].set_defaults(parser=parser)
    _add_debug_below(commands)
    return parser


def _add_debug_below(commands: Commands[Parser]) -> None:
    for subparser in commands.choices.values():
        # Suppressed, for its default would undo what was said before the command.
        _add_debug(subparser, argparse.SUPPRESS)
        if subparser._subparsers is not None:
            _add_debug_below(subparser._subparsers._group_actions[0])  # type: ignore[arg-type]


def _add_debug(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "--debug",
        action="store_true",
        default=default,
        help="show tracebacks: of an internal error, of a codec, of a metric (also:"
        " SNAC_EVAL_DEBUG=1)",
    )


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from snac_eval import __version__

        print(f"snac-eval {__version__}")
        parser.exit()
