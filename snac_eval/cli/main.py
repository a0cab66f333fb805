"""The command line: errors become one line and an exit code.

Exit codes: 0 done, 1 too many clips failed or a check found a regression, 2 wrong usage or broken
input, 3 a check could not tell, 130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from snac_eval.cli import baseline, bench, check, compare, report, run, table, validate
from snac_eval.cli import list as list_command
from snac_eval.errors import Interrupted, SnacEvalError

COMMANDS = (run, bench, list_command, validate, report, table, compare, baseline, check)

_EXAMPLES = """examples:
  snac-eval run --model snac_16khz_mini --dataset demo
  snac-eval run --model snac_24khz --dataset librispeech --limit 100
  snac-eval run --model opus_12kbps --dataset folder:my/recordings --metrics pesq_wb,stoi
  snac-eval table runs/* --format latex
  snac-eval compare runs/mine runs/theirs
  snac-eval check runs/new --baseline baseline.json
  snac-eval list codecs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(arguments)
    try:
        code: int | None = options.command(options, arguments)
        sys.stdout.flush()
    except SnacEvalError as error:
        print(f"snac-eval: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as error:
        print("snac-eval: interrupted", file=sys.stderr)
        return error.exit_code if isinstance(error, Interrupted) else 130
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="snac-eval",
        description="How good is this neural audio codec, at what bitrate and at what speed?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from snac_eval import __version__

        print(f"snac-eval {__version__}")
        parser.exit()
