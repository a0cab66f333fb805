"""The command line: flags become a RunConfig; errors become one line and an exit code.

Exit codes: 0 done, 1 too many clips failed, 2 wrong usage or broken input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.errors import SnacEvalError, UsageError

if TYPE_CHECKING:
    from snac_eval.plan import RunConfig

_EXAMPLES = """examples:
  snac-eval run --model snac_16khz_mini --dataset demo
  snac-eval run --model snac_24khz --dataset librispeech --limit 100
  snac-eval run --model opus_12kbps --dataset folder:my/recordings --metrics pesq_wb,stoi
  snac-eval table runs/* --format latex
  snac-eval list codecs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(arguments)
    try:
        options.command(options, arguments)
        sys.stdout.flush()
    except SnacEvalError as error:
        print(f"snac-eval: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("snac-eval: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="snac-eval",
        description="How good is this neural audio codec, at what bitrate and at what speed?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_list(commands)
    _add_report(commands)
    _add_table(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from snac_eval import __version__

        print(f"snac-eval {__version__}")
        parser.exit()


_Commands = argparse._SubParsersAction  # the only name argparse has for this


def _add_run(commands: _Commands[argparse.ArgumentParser]) -> None:
    run = commands.add_parser("run", help="run a codec over a dataset, score it, write the report")
    run.set_defaults(command=_run)
    what = run.add_argument_group("what")
    what.add_argument("--model", required=True, help="codec; see snac-eval list codecs")
    what.add_argument("--dataset", required=True, help="dataset; see snac-eval list datasets")
    what.add_argument(
        "--metrics",
        default="",
        help="comma-separated; see snac-eval list metrics ('default' adds the default set)",
    )
    what.add_argument("--limit", type=int, default=0, help="this many clips, spread over the data")
    what.add_argument("--seed", type=int, default=0, help="seed of the codec's noise (default 0)")
    what.add_argument(
        "--reference-rate",
        choices=("clip", "codec"),
        default="clip",
        help="compare at the clip's sample rate (default) or at the codec's",
    )
    where = run.add_argument_group("where from, where to")
    where.add_argument("--data-root", type=Path, help="folder of local corpora")
    where.add_argument("--weights", default="", help="folder of the codec's weights")
    where.add_argument("--output", type=Path, help="run folder (default runs/MODEL_DATASET)")
    where.add_argument("--overwrite", action="store_true", help="forget what the folder holds")
    _add_cards(where)
    how = run.add_argument_group("how")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default auto)")
    how.add_argument("--workers", type=int, default=-1, help="scoring processes (default: cores)")
    how.add_argument(
        "--batch-size", type=int, default=0, help="clips per batch (default: 1 on CPU)"
    )
    how.add_argument(
        "--max-duration", type=float, default=600.0, help="longest clip in seconds (default 600)"
    )
    how.add_argument(
        "--max-error-rate",
        type=float,
        default=0.1,
        help="share of clips that may fail before the exit code is 1 (default 0.1)",
    )
    how.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_list(commands: _Commands[argparse.ArgumentParser]) -> None:
    listing = commands.add_parser("list", help="list codecs, datasets or metrics")
    listing.set_defaults(command=_list)
    listing.add_argument("kind", choices=("codecs", "datasets", "metrics"), nargs="?")
    _add_cards(listing)


def _add_report(commands: _Commands[argparse.ArgumentParser]) -> None:
    report = commands.add_parser("report", help="write a run's report files again and print it")
    report.set_defaults(command=_report)
    report.add_argument("run", type=Path, help="run folder")


def _add_table(commands: _Commands[argparse.ArgumentParser]) -> None:
    table = commands.add_parser("table", help="print runs side by side")
    table.set_defaults(command=_table)
    table.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders")
    table.add_argument("--format", choices=("md", "latex", "csv"), default="md")
    table.add_argument("--metrics", default="", help="comma-separated columns, in this order")


def _add_cards(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--cards", type=Path, action="append", default=[], help="folder with codecs/ and datasets/"
    )


def _run(options: argparse.Namespace, argv: Sequence[str]) -> None:
    from snac_eval.reports.tables import summary_markdown
    from snac_eval.run import run

    config = _config(options)
    try:
        result = run(config, argv)
    except KeyboardInterrupt:
        print(
            f"\nsnac-eval: interrupted; what was scored is in {config.output},"
            " and the same command continues",
            file=sys.stderr,
        )
        raise
    print(summary_markdown(result.frames))
    for note in result.notes:
        print(f"note: {note}")
    print(f"{result.num_computed} clips computed now; files in {result.run_dir}/")


def _config(options: argparse.Namespace) -> RunConfig:
    from snac_eval.plan import RunConfig

    if not all(folder.is_dir() for folder in options.cards):
        raise UsageError(f"--cards {options.cards[-1]}: no such folder")
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", f"{options.model}_{options.dataset}").strip("_")
    return RunConfig(
        model=options.model,
        dataset=options.dataset,
        output=options.output or Path("runs") / name,
        metrics=_names(options.metrics),
        limit=options.limit,
        seed=options.seed,
        device=options.device,
        workers=options.workers,
        batch_size=options.batch_size,
        overwrite=options.overwrite,
        data_root=options.data_root,
        weights=options.weights,
        card_dirs=tuple(options.cards),
        reference_rate=options.reference_rate,
        max_duration_s=options.max_duration,
        max_error_rate=options.max_error_rate,
        show_progress=not options.quiet,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _list(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.listing import list_codecs, list_datasets, list_metrics

    listings = {
        "codecs": lambda: list_codecs(options.cards),
        "datasets": lambda: list_datasets(options.cards),
        "metrics": list_metrics,
    }
    for kind in [options.kind] if options.kind else listings:
        print(listings[kind](), end="\n\n" if options.kind is None else "\n")


def _report(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.reports.tables import summary_markdown, write_tables
    from snac_eval.store import Store

    with Store.open_run(options.run) as store:
        print(summary_markdown(write_tables(store, options.run)))


def _table(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.reports.frames import load_frames
    from snac_eval.reports.tables import comparison_table
    from snac_eval.store import Store

    runs = []
    for folder in options.runs:
        with Store.open_run(folder) as store:
            runs.append(load_frames(store))
    print(comparison_table(runs, options.format, _names(options.metrics)), end="")
