"""snac-eval merge: the shards of a run become the run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from snac_eval.cli.flags import Commands, add_track, path
from snac_eval.cli.streams import print_styled, screen

if TYPE_CHECKING:
    from snac_eval.results.record import Run
    from snac_eval.run.merge import MergeOutcome


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    merge = commands.add_parser(
        "merge",
        help="make one run of the folders that run --shard 1/N to N/N wrote",
        description="Joins the parts of a run that several machines worked off. The result is the"
        " run that one machine would have written.",
        examples=(
            "snac-eval merge shards/* -o runs/whole",
            "snac-eval merge shards/* -o runs/whole --partial",
        ),
        see_also=("snac-eval run --shard", "docs/scale.md"),
    )
    merge.set_defaults(command=_merge)
    merge.add_argument("shards", type=path, nargs="+", metavar="DIR", help="a shard's folder")
    merge.add_argument("-o", "--output", type=path, required=True, help="folder of the whole run")
    merge.add_argument(
        "--partial",
        action="store_true",
        help="merge what is there where shards are missing or have not finished; the run counts as"
        " unfinished, and run goes on with it",
    )
    merge.add_argument("--overwrite", action="store_true", help="forget what the folder holds")
    merge.add_argument(
        "--report-clips", type=int, default=20, help="clips to hear in report.html (default 20)"
    )
    merge.add_argument("--no-html", action="store_true", help="write no report.html")
    add_track(merge)
    merge.add_argument("--quiet", action="store_true", help="print errors only")


def _merge(options: argparse.Namespace, argv: Sequence[str]) -> None:
    from snac_eval.evaluation.executing import execute_merge
    from snac_eval.reports.compact import summary_terminal
    from snac_eval.results.left_out import refuse_undefined
    from snac_eval.run.merge import MergeConfig

    config = MergeConfig(
        folders=tuple(options.shards),
        output=options.output,
        partial=options.partial,
        overwrite=options.overwrite,
        html=not options.no_html,
        report_clips=options.report_clips,
    )
    merged, record, said = execute_merge(config, argv, options.track)
    if not options.quiet:
        shown = screen()
        print_styled(summary_terminal(record, shown.width, shown.colour))
        _print_ending(merged, record, len(config.folders), said)
    refuse_undefined(record)


def _print_ending(merged: MergeOutcome, record: Run, num_shards: int, said: Sequence[str]) -> None:
    notes = [record.unfinished] if record.unfinished else []
    for note in (*notes, *merged.notes, *said):
        print(f"note: {note}")
    ending = "these shards were merged here before" if merged.is_unchanged else "merged"
    print(f"{ending}: {num_shards} shards; files in {merged.folder}/")
