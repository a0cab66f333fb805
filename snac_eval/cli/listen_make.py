"""snac-eval listen make: a listening test from the clips of runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, path, seconds
from snac_eval.listening.shapes import METHODS


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    make = commands.add_parser("make", help="write a listening test from the clips of runs")
    make.set_defaults(command=_make)
    make.add_argument(
        "runs", type=path, nargs="+", metavar="RUN", help="folder of a run or of a study"
    )
    make.add_argument("-o", "--output", type=path, required=True, help="folder of the test")
    make.add_argument(
        "--method",
        choices=METHODS,
        default="mushra",
        help="mushra: all codecs side by side, 0 to 100; mos: one sound at a time, 1 to 5; abx: is"
        " a codec told from the reference (default mushra)",
    )
    make.add_argument("--clips", type=int, default=10, help="clips to choose (default 10)")
    make.add_argument(
        "--clip",
        action="append",
        default=[],
        metavar="ID",
        help="a clip by its id; may be repeated",
    )
    make.add_argument("--seed", type=int, default=1, help="of all choices (default 1)")
    make.add_argument(
        "--length", type=seconds, default=10.0, help="longest excerpt of a clip (default 10s)"
    )
    make.add_argument(
        "--loudness", type=float, default=-23.0, help="of every sound, in LUFS (default -23)"
    )
    make.add_argument("--no-anchors", action="store_true", help="without the low-pass anchors")
    make.add_argument(
        "--training", type=int, default=1, metavar="N", help="trials to practise on (default 1)"
    )
    make.add_argument("--title", default="", help="what listeners read above the test")
    make.add_argument("--url", default="", help="where the page posts its answers")


def _make(options: argparse.Namespace, _: Sequence[str]) -> None:
    raise NotImplementedError
