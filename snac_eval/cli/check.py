"""snac-eval check: fail where a run has dropped against its baseline."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, add_tolerances, names, path
from snac_eval.errors import OutputError, UsageError


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    check = commands.add_parser(
        "check",
        help="fail where a run dropped against a baseline",
        description="Compares a run's clips with those of a baseline, metric by metric and part"
        " by part, and ends with a code that continuous integration understands.",
        examples=(
            "snac-eval check runs/new --baseline baseline.json",
            "snac-eval check runs/new --baseline baseline.json --no-speed --junit gate.xml",
            "snac-eval check runs/new --baseline baseline.json --tolerance pesq_wb=0.05",
        ),
        see_also=("snac-eval baseline", "snac-eval compare", "docs/gate.md"),
    )
    check.set_defaults(command=_check)
    check.add_argument("run", type=path, metavar="RUN", help="run folder")
    check.add_argument("--baseline", type=path, required=True, help="file that baseline wrote")
    check.add_argument("--metrics", default="", help="comma-separated; default the baseline's")
    check.add_argument("--no-speed", action="store_true", help="leave speeds out")
    check.add_argument(
        "--allow-missing",
        action="store_true",
        help="check the clips there are, where the run lacks clips of the baseline",
    )
    check.add_argument(
        "--clips", type=int, default=3, help="clips that fell most to name, a metric (default 3)"
    )
    check.add_argument("--junit", type=path, metavar="FILE", help="also write JUnit XML")
    check.add_argument("--markdown", type=path, metavar="FILE", help="also write Markdown")
    add_tolerances(check)


def _check(options: argparse.Namespace, _: Sequence[str]) -> int:
    from snac_eval.reports.checks import accept_command, check_junit, check_markdown
    from snac_eval.results.baseline import load_baseline
    from snac_eval.results.gate import check
    from snac_eval.results.record import read_run
    from snac_eval.results.tolerances import load_tolerances
    from snac_eval.writing import write_text

    if options.clips < 0:
        raise UsageError(f"--clips {options.clips}: must be at least 0")
    run = read_run(options.run)
    result = check(
        run,
        load_baseline(options.baseline, options.run),
        load_tolerances(options.tolerances, options.tolerance, run.metrics),
        names(options.metrics),
        speed=not options.no_speed,
        allow_missing=options.allow_missing,
    )
    accept = accept_command(result, options.run, options.baseline)
    text = check_markdown(result, accept, options.clips)
    if options.junit is not None:
        write_text(options.junit, check_junit(result, accept, options.clips))
    if options.markdown is not None:
        write_text(options.markdown, text)
    _append_step_summary(text)
    print(text, end="")
    return int(result.exit_code)


def _append_step_summary(text: str) -> None:
    """GitHub shows what a step appends to this file on the workflow's page."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise OutputError(f"GITHUB_STEP_SUMMARY {path}: {error.strerror}") from error
