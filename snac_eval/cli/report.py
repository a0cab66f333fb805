"""snac-eval report: the files of a run written again, and the HTML page of one run or several."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from snac_eval.cli.flags import Commands, path
from snac_eval.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from snac_eval.results.record import Run


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    report = commands.add_parser(
        "report",
        help="write a run's report files again; --html: one page of one run or several",
        description="Makes summary, tables and page of the scores that a run keeps. Nothing is"
        " coded or scored again, but clips to be heard.",
        examples=(
            "snac-eval report runs/mine",
            "snac-eval report runs/mine --html --report-clips 50",
            "snac-eval report runs/* --html -o comparison.html",
        ),
        see_also=("snac-eval table", "docs/page.md"),
    )
    report.set_defaults(command=_report)
    report.add_argument("run", type=path, nargs="+", help="folder of a run or of a study")
    report.add_argument(
        "--html",
        action="store_true",
        help="write report.html too; of several runs, one page that compares them",
    )
    report.add_argument(
        "-o",
        "--output",
        type=path,
        help="the page's file (default RUN/report.html, of several runs ./report.html)",
    )
    report.add_argument(
        "--report-clips",
        type=int,
        default=20,
        help="clips that can be played, worst first (default 20)",
    )


def _report(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.reports.html.page import page_path, write_page
    from snac_eval.reports.summary import summary_markdown
    from snac_eval.results.record import read_run
    from snac_eval.results.study import run_folders

    if options.output and not options.html:
        raise UsageError("--output names the HTML page; give --html with it")
    runs = []
    for folder in dict.fromkeys(run_folders(options.run)):
        runs.append(read_run(folder))
        _write_tables(runs[-1], folder)
        print(summary_markdown(runs[-1]))
    if options.html:
        page = options.output or page_path(options.run)
        with _page_place(options):
            write_page(runs, page, options.report_clips)
        print(f"page: {page}")


def _write_tables(run: Run, folder: Path) -> None:
    from snac_eval.reports.summary import write_tables
    from snac_eval.run.folder import writing_aside

    with writing_aside(folder) as problem:
        if problem:
            print(f"note: its tables were not written: {problem}", file=sys.stderr)
        else:
            write_tables(run, folder)


def _page_place(options: argparse.Namespace) -> AbstractContextManager[None]:
    """The run's own folder is written only while no run writes there."""
    from snac_eval.run.folder import only_writer

    beside = not options.output and len(options.run) == 1
    return only_writer(options.run[0]) if beside else nullcontext()
