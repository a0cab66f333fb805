"""What several commands share."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.errors import UsageError
from snac_eval.reading.names import user_path
from snac_eval.types import DOMAINS

if TYPE_CHECKING:
    from snac_eval.files.encoding import CodingConfig

Commands = argparse._SubParsersAction  # the only name argparse has for this


def add_cards(parser: argparse._ActionsContainer) -> None:
    """Give a command the flag for folders of own cards."""
    parser.add_argument(
        "--cards", type=path, action="append", default=[], help="folder with codecs/ and datasets/"
    )


def add_model_args(parser: argparse._ActionsContainer) -> None:
    """Give a command the flag for the arguments of a codec of one's own."""
    parser.add_argument(
        "--model-args",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="argument of the constructor of a codec of one's own; may be repeated",
    )


def add_python(parser: argparse._ActionsContainer) -> None:
    """Give a command the flag for the interpreter of its codec."""
    parser.add_argument(
        "--python",
        default="",
        metavar="PATH",
        help="another Python, of a venv or a conda environment, to run the codec in",
    )


def add_track(parser: argparse._ActionsContainer) -> None:
    """Give a command the flag that says where its runs are logged."""
    parser.add_argument(
        "--track",
        action="append",
        default=[],
        metavar="NAME[:WHERE]",
        help="log the run there as well: mlflow, tensorboard:DIR; may be repeated (see snac-eval"
        " list trackers)",
    )


def add_coding(command: argparse.ArgumentParser) -> None:
    """Give a command what every one has that takes a codec and files to files."""
    command.add_argument("--weights", default="", help="folder of the codec's weights")
    add_model_args(command)
    add_python(command)
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default auto)")
    command.add_argument("--overwrite", action="store_true", help="write what is there anew")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    add_cards(command)


def coding(options: argparse.Namespace) -> CodingConfig:
    """What such a command was asked. Raises UsageError."""
    from snac_eval.files.encoding import CodingConfig

    return CodingConfig(
        model=options.model,
        output=options.output,
        weights=options.weights,
        device=options.device,
        card_dirs=card_dirs(options),
        model_args=tuple(options.model_args),
        python=options.python,
        overwrite=options.overwrite,
        show_progress=not options.quiet,
    )


def debugs(options: argparse.Namespace) -> bool:
    """Whether tracebacks are to be shown."""
    return bool(options.debug or os.environ.get("SNAC_EVAL_DEBUG"))


def add_domain(parser: argparse._ActionsContainer) -> None:
    """Give a command the flag that says what a dataset's clips are."""
    parser.add_argument(
        "--domain",
        choices=DOMAINS,
        default="",
        help="what the clips are of which the dataset does not say it (a folder, a list)",
    )


def add_limit(parser: argparse._ActionsContainer) -> None:
    """Give a command the flag for how many clips it takes."""
    parser.add_argument(
        "--limit", type=int, help="this many clips, spread over the data (default, and 0: all)"
    )


def limit_of(options: argparse.Namespace) -> int:
    """How many clips, 0 for all; whoever says 0 may expect none, and is told."""
    if options.limit == 0 and not options.quiet:
        print("note: --limit 0 takes every clip", file=sys.stderr)
    return options.limit or 0


def card_dirs(options: argparse.Namespace) -> tuple[Path, ...]:
    """The folders of own cards. Raises UsageError for the first that is none."""
    from snac_eval.registry.cards import check_card_dirs

    folders: list[Path] = options.cards
    check_card_dirs(folders, "--cards")
    return tuple(folders)


def path(text: str) -> Path:
    """The path that a flag names, its ``~`` filled in."""
    try:
        return user_path(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def seconds(text: str) -> float:
    """``10`` or ``10s``."""
    try:
        return float(text.removesuffix("s"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text[:60]}' is no time, such as 10s") from None


def add_tolerances(parser: argparse.ArgumentParser) -> None:
    """Give a command the flags that change what difference matters."""
    parser.add_argument(
        "--tolerances", type=path, metavar="FILE", help="TOML file over the built-in tolerances"
    )
    parser.add_argument(
        "--tolerance",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one tolerance: pesq_wb=0.05 or encode_real_time_factor=20%%; may be repeated",
    )
