"""The flags of commands that take what listeners said."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.cli.flags import names, path
from snac_eval.errors import UsageError

if TYPE_CHECKING:
    from snac_eval.results.listeners.ratings import Ratings
    from snac_eval.results.record import Run

_COLUMNS = {"clip_id": "clip", "codec": "codec", "listener": "listener", "rating": "rating"}


def add_ratings(parser: argparse._ActionsContainer) -> None:
    """Give a command the flags for ratings."""
    parser.add_argument(
        "--ratings",
        type=path,
        metavar="FILE",
        help="listeners' ratings, as listen read writes them: the metric rating",
    )
    add_map(parser)


def add_map(parser: argparse._ActionsContainer) -> None:
    """Give a command the flag that says which run a rated codec is."""
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="RATED=RUN",
        help="which run a codec of the ratings is, where names differ; may be repeated",
    )


def rated(options: argparse.Namespace, runs: list[Run]) -> tuple[list[Run], Sequence[str]]:
    """The runs with the ratings that were given, and what a reader must know of them."""
    if options.ratings is None:
        if options.map:
            raise UsageError("--map is of ratings: add --ratings FILE")
        return runs, ()
    from snac_eval.results.agreement.matching import parse_mapping
    from snac_eval.results.listeners.formats import read_ratings
    from snac_eval.results.listeners.screening import screen
    from snac_eval.results.rated import with_ratings

    found = screen(read_ratings(options.ratings))
    made = with_ratings(runs, found.ratings, parse_mapping(options.map))
    return made.runs, (*made.notes, *found.ratings.notes, *found.notes)


def add_kinds(group: argparse._ActionsContainer) -> None:
    """Give a command the flags that say what a file of ratings is."""
    group.add_argument(
        "--kind",
        choices=("long", "webmushra", "p808", "answers"),
        help="what the file is (default: by its first line)",
    )
    group.add_argument("--key", type=path, metavar="FILE", help="key of our own test")
    group.add_argument(
        "--scale", choices=("mushra", "acr", "other"), help="default: by the kind or the numbers"
    )
    group.add_argument(
        "--reference-name",
        metavar="NAME",
        help="the ratings' name of the hidden reference ('' for none; default: the usual names)",
    )
    group.add_argument(
        "--anchor-names", metavar="NAMES", help="comma-separated ('' for none; default: the usual)"
    )
    for column, what in _COLUMNS.items():
        group.add_argument(
            f"--{what}-column", default="", metavar="NAME", help=f"the file's name of {column}"
        )
    group.add_argument(
        "--pattern",
        default="",
        metavar="REGEX",
        help="p808: finds (?P<codec>...) and (?P<clip>...) in a clip's address",
    )


def add_screening(group: argparse._ActionsContainer) -> None:
    """Give a command the flag that keeps every listener."""
    group.add_argument(
        "--screen",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="leave out listeners after ITU-R BS.1534-3 (MUSHRA alone; default)",
    )


def kinds_flag(options: argparse.Namespace) -> str:
    """The first flag given of :func:`add_kinds`; empty for none."""
    given = {
        "--kind": options.kind,
        "--key": options.key is not None,
        "--scale": options.scale,
        "--reference-name": options.reference_name is not None,
        "--anchor-names": options.anchor_names is not None,
        "--pattern": options.pattern,
        **{f"--{what}-column": _column(options, what) for what in _COLUMNS.values()},
    }
    return next((flag for flag, is_given in given.items() if is_given), "")


def ratings_of(options: argparse.Namespace, file: Path) -> Ratings:
    """The ratings in this file, as the flags of :func:`add_kinds` say."""
    from snac_eval.results.listeners.formats import read_ratings

    columns = {name: _column(options, what) for name, what in _COLUMNS.items()}
    anchors = options.anchor_names
    return read_ratings(
        file,
        {name: own for name, own in columns.items() if own},
        options.scale,
        kind=options.kind,
        key=options.key,
        reference=options.reference_name,
        anchors=None if anchors is None else names(anchors),
        pattern=options.pattern,
    )


def _column(options: argparse.Namespace, what: str) -> str:
    return str(getattr(options, f"{what}_column"))
