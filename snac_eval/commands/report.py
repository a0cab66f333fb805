"""snac-eval report: the files of a run, written again; several runs side by side as a page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from snac_eval.commands.shared import Commands
from snac_eval.errors import UsageError


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    report = commands.add_parser("report", help="write a run's report files again and print it")
    report.set_defaults(command=_report)
    report.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders")
    report.add_argument(
        "--html", action="store_true", help="write report.html; several runs stand side by side"
    )
    report.add_argument(
        "--report-clips", type=int, default=20, help="clips to listen to, worst first (default 20)"
    )
    report.add_argument(
        "--output", "-o", type=Path, help="the page (default report.html in the first run's folder)"
    )


def _report(options: argparse.Namespace, _: Sequence[str]) -> None:
    if options.html:
        from snac_eval.playback import write_html_report

        if options.report_clips < 0:
            raise UsageError(f"--report-clips {options.report_clips}: must be at least 0")
        print(write_html_report(options.runs, options.report_clips, options.output))
        return
    if len(options.runs) > 1 or options.output:
        raise UsageError("several runs, and --output, are for --html; see also: snac-eval table")

    from snac_eval.reports.tables import summary_markdown, write_tables
    from snac_eval.store import Store

    with Store.open_run(options.runs[0]) as store:
        print(summary_markdown(write_tables(store, options.runs[0])))
