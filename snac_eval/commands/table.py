"""snac-eval table: runs side by side as papers print them, or what models are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from snac_eval.commands.shared import Commands, names


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    table = commands.add_parser("table", help="print runs side by side, best and second marked")
    table.set_defaults(command=_table)
    table.add_argument("runs", nargs="*", metavar="RUN", help="run folders")
    table.add_argument("--format", choices=("md", "latex", "csv", "txt"), default="md")
    table.add_argument("--metrics", default="", help="comma-separated columns, in this order")
    table.add_argument(
        "--published", action="store_true", help="set published figures beside ours, not ranked"
    )
    table.add_argument("-o", "--output", type=Path, help="write to this file, not to the screen")


def _table(options: argparse.Namespace, _: Sequence[str]) -> None:
    text = _paper(options)
    if options.output is None:
        print(text, end="")
        return
    from snac_eval.files import write_text

    write_text(options.output, text)


def _paper(options: argparse.Namespace) -> str:
    from snac_eval.reports.paper import load_paper_run, paper_table
    from snac_eval.reports.paper_text import paper_text
    from snac_eval.reports.published import load_published

    runs = [load_paper_run(Path(folder)) for folder in options.runs]
    table = paper_table(runs, names(options.metrics))
    published = load_published() if options.published else None
    return paper_text(table, options.format, published)
