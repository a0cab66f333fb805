"""snac-eval show: all about one codec, dataset or metric."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, add_cards, card_dirs


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    show = commands.add_parser(
        "show",
        help="tell all about a codec, a dataset or a metric, its BibTeX included",
        description="Prints what the card of a codec or a dataset, or the definition of a metric,"
        " says: rates, licences, ranges, sources, what is needed.",
        examples=(
            "snac-eval show snac_24khz",
            "snac-eval show pesq_wb stoi",
            "snac-eval show snac_24khz librispeech --format bibtex",
        ),
        see_also=("snac-eval list", "docs/looking.md"),
    )
    show.set_defaults(command=_show)
    show.add_argument(
        "names", nargs="+", metavar="NAME", help="as lists have it, or with options: snac_24khz@k=2"
    )
    show.add_argument(
        "--format",
        choices=("txt", "json", "bibtex"),
        default="txt",
        help="json: a list with an entry a name; bibtex: what to cite, each entry once",
    )
    add_cards(show)


def _show(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.catalogue.output import as_json, terminal_width
    from snac_eval.catalogue.showing import find, show_bibtex, show_text

    cards = card_dirs(options)
    found = [one for name in options.names for one in find(name, cards)]
    if options.format == "json":
        print(as_json(found))
    elif options.format == "bibtex":
        print(show_bibtex(found))
    else:
        width = terminal_width()
        print("\n\n".join(show_text(one, width) for one in found))
