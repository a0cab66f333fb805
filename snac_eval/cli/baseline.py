"""snac-eval baseline: keep a run's scores for later checks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, names, path


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    baseline = commands.add_parser(
        "baseline",
        help="keep a run's scores as a baseline for check",
        description="Writes the scores of every clip into one JSON file, to be kept with the"
        " code. snac-eval check holds later runs against it.",
        examples=(
            "snac-eval baseline runs/reference -o baseline.json",
            "snac-eval baseline runs/reference -o baseline.json --metrics pesq_wb,stoi",
        ),
        see_also=("snac-eval check", "docs/gate.md"),
    )
    baseline.set_defaults(command=_baseline)
    baseline.add_argument("run", type=path, metavar="RUN", help="run folder")
    baseline.add_argument("-o", "--output", type=path, required=True, help="JSON file to write")
    baseline.add_argument("--metrics", default="", help="comma-separated; default all")


def _baseline(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.results.baseline import failed_clips, write_baseline
    from snac_eval.results.record import read_run

    run = read_run(options.run)
    write_baseline(run, options.output, names(options.metrics))
    print(f"baseline of {run.codec} on {run.dataset}, {len(run.clips)} clips: {options.output}")
    if failed := failed_clips(run):
        print(f"note: {failed}; check gates the others")
