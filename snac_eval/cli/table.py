"""snac-eval table: runs side by side as papers print them, or what models are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from snac_eval.cli.flags import Commands, add_cards, card_dirs, names, path
from snac_eval.errors import UsageError


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    table = commands.add_parser("table", help="print runs side by side, best and second marked")
    table.set_defaults(command=_table)
    table.add_argument(
        "runs", nargs="*", metavar="RUN", help="folders of runs or of studies; with --models names"
    )
    table.add_argument("--format", choices=("md", "latex", "csv", "txt"), default="md")
    table.add_argument("--metrics", default="", help="comma-separated columns, in this order")
    table.add_argument(
        "--published", action="store_true", help="set published figures beside ours, not ranked"
    )
    table.add_argument(
        "--models",
        action="store_true",
        help="instead: bitrate, parameters and token rates of models, measured where weights are"
        " here and else from the card (default: SNAC's)",
    )
    table.add_argument("--weights", default="", help="with --models: folder of one model's weights")
    table.add_argument("--device", default="cpu", help="with --models (default cpu)")
    add_cards(table)
    table.add_argument("-o", "--output", type=path, help="write to this file, not to the screen")


def _table(options: argparse.Namespace, _: Sequence[str]) -> None:
    cards = card_dirs(options)
    text = _models(options, cards) if options.models else _paper(options)
    if options.output is None:
        print(text, end="")
        return
    from snac_eval.writing import write_text

    write_text(options.output, text)


def _paper(options: argparse.Namespace) -> str:
    if options.weights:
        raise UsageError("--weights needs --models; runs have theirs already")
    from snac_eval.reports.grid import render
    from snac_eval.reports.paper import paper_grid
    from snac_eval.reports.published import load_published
    from snac_eval.results.study import read_runs

    runs = read_runs([path(folder) for folder in options.runs])
    published = load_published() if options.published else None
    return render(paper_grid(runs, names(options.metrics), published), options.format)


def _models(options: argparse.Namespace, cards: Sequence[Path]) -> str:
    from snac_eval.bench.models import measure_model, models_text, not_measured, snac_models
    from snac_eval.machine import resolve_device
    from snac_eval.reports.published import load_published
    from snac_eval.writing import printable

    models = options.runs or snac_models(cards)
    if options.weights and len(models) != 1:
        raise UsageError("--weights are of one model; name that one")
    if options.metrics:
        raise UsageError("--metrics are of runs; leave them out with --models")
    device = resolve_device(options.device)
    facts = [measure_model(name, cards, options.weights, device) for name in models]
    if said := not_measured(facts):
        print(f"snac-eval: {printable(said)}", file=sys.stderr)
    return models_text(facts, options.format, load_published() if options.published else None)
