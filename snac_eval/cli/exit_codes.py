"""Every exit code there is, said once: each command's ``--help`` and docs/exit-codes.md come of it.

``python -m snac_eval.cli.exit_codes > docs/exit-codes.md`` writes the page anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

INTERNAL_ERROR = 70
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class ExitCode:
    """What a code says."""

    code: int
    meaning: str
    commands: tuple[str, ...] = ()
    """Those that end so, such as ``listen make``; none: every command."""


_FAILED_FILES = "done, but a file failed: each is named"
_UNDEFINED = (
    "done, but a metric that was named with --metrics is undefined on every clip; it is named, with"
    " the reason"
)
EXIT_CODES = (
    ExitCode(0, "done"),
    ExitCode(0, "passed: no drop beyond the tolerances", ("check",)),
    ExitCode(0, "the codec keeps the contract", ("validate",)),
    ExitCode(0, "all that is needed works", ("doctor",)),
    ExitCode(0, "some metric of two runs was tested", ("compare",)),
    ExitCode(0, "some metric was held against the ratings", ("agreement",)),
    ExitCode(
        1,
        "a regression: a drop that is significant and larger than the tolerance, of a metric's mean"
        " or of a part of it, or of every clip of six speakers or more by twice the tolerance",
        ("check",),
    ),
    ExitCode(1, "the codec breaks the contract", ("validate",)),
    ExitCode(1, "of several pairs, some failed: each is named, the others are done", ("run",)),
    ExitCode(1, "something that is needed is broken or missing", ("doctor",)),
    ExitCode(
        1,
        "a run that cannot be submitted, or a submission that does not hold",
        ("export", "site"),
    ),
    ExitCode(
        2,
        "wrong usage, broken input, something that cannot be reached, or a place (standard output"
        " too) that cannot be written: one line on standard error says which",
    ),
    ExitCode(3, _UNDEFINED, ("run", "merge", "score")),
    ExitCode(
        3,
        "no verdict: worse on these clips alone, not comparable or inconclusive; a run that lacks"
        " clips is always inconclusive",
        ("check",),
    ),
    ExitCode(
        3,
        "nothing could be compared: other audio, other fingerprints, too few clips, lost clips",
        ("compare",),
    ),
    ExitCode(
        3,
        "no metric could be held against the ratings: too few points, or no scores of what was"
        " rated",
        ("agreement",),
    ),
    ExitCode(4, "done, but more clips failed than --max-error-rate allows", ("run", "merge")),
    ExitCode(4, _FAILED_FILES, ("encode", "decode", "score")),
    ExitCode(
        INTERNAL_ERROR,
        "an internal error: one line; --debug or SNAC_EVAL_DEBUG=1 adds the traceback",
    ),
    ExitCode(129, "ended by SIGHUP"),
    ExitCode(INTERRUPTED, "ended by Ctrl-C"),
    ExitCode(143, "ended by SIGTERM"),
)
_TYPED = re.compile(r"(--[a-z-]+|SNAC_EVAL_\w+=1)")
_PAGE = """# Exit codes

`snac-eval` ends with one of these. `snac-eval COMMAND --help` lists those of its command.

| code | command | meaning |
|---|---|---|
{rows}

A verdict keeps its code where the reader of standard output has gone.
"""


def exit_codes_of(command: str) -> list[ExitCode]:
    """The codes of a command, in order. What is said of it alone stands for what is said of all."""
    own = [one for one in EXIT_CODES if command in one.commands]
    said = {one.code for one in own}
    return [one for one in EXIT_CODES if one in own or (not one.commands and one.code not in said)]


def summary() -> Iterator[tuple[str, str]]:
    """Each code, once, and what it says: of every command, and of single ones on rows below."""
    before = None
    for one in EXIT_CODES:
        whose = f"{', '.join(one.commands)}: " if one.commands else ""
        yield "" if one.code == before else str(one.code), f"{whose}{one.meaning}"
        before = one.code


def document() -> str:
    """The text of docs/exit-codes.md."""
    return _PAGE.format(rows="\n".join(map(_row, EXIT_CODES)))


def _row(one: ExitCode) -> str:
    commands = ", ".join(f"`{name}`" for name in one.commands) or "all"
    meaning = _TYPED.sub(r"`\1`", one.meaning)
    return f"| {one.code} | {commands} | {meaning} |"


if __name__ == "__main__":
    print(document(), end="")
