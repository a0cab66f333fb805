"""snac-eval list: what there is to run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, add_cards, card_dirs
from snac_eval.types import DOMAINS

KINDS = ("codecs", "datasets", "metrics", "trackers")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    listing = commands.add_parser(
        "list",
        help="list codecs, datasets, metrics or trackers",
        description="Prints a line for each codec, dataset, metric or tracker: what it is, and"
        " what it still needs here. Without a kind, all of them.",
        examples=(
            "snac-eval list codecs",
            "snac-eval list metrics --ready",
            "snac-eval list datasets --domain music --format json",
        ),
        see_also=("snac-eval show", "docs/looking.md"),
    )
    listing.set_defaults(command=_list)
    listing.add_argument("kind", choices=KINDS, nargs="?", help="default: all three")
    listing.add_argument("--ready", action="store_true", help="only what works here, as it is")
    listing.add_argument("--domain", choices=DOMAINS, help="only what is for this kind of audio")
    listing.add_argument(
        "--search", default="", help="text in the name, description, family or citation"
    )
    listing.add_argument(
        "--format", choices=("txt", "json"), default="txt", help="json: all facts (default txt)"
    )
    add_cards(listing)


def _list(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.catalogue.listing import Wanted, list_text, listed

    cards = card_dirs(options)
    wanted = Wanted(options.ready, options.domain, options.search)
    kinds = [options.kind] if options.kind else KINDS
    found = {kind: listed(kind, wanted, cards) for kind in kinds}
    if options.format == "json":
        from snac_eval.catalogue.output import as_json

        print(as_json(found))
        return
    from snac_eval.catalogue.output import terminal_width

    width = terminal_width()
    print("\n\n".join(list_text(kind, ones, width) for kind, ones in found.items()))
