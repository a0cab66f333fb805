"""snac-eval score: two audio files, or two folders of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, names, path


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "score",
        help="score two audio files, or two folders of them",
        description="Scores audio against the original, without a codec and without a run. Files"
        " of two folders are paired by their names.",
        examples=(
            "snac-eval score original.wav decoded.wav",
            "snac-eval score my/recordings decoded/ --metrics pesq_wb,stoi -o scores.csv",
        ),
        see_also=("snac-eval encode", "docs/files.md"),
    )
    command.set_defaults(command=_score)
    command.add_argument("reference", metavar="REF", help="the original: a file or a folder")
    command.add_argument("estimate", metavar="EST", help="what became of it: a file or a folder")
    command.add_argument(
        "--metrics",
        default="",
        help="comma-separated; see snac-eval list metrics ('default' adds the default set)",
    )
    command.add_argument(
        "--domain", choices=("speech", "music", "general"), default="", help="what the audio is"
    )
    command.add_argument(
        "--per-file", action="store_true", help="of folders, a row for each file as well"
    )
    command.add_argument(
        "--format", choices=("txt", "md", "csv", "json"), default="txt", help="default txt"
    )
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.add_argument("-o", "--output", type=path, help="write to this file, not to the screen")


def _score(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.errors import TooManyFailures, UndefinedMetrics
    from snac_eval.files.score_tables import score_text
    from snac_eval.files.scoring import pair_up, score
    from snac_eval.writing import write_text

    pairing = pair_up(options.reference, options.estimate)
    shown = not options.quiet and len(pairing.pairs) > 1
    found = score(pairing, names(options.metrics), options.domain, shown)
    text = score_text(found, options.format, options.per_file)
    if options.output is None:
        print(text, end="")
    else:
        write_text(options.output, text)
    if failed := found.num_failed:
        raise TooManyFailures(f"{failed} of {len(pairing.pairs)} pairs failed a metric")
    if found.refused:
        raise UndefinedMetrics(found.refused)
