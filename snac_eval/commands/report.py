"""snac-eval report: the files of a run, written again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from snac_eval.commands.shared import Commands


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    report = commands.add_parser("report", help="write a run's report files again and print it")
    report.set_defaults(command=_report)
    report.add_argument("run", type=Path, help="run folder")


def _report(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.reports.tables import summary_markdown, write_tables
    from snac_eval.store import Store

    with Store.open_run(options.run) as store:
        print(summary_markdown(write_tables(store, options.run)))
