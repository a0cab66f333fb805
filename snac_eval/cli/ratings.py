"""The flags of commands that take runs and what listeners said of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from snac_eval.cli.flags import path
from snac_eval.errors import UsageError

if TYPE_CHECKING:
    from snac_eval.results.record import Run


def add_ratings(parser: argparse._ActionsContainer) -> None:
    """Give a command the flags for ratings."""
    parser.add_argument(
        "--ratings",
        type=path,
        metavar="FILE",
        help="listeners' ratings, as listen read writes them: the metric rating",
    )
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
