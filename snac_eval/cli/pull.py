"""snac-eval pull: runs out of a dataset of the Hugging Face hub."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from snac_eval.cli.flags import Commands, path


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    pull = commands.add_parser(
        "pull",
        help="read runs back that push published on the Hugging Face hub",
        description="Fetches what snac-eval push sent and checks it: names, sizes, digests, and"
        " that what the repository's page shows is what the runs say. The folder is then a run like"
        " any other, without its audio; of several runs, a study.",
        examples=(
            "snac-eval pull USER/my-scores",
            "snac-eval pull USER/my-scores -o runs/theirs --revision main",
        ),
        see_also=("snac-eval push", "snac-eval table", "snac-eval compare", "docs/hub.md"),
    )
    pull.set_defaults(command=_pull)
    pull.add_argument("repo", metavar="USER/NAME", help="dataset repository")
    pull.add_argument(
        "-o", "--output", type=path, metavar="DIR", help="new folder (default runs/NAME)"
    )
    pull.add_argument("--revision", help="branch, tag or commit (default: what is newest)")


def _pull(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.publishing.fetching import fetch
    from snac_eval.publishing.remote import checked_name
    from snac_eval.writing import printable

    name = checked_name(options.repo, "USER/NAME")
    folder = options.output or Path("runs") / name.rpartition("/")[2]
    runs = fetch(name, folder, options.revision)
    said = f"{runs[0].codec} on {runs[0].dataset}" if len(runs) == 1 else f"{len(runs)} runs"
    print(printable(f"{folder}: {said}"))
