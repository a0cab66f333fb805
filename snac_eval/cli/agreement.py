"""snac-eval agreement: which metric ranks these codecs as listeners do."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from snac_eval.cli.flags import Commands, names, path
from snac_eval.cli.ratings import add_kinds, add_map, add_screening, ratings_of
from snac_eval.cli.streams import print_styled, screen
from snac_eval.errors import UsageError, readable

if TYPE_CHECKING:
    from snac_eval.results.agreement.shapes import Agreement
    from snac_eval.results.listeners.ratings import Ratings

_NOTHING_COMPARED = 3


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    agreement = commands.add_parser(
        "agreement",
        help="say which metric to believe: hold every metric against listeners' ratings",
        description="Correlates every metric's scores with ratings of listeners, a clip and a"
        " codec at a time, with intervals over both, and says which metrics are better"
        " than which, beyond chance.",
        examples=(
            "snac-eval agreement runs/* --ratings ratings.csv -o agreement",
            "snac-eval agreement runs/study --ratings mushra.csv --map lyra_32=lyra_v2_3.2kbps",
            "snac-eval agreement runs/* --ratings votes.csv --codec-column system",
        ),
        see_also=("snac-eval listen read", "docs/which-metric.md"),
    )
    agreement.set_defaults(command=_agreement)
    agreement.add_argument(
        "runs", type=path, nargs="+", metavar="RUN", help="folders of runs or of studies"
    )
    agreement.add_argument("--metrics", default="", help="comma-separated; default all with ↑ or ↓")
    agreement.add_argument("--quiet", action="store_true", help="no progress bar")
    agreement.add_argument(
        "--format",
        choices=("md", "csv", "latex", "json"),
        help="what is printed (default: a table for the terminal's width, else md)",
    )
    agreement.add_argument(
        "-o",
        "--output",
        type=path,
        metavar="DIR",
        help="folder for agreement.json, .html, .md, .csv, .tex and figures (default"
        " ./agreement_RATINGS)",
    )
    _add_ratings(agreement.add_argument_group("ratings"))
    add_kinds(agreement.add_argument_group("what the file of ratings is"))
    _add_statistics(agreement.add_argument_group("what is held against what"))


def _add_ratings(ratings: argparse._ArgumentGroup) -> None:
    ratings.add_argument(
        "--ratings",
        type=path,
        required=True,
        metavar="FILE",
        help="single ratings: CSV (clip_id, codec, listener, rating), webMUSHRA's, P.808 answers,"
        " answers to our own test",
    )
    add_map(ratings)
    ratings.add_argument(
        "--name", default="", metavar="TEXT", help="what the test is called (default: its file)"
    )
    ratings.add_argument("--source", default="", metavar="TEXT", help="what to cite")


def _add_statistics(statistics: argparse._ArgumentGroup) -> None:
    statistics.add_argument(
        "--reference", action="store_true", help="the hidden reference counts as a codec"
    )
    statistics.add_argument("--anchors", action="store_true", help="anchors count as codecs")
    add_screening(statistics)
    statistics.add_argument(
        "--resamples", type=int, default=2000, metavar="N", help="of the bootstrap (default 2000)"
    )
    statistics.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")


def _agreement(options: argparse.Namespace, _: Sequence[str]) -> int:
    from snac_eval.progress import track
    from snac_eval.results.agreement.listening import agree_with_listeners
    from snac_eval.results.agreement.matching import parse_mapping
    from snac_eval.results.study import read_runs

    if options.seed < 0:
        raise UsageError(f"--seed {options.seed}: must be at least 0")
    mapping = parse_mapping(options.map)
    ratings = ratings_of(options, options.ratings)
    found = agree_with_listeners(
        read_runs(options.runs),
        ratings,
        is_screened=options.screen,
        mapping=mapping,
        metrics=names(options.metrics),
        with_reference=options.reference,
        with_anchors=options.anchors,
        data=options.name,
        source=options.source,
        num_resamples=options.resamples,
        seed=options.seed,
        watch=lambda chunks: track(chunks, "resampling", "chunk", not options.quiet),
    )
    _tell_unmatched(found, ratings)
    folder = options.output or Path(f"agreement_{options.ratings.stem}")
    _write(found, folder)
    _print(found, options.format)
    print(f"page: {folder / 'agreement.html'}", file=sys.stderr)
    told = any(not math.isnan(one.spearman("clips").value) for one in found.metrics)
    return 0 if told else _NOTHING_COMPARED


def _tell_unmatched(found: Agreement, ratings: Ratings) -> None:
    left = [one.name for one in found.left_out if one.what == "codec"]
    if unmatched := [name for name in left if ratings.roles[name] == "codec"]:
        said = ", ".join(map(readable, unmatched))
        print(
            f"note: rated, but not in the result: {said}; --map RATED=RUN says which run one is",
            file=sys.stderr,
        )


def _write(found: Agreement, folder: Path) -> None:
    """Everything into the folder; the record first, which the rest is made of."""
    from snac_eval.reports import figures
    from snac_eval.reports.agreement.figure import forest_figure, scatter_figure
    from snac_eval.reports.agreement.page import write_agreement_page
    from snac_eval.results.agreement.record import FILE_NAME, write_agreement
    from snac_eval.writing import write_text

    write_agreement(found, folder / FILE_NAME)
    for suffix, form in ((".md", "md"), (".csv", "csv"), (".tex", "latex")):
        write_text((folder / FILE_NAME).with_suffix(suffix), _text(found, form))
    write_agreement_page(found, folder / "agreement.html")
    for name, drawn in (("forest", forest_figure(found)), ("scatter", scatter_figure(found))):
        for suffix in (".pdf", ".svg"):
            figures.save(drawn, folder / f"{name}{suffix}")


def _text(found: Agreement, form: str) -> str:
    from snac_eval.reports.agreement.table import agreement_grid, tidy_grid
    from snac_eval.reports.agreement.words import sentences
    from snac_eval.reports.grid import GridFormat, render

    # In a paper's float, a sentence a metric would take more room than the table.
    said = sentences(found) if form == "md" else ()
    grid = tidy_grid(found) if form == "csv" else agreement_grid(found, said)
    return render(grid, cast("GridFormat", form))


def _print(found: Agreement, form: str | None) -> None:
    import json

    from snac_eval.reports.agreement.table import agreement_grid
    from snac_eval.reports.agreement.words import sentences
    from snac_eval.reports.terminal import render_terminal
    from snac_eval.results.agreement.record import agreement_json

    seen = screen()
    if form == "json":
        print(json.dumps(agreement_json(found), indent=2, ensure_ascii=False, allow_nan=False))
    elif form or not seen.is_terminal:
        print(_text(found, form or "md"), end="")
    else:
        grid = agreement_grid(found, sentences(found, only_contrary=True))
        more = "agreement.md and --format md show all, each metric in words"
        print_styled(render_terminal(grid, seen.width, seen.colour, more))
