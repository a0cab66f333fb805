"""snac-eval table: runs side by side as papers print them, or what models are."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from snac_eval.cli.flags import Commands, add_cards, card_dirs, names, path
from snac_eval.cli.ratings import add_ratings, rated
from snac_eval.cli.streams import print_styled, screen
from snac_eval.errors import UsageError

if TYPE_CHECKING:
    from snac_eval.reports.grid import Grid, GridFormat
    from snac_eval.reports.latex import LatexLayout
    from snac_eval.reports.naming import Rows
    from snac_eval.results.record import Run

_SUFFIXES = {
    ".md": "md",
    ".tex": "latex",
    ".csv": "csv",
    ".txt": "txt",
    ".xlsx": "xlsx",
    "": "md",
}
_LONGEST_HINT = 60


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    table = commands.add_parser(
        "table",
        help="print runs side by side, best and second marked",
        description="Sets the means of runs side by side, with intervals where they are known."
        " What was measured on other audio or by another version of a metric is not"
        " ranked.",
        examples=(
            "snac-eval table runs/*",
            "snac-eval table runs/* --metrics bitrate,pesq_wb,stoi --format latex -o table.tex",
            "snac-eval table runs/* --against opus_12kbps --sort pesq_wb",
            "snac-eval table --models",
        ),
        see_also=("snac-eval plot", "snac-eval compare", "docs/tables.md"),
    )
    table.set_defaults(command=_table)
    table.add_argument(
        "runs", nargs="*", metavar="RUN", help="folders of runs or of studies; with --models names"
    )
    table.add_argument(
        "--format",
        choices=("md", "latex", "csv", "txt", "xlsx"),
        help="default: by the suffix of -o; on a terminal a table for its width, else md",
    )
    table.add_argument("--metrics", default="", help="comma-separated columns, in this order")
    table.add_argument(
        "--published", action="store_true", help="set published figures beside ours, not ranked"
    )
    table.add_argument(
        "--agreement",
        action="append",
        default=[],
        metavar="FILE",
        help="how far each metric agrees with listeners, by this agreement.json; shipped: by those"
        " that come with snac-eval; may be repeated",
    )
    add_ratings(table)
    _add_rows(table.add_argument_group("rows"))
    _add_latex(table.add_argument_group("with --format latex"))
    _add_models(table.add_argument_group("models instead of runs"))
    table.add_argument("-o", "--output", type=path, help="write to this file, not to the screen")


def _add_models(models: argparse._ActionsContainer) -> None:
    models.add_argument(
        "--models",
        action="store_true",
        help="bitrate, parameters and token rates of models, measured where weights are here and"
        " else from the card (default: SNAC's)",
    )
    models.add_argument("--weights", default="", help="folder of one model's weights")
    models.add_argument("--device", default="cpu", help="default cpu")
    add_cards(models)


def _add_rows(rows: argparse._ArgumentGroup) -> None:
    rows.add_argument(
        "--sort",
        metavar="NAME",
        default="",
        help="order: a metric, best first; bitrate, lowest first (default); name; given",
    )
    rows.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="printed name of a codec, or of the run in a folder of that name; may be repeated",
    )
    rows.add_argument(
        "--against",
        metavar="CODEC",
        default="",
        help="mark with † which codecs differ significantly from this one",
    )


def _add_latex(latex: argparse._ArgumentGroup) -> None:
    latex.add_argument(
        "--columns",
        type=int,
        metavar="N",
        help="at most N metrics beside each other; the rest stands below (default: as fit a page)",
    )
    latex.add_argument(
        "--sideways", action="store_true", help="turned, on a page of its own (package rotating)"
    )
    latex.add_argument("--latex-label", default="", metavar="LABEL", help="for \\ref: tab:codecs")
    latex.add_argument(
        "--caption", default="", metavar="TEXT", help="in place of ours, which becomes a note"
    )


def _table(options: argparse.Namespace, _: Sequence[str]) -> None:
    cards = card_dirs(options)
    form = _format(options)
    if options.models:
        _write(options.output, _models(options, form, cards))
    elif options.weights:
        raise UsageError("--weights needs --models; runs have theirs already")
    else:
        _runs(options, form)


def _format(options: argparse.Namespace) -> str:
    """The format that was asked for; "screen": a table for the terminal."""
    if form := options.format:
        if form == "xlsx" and options.output is None:
            raise UsageError("--format xlsx needs -o FILE; a workbook is no text for the screen")
        return str(form)
    if options.output is None:
        return "screen" if screen().is_terminal and not _latex_flag(options) else "md"
    suffix = options.output.suffix.lower()
    if suffix not in _SUFFIXES:
        known = ", ".join(filter(None, _SUFFIXES))
        raise UsageError(f"-o {options.output}: no table is written as {suffix}; use {known}")
    return _SUFFIXES[suffix]


def _latex_flag(options: argparse.Namespace) -> str:
    """The first flag given that only LaTeX knows."""
    given = {
        "--columns": options.columns is not None,
        "--sideways": options.sideways,
        "--latex-label": options.latex_label,
        "--caption": options.caption,
    }
    return next((flag for flag, is_given in given.items() if is_given), "")


def _runs(options: argparse.Namespace, form: str) -> None:
    from snac_eval.reports.compact import compact_grid, hint
    from snac_eval.reports.paper import paper_grid
    from snac_eval.reports.published import load_published
    from snac_eval.reports.terminal import render_terminal
    from snac_eval.results.agreement.record import read_agreements
    from snac_eval.results.study import read_runs

    layout = _layout(options, form)
    runs, said = rated(options, read_runs([path(folder) for folder in options.runs]))
    published = load_published() if options.published else None
    agreements = read_agreements(options.agreement)
    rows, metrics = _rows(options, runs), names(options.metrics)
    if form != "screen":
        grid = paper_grid(runs, metrics, published, rows, agreements)
        _write_paper(options, form, layout, replace(grid, notes=(*grid.notes, *said)))
        return
    seen = screen()
    more = "--format md shows all" if metrics else hint(_study(options.runs))
    grid = compact_grid(runs, metrics, published, rows, agreements)
    grid = replace(grid, notes=(*grid.notes, *said))
    print_styled(render_terminal(grid, seen.width, seen.colour, more))


def _layout(options: argparse.Namespace, form: str) -> LatexLayout:
    from snac_eval.reports.latex import LatexLayout

    flag = _latex_flag(options)
    if flag and form != "latex":
        raise UsageError(f"{flag} is of LaTeX: add --format latex, or -o FILE.tex")
    columns = options.columns
    if columns is not None and columns < 1:
        raise UsageError(f"--columns {columns}: must be at least 1")
    return LatexLayout(columns or 0, options.sideways, options.latex_label)


def _rows(options: argparse.Namespace, runs: Sequence[Run]) -> Rows:
    from snac_eval.reports.naming import Rows, labels

    return Rows(labels(options.label, runs), options.sort or "bitrate", options.against)


def _study(places: Sequence[str]) -> str:
    """What was given, where that is short enough for a hint."""
    given = shlex.join(places)
    return given if len(given) <= _LONGEST_HINT else "STUDY"


def _write_paper(options: argparse.Namespace, form: str, layout: LatexLayout, grid: Grid) -> None:
    from snac_eval.reports.grid import render
    from snac_eval.reports.latex import latex_table
    from snac_eval.reports.paper import without_even_clips
    from snac_eval.reports.spreadsheet import write_workbook

    if form == "xlsx":
        write_workbook(options.output, grid)
    elif form == "latex":
        if options.caption:
            grid = replace(grid, caption=options.caption, notes=(grid.caption, *grid.notes))
        _write(options.output, latex_table(without_even_clips(grid), layout))
    else:
        _write(options.output, render(grid, cast("GridFormat", form)))


def _write(output: Path | None, text: str) -> None:
    from snac_eval.writing import write_text

    if output is None:
        print(text, end="")
    else:
        write_text(output, text)


def _models(options: argparse.Namespace, form: str, cards: Sequence[Path]) -> str:
    from snac_eval.bench.models import measure_model, models_text, not_measured, snac_models
    from snac_eval.machine import resolve_device
    from snac_eval.reports.published import load_published
    from snac_eval.writing import printable

    models = options.runs or snac_models(cards)
    if options.weights and len(models) != 1:
        raise UsageError("--weights are of one model; name that one")
    if flag := _of_runs(options, form):
        verb, them = ("are", "them") if flag == "--metrics" else ("is", "it")
        raise UsageError(f"{flag} {verb} of runs; leave {them} out with --models")
    device = resolve_device(options.device)
    facts = [measure_model(name, cards, options.weights, device) for name in models]
    if said := not_measured(facts):
        print(f"snac-eval: {printable(said)}", file=sys.stderr)
    shown = cast("GridFormat", "md" if form == "screen" else form)
    return models_text(facts, shown, load_published() if options.published else None)


def _of_runs(options: argparse.Namespace, form: str) -> str:
    """The first flag given that a table of models cannot follow."""
    given = {
        "--metrics": options.metrics,
        "--sort": options.sort,
        "--label": options.label,
        "--against": options.against,
        "--agreement": options.agreement,
        "--ratings": options.ratings is not None,
        "--map": options.map,
        _latex_flag(options): _latex_flag(options),
        "--format xlsx": form == "xlsx",
    }
    return next((flag for flag, is_given in given.items() if is_given), "")
