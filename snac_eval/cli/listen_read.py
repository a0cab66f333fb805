"""snac-eval listen read: what listeners said."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from snac_eval.cli.flags import Commands, path
from snac_eval.cli.ratings import add_kinds, add_screening, kinds_flag, ratings_of
from snac_eval.errors import UsageError

if TYPE_CHECKING:
    from snac_eval.listening.reading import AbxReading, Reading
    from snac_eval.listening.report import ReadingFormat

_SUFFIXES = {".md": "md", ".tex": "latex", ".csv": "csv", "": "md"}


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    read = commands.add_parser(
        "read",
        help="say what listeners said: means, differences, agreement",
        description="Reads the answers that listeners sent, leaves out whom the test's own rule"
        " leaves out, and prints means with intervals and which differences are beyond chance.",
        examples=(
            "snac-eval listen read test",
            "snac-eval listen read test answers-*.csv --figure boxes.pdf --ratings ratings.csv",
            "snac-eval listen read mushra.csv --format latex",
        ),
        see_also=("snac-eval agreement", "docs/reading-answers.md"),
    )
    read.set_defaults(command=_read)
    read.add_argument(
        "test",
        type=path,
        metavar="TEST",
        help="folder of the test, or a file of any test's ratings",
    )
    read.add_argument(
        "answers",
        type=path,
        nargs="*",
        metavar="ANSWERS",
        help="files that listeners sent, or webMUSHRA's results (default: what listen serve"
        " collected); more files of ratings",
    )
    read.add_argument("--format", choices=("md", "csv", "latex"), help="default: by -o, else md")
    read.add_argument("-o", "--output", type=path, help="write to this file, not to the screen")
    read.add_argument(
        "--figure", type=path, metavar="FILE", help="draw boxes of the ratings: .pdf, .svg or .png"
    )
    read.add_argument(
        "--width", default="single", help="of the figure: single (default), double, or cm"
    )
    read.add_argument(
        "--ratings",
        type=path,
        metavar="FILE.csv",
        help="write the single ratings that count, for agreement, table and plot",
    )
    add_screening(read)
    add_kinds(read.add_argument_group("files of other tests"))


def _read(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.listening.report import reading_text
    from snac_eval.reports.figures import suffix
    from snac_eval.reports.figures.style import width_in
    from snac_eval.writing import write_text

    form = _format(options)
    if options.figure is not None:
        suffix(options.figure)
        width_in(options.width)
    reading = _reading(options)
    _write_beside(options, reading)
    text = reading_text(reading, form)
    if options.output is None:
        print(text, end="")
    else:
        write_text(options.output, text)


def _format(options: argparse.Namespace) -> ReadingFormat:
    if options.format:
        return cast("ReadingFormat", options.format)
    end = "" if options.output is None else options.output.suffix.lower()
    if end not in _SUFFIXES:
        known = ", ".join(filter(None, _SUFFIXES))
        raise UsageError(f"-o {options.output}: nothing is written as {end}; use {known}")
    return cast("ReadingFormat", _SUFFIXES[end])


def _reading(options: argparse.Namespace) -> Reading | AbxReading:
    from snac_eval.listening.reading import read_files, read_test

    if not options.test.is_file():
        _check_folder(options)
        if not options.test.exists() and options.test.suffix:
            raise UsageError(f"{options.test}: no such file; give ratings, or the folder of a test")
        return read_test(options.test, options.answers, options.screen)
    files: list[Path] = list(dict.fromkeys([options.test, *options.answers]))
    return read_files(files, [ratings_of(options, one) for one in files], options.screen)


def _check_folder(options: argparse.Namespace) -> None:
    """Raise UsageError for flags that a test of ours has no use for."""
    if flag := kinds_flag(options):
        raise UsageError(f"{flag} is of files of other tests; the key of {options.test} says it")


def _write_beside(options: argparse.Namespace, reading: Reading | AbxReading) -> None:
    """The figure and the ratings, where they were asked for."""
    if options.figure is None and options.ratings is None:
        return
    from snac_eval.listening.boxes import CAPTION, check_rated, save_boxes
    from snac_eval.listening.report import ratings_csv
    from snac_eval.writing import printable, write_text

    rated = check_rated(reading)
    if options.ratings is not None:
        write_text(options.ratings, ratings_csv(rated.screening.ratings))
    if options.figure is not None:
        save_boxes(rated, options.figure, options.width)
        print(f"figure: {printable(str(options.figure))}: {CAPTION}", file=sys.stderr)
