"""snac-eval table: runs side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from snac_eval.commands.shared import Commands, names


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    table = commands.add_parser("table", help="print runs side by side")
    table.set_defaults(command=_table)
    table.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders")
    table.add_argument("--format", choices=("md", "latex", "csv"), default="md")
    table.add_argument("--metrics", default="", help="comma-separated columns, in this order")


def _table(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.reports.frames import load_frames
    from snac_eval.reports.tables import comparison_table
    from snac_eval.store import Store

    runs = []
    for folder in options.runs:
        with Store.open_run(folder) as store:
            runs.append(load_frames(store))
    print(comparison_table(runs, options.format, names(options.metrics)), end="")
