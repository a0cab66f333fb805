"""snac-eval site: a leaderboard out of runs, as a folder that any web server or browser opens."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from snac_eval.cli.flags import Commands, add_cards, card_dirs, path
from snac_eval.writing import printable


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    site = commands.add_parser(
        "site",
        help="write a leaderboard of runs, studies and submissions, as a static site",
        description="Writes a folder of pages: who is best at what rate on which data, a page for"
        " each codec and each dataset, clips to hear, and everything as CSV and JSON. Open its"
        " index.html; it asks for no network and may stand below any address.",
        examples=(
            "snac-eval site runs/demo -o site/",
            "snac-eval site reports/results runs/mine -o site/",
        ),
        see_also=("snac-eval export", "snac-eval table", "docs/leaderboard.md"),
    )
    site.set_defaults(command=_site)
    site.add_argument(
        "runs",
        type=path,
        nargs="+",
        metavar="RUN",
        help="folder of a run, a study or a submission, or one that holds many of these",
    )
    site.add_argument(
        "-o",
        "--output",
        type=path,
        default=Path("site"),
        help="the site's folder (default site); what is there is replaced only if it is a site",
    )
    site.add_argument(
        "--sounds",
        type=path,
        action="append",
        default=[],
        metavar="RUN",
        help="a run that is not shown, but heard for rows of the same codec and clips that have no"
        " audio; may be repeated",
    )
    add_cards(site)
    site.add_argument("--quiet", action="store_true", help="no progress bar")


def _site(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.site.building import build_site
    from snac_eval.site.pages import HOME

    built = build_site(
        options.runs,
        options.output,
        _repository(),
        card_dirs(options),
        options.sounds,
        not options.quiet,
    )
    for note in built.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    print(
        f"{options.output / HOME}: {built.num_boards} boards of {built.num_runs} runs,"
        f" {built.num_pages} pages"
    )


def _repository() -> str:
    """Where submissions go: a workflow's own repository, where this is one."""
    server, name = (os.environ.get(key, "") for key in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    return f"{server}/{name}" if server and name else ""
