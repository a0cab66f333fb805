"""A page for each dataset: what it is, which clips are hard, who is best; and the list of all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from snac_eval.reports.cells import NONE, Cell, Column, Grid, count, metric_column, number
from snac_eval.reports.html import tables
from snac_eval.reports.html.groups import Group, clip_metrics
from snac_eval.reports.html.sound import DIFFERENCE_RANGE_DB, SPECTROGRAM_RANGE_DB
from snac_eval.reports.text import format_value
from snac_eval.results.ranking import quality_metrics, worst_clips
from snac_eval.results.record import Run, RunClip, first_info
from snac_eval.site.bands import EDGES, rate_of
from snac_eval.site.boards import Board, Row, clips_digest
from snac_eval.site.cards import Card, dataset_card
from snac_eval.site.pages import DATASETS, Page, board_address, codec_address, dataset_address
from snac_eval.site.parts import filled, player_data, playing
from snac_eval.site.plots import READING, Look, rate_plots
from snac_eval.site.sounds import Heard

MAX_SOUND_BYTES = 8_000_000
"""Of one page; what is longer is cut, and what does not fit is left out."""
MOST_PLAYED = 12
"""So many codecs are played side by side; more nobody tells apart, and no page could hold."""
WORST = 20
PICKS = {"domains": "list", "licence": "choice", "hours": "range"}


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is of a dataset, as far as runs saw it."""

    clips: Mapping[str, RunClip]
    """Every clip that any run was given."""

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Extent:
        """Of the clips of these runs."""
        return cls({clip: facts for run in runs for clip, facts in run.clips.items()})

    @property
    def hours(self) -> float:
        """NaN where the length of any clip is not known."""
        return math.fsum(clip.duration_s for clip in self.clips.values()) / 3600

    @property
    def domains(self) -> Counter[str]:
        """How many clips there are of each domain."""
        return Counter(clip.domain or "general" for clip in self.clips.values())

    @property
    def speakers(self) -> int:
        """How many are known."""
        return len({clip.speaker for clip in self.clips.values() if clip.speaker})

    @property
    def length(self) -> str:
        """In words."""
        seconds = 3600 * self.hours
        if math.isnan(seconds):
            return "of unknown length"
        if seconds < 120:
            return f"{seconds:.0f} seconds"
        return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{self.hours:.1f} hours"


def dataset_pages(
    runs: Sequence[Run], boards: Sequence[Board], heard: Heard, card_dirs: Sequence[Path] = ()
) -> Iterator[Page]:
    """The pages of all datasets, and last that which lists them. ``runs`` are those of the boards,
    under the same names (:func:`~snac_eval.site.boards.named`)."""
    look, rows = Look.of(runs), list[list[Cell]]()
    for dataset in dict.fromkeys(run.dataset for run in runs):
        own = [run for run in runs if run.dataset == dataset]
        card = dataset_card(own[0], card_dirs)
        rows.append(_index_row(card, own))
        here = [board for board in boards if board.dataset == dataset]
        yield _page(card, own, here, heard, look)
    columns = ("dataset", "domains", "clips", "hours", "speakers", "codecs", "licence")
    grid = Grid.of(map(Column, columns), rows, "Every dataset of this site", name="datasets")
    yield Page(DATASETS, "Datasets", "datasets.html.j2", {"grid": grid, "picks": PICKS})


def _index_row(card: Card, own: Sequence[Run]) -> list[Cell]:
    extent, name = Extent.of(own), own[0].dataset
    return [
        Cell(name, href=dataset_address(name).removeprefix("datasets/")),
        Cell(", ".join(extent.domains)),
        count(len(extent.clips)),
        number(extent.hours),
        count(extent.speakers) if extent.speakers else NONE,
        count(len({run.codec for run in own})),
        Cell(card.licence or "not stated"),
    ]


def _page(
    card: Card, own: Sequence[Run], boards: Sequence[Board], heard: Heard, look: Look
) -> Page:
    name = own[0].dataset
    page = Page(dataset_address(name), name, "dataset_page.html.j2", {})
    own = sorted(own, key=lambda run: look.places[run.name])
    played = _played([run for run in own if heard.has(run)])
    group = Group(0, name, tuple(look.shown(run) for run in played))
    context = {
        "card": card,
        "extent": Extent.of(own),
        "digests": list(_digests(own)),
        "boards": [_board(board, look, page.root) for board in boards],
        "reading": READING,
        "edges": EDGES,
        "worst": _worst(own),
        "runs": _runs(own, look, page.root, heard),
        "clips": playing(heard.of(name, played), group, MAX_SOUND_BYTES),
        "num_silent": sum(not heard.has(run) for run in own),
        "num_elsewhere": sum(map(heard.has, own)) - len(played),
        "folded": tables.folded_columns(own),
        "data": player_data(),
        "level_db": SPECTROGRAM_RANGE_DB,
        "difference_db": DIFFERENCE_RANGE_DB,
    }
    return replace(page, context=context)


def _played(having: Sequence[Run]) -> list[Run]:
    """Those that are played side by side: all, or some from the lowest bitrate to the highest."""
    if len(having) <= MOST_PLAYED:
        return list(having)
    rates = {run: rate_of(run).kbps for run in having}
    by_rate = sorted(having, key=lambda run: (math.isnan(rates[run]), rates[run]))
    step = (len(by_rate) - 1) / (MOST_PLAYED - 1)
    kept = {by_rate[round(step * place)].name for place in range(MOST_PLAYED)}
    return [run for run in having if run.name in kept]


def _digests(own: Sequence[Run]) -> Iterator[Mapping[str, Any]]:
    """The lists of clips that runs were given: they compare where these are the same."""
    found: dict[str, list[Run]] = {}
    for run in own:
        found.setdefault(clips_digest(run), []).append(run)
    for digest, runs in sorted(found.items(), key=lambda one: -len(one[1])):
        yield {
            "digest": digest,
            "num_clips": len(runs[0].clips),
            "runs": "every run" if len(runs) == len(own) else ", ".join(run.name for run in runs),
        }


def _board(board: Board, look: Look, root: str) -> Mapping[str, Any]:
    """The best of a board, and its main metric over bitrate."""
    return {
        "title": board.title,
        "domain": board.domain,
        "address": root + board_address(board.dataset, board.domain),
        "best": _best(board, root),
        "plots": list(rate_plots(board, look, root, [board.main] if board.main else [])),
    }


def _best(board: Board, root: str) -> Grid | None:
    """For each metric that says how good a codec is, and each band, who has the best mean."""
    bands = list(board.bands())
    rows = [
        [
            Cell(metric_column(board.infos[name]).printed),
            *(_leader(board, name, rows, root) for _, rows in bands),
        ]
        for name in board.ranked
    ]
    if not rows:
        return None
    columns = [Column("metric"), *(Column(band.title) for band, _ in bands)]
    notes = [
        "The best mean of each band among rows that compare; one that has no rival there leads"
        " alone. The board says which differences are shown.",
        EDGES,
    ]
    return Grid.of(columns, rows, f"Best of {board.title}", notes, f"best-{board.domain}")


def _leader(board: Board, metric: str, rows: Sequence[Row], root: str) -> Cell:
    sign = 1.0 if board.infos[metric].higher_is_better else -1.0
    first = board.measures[metric][0]
    found = [
        (sign * one.mean, row)
        for row in rows
        for one in [row.standings.get(metric)]
        if one is not None and one.measure is first and not math.isnan(one.mean)
    ]
    if not found:
        return NONE
    mean, row = max(found, key=lambda one: one[0])
    return Cell(row.run.name, format_value(sign * mean), href=root + codec_address(row.run))


def _worst(own: Sequence[Run]) -> Grid | None:
    """The clips that are hard for all codecs, and how these did on them on average."""
    judging, clips = set(quality_metrics(own)), Extent.of(own).clips
    names = [name for name in clip_metrics(own) if name in judging]
    if not names:
        return None
    rows = [
        [
            Cell(clip),
            Cell(clips[clip].speaker),
            Cell(clips[clip].domain),
            number(clips[clip].duration_s),
            *(_mean(own, name, clip) for name in names),
        ]
        for clip in worst_clips(own)[:WORST]
        if clip in clips
    ]
    columns = [*map(Column, ("clip", "speaker", "domain")), Column("length", "s")]
    columns += [metric_column(first_info(own, name)) for name in names]
    notes = [
        "Worst first, by the clip's mean rank over these metrics and all runs; values are means"
        " over all runs that scored it, and say how hard the clip is, not how good a codec."
    ]
    caption = f"The {len(rows)} hardest clips for all codecs"
    return filled(Grid.of(columns, rows, caption, notes, "worst"))


def _mean(own: Sequence[Run], metric: str, clip: str) -> Cell:
    having = (run.metrics[metric].values for run in own if metric in run.metrics)
    values = [found[clip] for found in having if clip in found]
    return number(fmean(values)) if values else NONE


def _runs(own: Sequence[Run], look: Look, root: str, heard: Heard) -> Grid:
    columns = ("letter", "codec", "clips", "scored", "finished", "snac-eval", "to hear", "run")
    rows = [
        [
            Cell(look.letters[run.name]),
            Cell(run.name, href=root + codec_address(run)),
            count(len(run.clips)),
            count(run.num_scored),
            Cell(str(run.manifest.get("finished", "")) if run.finished else "not finished"),
            Cell(run.versions.get("snac-eval", "")),
            Cell("yes" if heard.has(run) else "no"),
            Cell(run.run_id),
        ]
        for run in own
    ]
    return Grid.of(map(Column, columns), rows, "Every run", name="runs")
