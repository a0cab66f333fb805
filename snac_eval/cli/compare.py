"""snac-eval compare: which run is better, and is that shown or noise."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, add_tolerances, names, path
from snac_eval.errors import UsageError

_NOTHING_COMPARED = 3


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    compare = commands.add_parser(
        "compare",
        help="say which run is better, and whether it is noise",
        description="Pairs the clips of two runs or more, tests each metric's difference, and"
        " names the clips that tell them apart most. Only the same audio and the same"
        " fingerprints are compared.",
        examples=(
            "snac-eval compare runs/mine runs/theirs",
            "snac-eval compare runs/mine runs/theirs --format csv -o compared.csv",
        ),
        see_also=("snac-eval check", "snac-eval table", "docs/tables.md"),
    )
    compare.set_defaults(command=_compare)
    compare.add_argument(
        "runs", type=path, nargs="+", metavar="RUN", help="two or more folders, or a study's"
    )
    compare.add_argument("--format", choices=("md", "csv"), default="md", help="default md")
    compare.add_argument("--metrics", default="", help="comma-separated; default all")
    compare.add_argument("--clips", type=int, default=5, help="telling clips to name (default 5)")
    compare.add_argument("-o", "--output", type=path, help="write to this file, not to the screen")
    add_tolerances(compare)


def _compare(options: argparse.Namespace, _: Sequence[str]) -> int:
    from snac_eval.reports.verdicts import comparison_csv, comparison_markdown
    from snac_eval.results.compare import compare
    from snac_eval.results.record import metric_names
    from snac_eval.results.study import read_runs
    from snac_eval.results.tolerances import load_tolerances
    from snac_eval.writing import write_text

    if options.clips < 0:
        raise UsageError(f"--clips {options.clips}: must be at least 0")
    runs = read_runs(options.runs)
    tolerances = load_tolerances(options.tolerances, options.tolerance, metric_names(*runs))
    result = compare(runs, tolerances, names(options.metrics))
    as_csv = options.format == "csv"
    text = comparison_csv(result) if as_csv else comparison_markdown(result, options.clips)
    if options.output is None:
        print(text, end="")
    else:
        write_text(options.output, text)
    return 0 if result.is_answered else _NOTHING_COMPARED
