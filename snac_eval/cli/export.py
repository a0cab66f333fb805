"""snac-eval export: a run as others may have it, and the check of what others sent."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from snac_eval.cli.flags import Commands, path
from snac_eval.errors import UsageError, one_line

_REFUSED = 1


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    export = commands.add_parser(
        "export",
        help="write runs as submissions: scores without audio, to be shared",
        description="Writes a folder for each run that others may have: no audio, no store, no path"
        " and no name of a person or a machine. With --check it looks through such folders instead,"
        " and says what does not hold.",
        examples=(
            "snac-eval export runs/mine -o reports/results",
            "snac-eval export runs/study -o reports/results",
            "snac-eval export --check reports/results",
        ),
        see_also=("snac-eval push", "docs/submitting.md"),
    )
    export.set_defaults(command=_export)
    export.add_argument(
        "places", type=path, nargs="+", metavar="RUN", help="run or study; with --check results"
    )
    export.add_argument(
        "-o", "--output", type=path, help="folder of results, such as reports/results"
    )
    export.add_argument(
        "--check", action="store_true", help="write nothing, check submissions that are there"
    )
    export.add_argument(
        "--known",
        type=path,
        metavar="DIR",
        help="with --check: results that hold, whose clips new ones must share",
    )


def _export(options: argparse.Namespace, _: Sequence[str]) -> int:
    if options.check == (options.output is not None):
        raise UsageError("give either -o DIR, to export, or --check")
    if options.known is not None and not options.check:
        raise UsageError("--known goes with --check")
    if options.check:
        return _check(options.places, options.known)
    return _write(options.places, options.output)


def _write(places: Sequence[Path], output: Path) -> int:
    from snac_eval.results.record import read_run
    from snac_eval.results.study import run_folders
    from snac_eval.submissions.exporting import standing, submission_of, write_submission
    from snac_eval.writing import printable

    written: dict[Path, Path] = {}
    refused = 0
    for folder in dict.fromkeys(run_folders(places)):
        try:
            one = submission_of(read_run(folder))
            if one.place in written:
                raise UsageError(f"{folder}: is another run of what {written[one.place]} is")
            said = standing(one, output)
            print(printable(f"{said}: {write_submission(one, output)}"))
            written[one.place] = folder
        except UsageError as error:
            refused += 1
            print(f"snac-eval: not exported: {printable(one_line(error))}", file=sys.stderr)
    return _REFUSED if refused else 0


def _check(places: Sequence[Path], known: Path | None) -> int:
    from snac_eval.submissions.checking import check_submissions
    from snac_eval.writing import printable

    checked = check_submissions(places, known)
    for one in checked:
        for problem in one.problems:
            print(printable(f"{one.folder}: {problem}"))
    bad = sum(bool(one.problems) for one in checked)
    print(f"{len(checked)} submissions checked, " + (f"{bad} do not hold" if bad else "all hold"))
    return _REFUSED if bad else 0
