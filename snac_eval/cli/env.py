"""snac-eval env: environments of codecs and metrics that this interpreter cannot hold."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, add_cards, card_dirs


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command and its own commands."""
    env = commands.add_parser(
        "env",
        help="make, list and remove environments of codecs and metrics of their own",
        description="Some packages cannot live beside others. Their codecs and metrics run in"
        " virtual environments of their own, which are made once.",
        examples=("snac-eval env create warpq", "snac-eval env list", "snac-eval env remove warpq"),
        see_also=("snac-eval doctor", "docs/environments.md"),
    )
    parts = env.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_create(parts)
    listing = parts.add_parser(
        "list",
        help="list what was made, and what could be",
        description="Shows every environment with its Python, its size and what it is for, and"
        " those that snac-eval env create could make.",
        examples=("snac-eval env list", "snac-eval env list --format json"),
        see_also=("snac-eval env create", "docs/environments.md"),
    )
    listing.set_defaults(command=_list)
    listing.add_argument(
        "--format", choices=("txt", "json"), default="txt", help="json: all facts (default txt)"
    )
    add_cards(listing)
    removing = parts.add_parser(
        "remove",
        help="remove an environment",
        description="Deletes the folder of an environment. What it computed stays.",
        examples=("snac-eval env remove warpq",),
        see_also=("snac-eval env list",),
    )
    removing.set_defaults(command=_remove)
    removing.add_argument("environment", metavar="NAME", help="of the environment")


def _add_create(parts: Commands[argparse.ArgumentParser]) -> None:
    create = parts.add_parser(
        "create",
        help="make a virtual environment of what a codec's card or a metric asks for",
        description="Makes a virtual environment with the packages that the card of a codec or a"
        " metric asks for. What needs them then runs there, by itself. pip takes its index from its"
        " own configuration and variables; --pip-arg adds to that.",
        examples=(
            "snac-eval env create warpq",
            "snac-eval env create squim --pip-arg=--index-url=https://download.pytorch.org/whl/cpu",
        ),
        see_also=("snac-eval env list", "docs/environments.md"),
    )
    create.set_defaults(command=_create)
    create.add_argument(
        "environment",
        metavar="NAME",
        help="of a codec, a family of codecs, a metric or an environment",
    )
    create.add_argument(
        "--python", default="", help="interpreter that it is made of (default: this one)"
    )
    create.add_argument(
        "--pip-arg",
        action="append",
        default=[],
        metavar="ARG",
        help="further argument of pip install, as --pip-arg=--pre; may be repeated",
    )
    create.add_argument("--overwrite", action="store_true", help="make it anew if it is there")
    create.add_argument("--quiet", action="store_true", help="do not show what pip says")
    add_cards(create)


def _create(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.environments.known import environment_meant
    from snac_eval.environments.listing import in_words
    from snac_eval.environments.venvs import Making, create
    from snac_eval.progress import say

    known = environment_meant(options.environment, card_dirs(options))
    how = Making(options.python, tuple(options.pip_arg), options.overwrite)
    is_new = create(known, how, lambda line: say(line, not options.quiet))
    print(in_words(known))
    if not is_new:
        print("it was there already; --overwrite makes it anew", file=sys.stderr)


def _list(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.environments.listing import as_json, as_text, environments

    found = environments(card_dirs(options))
    print(as_json(found) if options.format == "json" else as_text(found))


def _remove(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.environments.venvs import remove

    remove(options.environment)
    print(f"removed environment {options.environment}")
