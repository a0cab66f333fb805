"""snac-eval list: what there is to run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, add_cards, card_dirs


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    listing = commands.add_parser("list", help="list codecs, datasets or metrics")
    listing.set_defaults(command=_list)
    listing.add_argument("kind", choices=("codecs", "datasets", "metrics"), nargs="?")
    add_cards(listing)


def _list(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.cli.listing import list_codecs, list_datasets, list_metrics

    cards = card_dirs(options)
    listings = {
        "codecs": lambda: list_codecs(cards),
        "datasets": lambda: list_datasets(cards),
        "metrics": list_metrics,
    }
    for kind in [options.kind] if options.kind else listings:
        print(listings[kind](), end="\n\n" if options.kind is None else "\n")
