"""snac-eval list: what there is to run."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from snac_eval.cli.flags import Commands, add_cards, card_dirs
from snac_eval.types import CodecCard, MetricInfo


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    listing = commands.add_parser("list", help="list codecs, datasets or metrics")
    listing.set_defaults(command=_list)
    listing.add_argument("kind", choices=("codecs", "datasets", "metrics"), nargs="?")
    add_cards(listing)


def _list(options: argparse.Namespace, _: Sequence[str]) -> None:
    cards = card_dirs(options)
    listings = {
        "codecs": lambda: list_codecs(cards),
        "datasets": lambda: list_datasets(cards),
        "metrics": list_metrics,
    }
    for kind in [options.kind] if options.kind else listings:
        print(listings[kind](), end="\n\n" if options.kind is None else "\n")


def list_codecs(card_dirs: Sequence[Path] = ()) -> str:
    """One line per codec card: name, bitrate, sample rate, state here, what it is."""
    from snac_eval.registry import plugins

    cards = [plugins.codec_card(name, card_dirs, True) for name in plugins.codec_names(card_dirs)]
    return _table(
        ["codec", "bitrate", "sample rate", "state", "description"],
        [
            [
                card.name,
                _bitrate(card),
                _rate(card.sample_rate),
                plugins.codec_state(card),
                card.description,
            ]
            for card in cards
        ],
    )


def list_datasets(card_dirs: Sequence[Path] = ()) -> str:
    """One line per dataset card: name, domain, licence, state here, what it is."""
    from snac_eval.registry import plugins

    cards = [
        plugins.dataset_card(name, card_dirs, True) for name in plugins.dataset_names(card_dirs)
    ]
    return _table(
        ["dataset", "domain", "licence", "state", "description"],
        [
            [card.name, card.domain, card.licence, plugins.dataset_state(card), card.description]
            for card in cards
        ],
    )


def list_metrics() -> str:
    """One line per metric: name, unit, which way is better, range, domains, rate, state here, what
    it is."""
    from snac_eval.registry import plugins

    names = plugins.metric_names()
    return _table(
        ["metric", "unit", "better", "range", "domains", "rate", "state", "description"],
        [_metric_row(plugins.metric(name).info, plugins.metric_state(name)) for name in names],
    )


def _metric_row(info: MetricInfo, state: str) -> list[str]:
    better = {True: "higher", False: "lower", None: "-"}[info.higher_is_better]
    low, high = info.value_range
    domains = "all" if len(info.domains) == 3 else ", ".join(sorted(info.domains))
    rate = _rate(info.sample_rate) if info.sample_rate else "clip's"
    span = f"{low:g}..{high:g}"
    return [info.name, info.unit or "-", better, span, domains, rate, state, info.description]


def _bitrate(card: CodecCard) -> str:
    bps = card.nominal_bitrate_bps
    return "-" if math.isnan(bps) else f"{bps / 1000:.4g} kbps"


def _rate(sample_rate: int) -> str:
    return f"{sample_rate / 1000:g} kHz" if sample_rate else "any"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from snac_eval.reports.grid import Cell, Column, Grid, render

    grid = Grid.of(map(Column, header), (map(Cell, row) for row in rows))
    return render(grid, "txt").rstrip("\n")
