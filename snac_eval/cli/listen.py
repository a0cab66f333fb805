"""snac-eval listen: a listening test out of runs, and what its listeners said."""

from __future__ import annotations

import argparse

from snac_eval.cli import listen_make, listen_read, listen_serve
from snac_eval.cli.flags import Commands

PARTS = (
    listen_make,
    listen_read,
    listen_serve,
)  # fmt: skip


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command and its own commands."""
    listen = commands.add_parser(
        "listen",
        help="make a listening test from runs, hold it, read its answers",
        description="A listening test is a folder with a page that works offline. It is made of"
        " the clips of runs, held by sending the folder or by a server, and read as"
        " ratings.",
        examples=(
            "snac-eval listen make runs/* -o my-test",
            "snac-eval listen serve my-test",
            "snac-eval listen read my-test",
        ),
        see_also=("snac-eval agreement", "docs/listening.md", "docs/reading-answers.md"),
    )
    parts = listen.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for part in PARTS:
        part.add(parts)
