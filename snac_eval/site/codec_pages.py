"""A page for each codec: what it is, how good, how fast, how it sounds; and the list of all."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snac_eval.reports.cells import NONE, Cell, Column, Grid, number
from snac_eval.reports.html import tables
from snac_eval.reports.html.facts import group_notes
from snac_eval.reports.html.groups import Group
from snac_eval.reports.html.page import ShownClip
from snac_eval.reports.html.sound import DIFFERENCE_RANGE_DB, SPECTROGRAM_RANGE_DB
from snac_eval.reports.text import format_value, span
from snac_eval.results.record import Run
from snac_eval.site.boards import Board
from snac_eval.site.cards import Card, codec_card
from snac_eval.site.pages import CODECS, Page, board_address, codec_address, dataset_address
from snac_eval.site.parts import player_data, playing, standing_grid
from snac_eval.site.plots import Look
from snac_eval.site.records import record_address
from snac_eval.site.sounds import NO_AUDIO, Heard
from snac_eval.site.speeds import speed_grid
from snac_eval.site.traits import traits

MAX_SOUND_BYTES = 3_000_000
"""Of one codec's page, all its datasets together."""
PICKS = {
    "kind": "choice",
    "family": "choice",
    "made for": "list",
    "on": "list",
    "measured": "range",
    "licence": "choice",
}
"""How rows of the list are picked."""


@dataclass(frozen=True, slots=True)
class _RunPart:
    """One run of the codec, as its page shows it."""

    key: str
    run: Run
    dataset_address: str
    notes: Sequence[str]
    every: Grid
    streams: Grid | None
    failures: Grid | None
    prints: Grid
    identity: Sequence[tuple[str, str]]
    clips: Sequence[ShownClip]
    silence: str
    """Why nothing can be heard of it; empty where something can."""
    files: Sequence[tuple[str, str]]


def codec_pages(
    runs: Sequence[Run],
    boards: Sequence[Board],
    heard: Heard,
    card_dirs: Sequence[Path] = (),
    benches: Sequence[Run] = (),
) -> Iterator[Page]:
    """The pages of all codecs, and last that which lists them. ``runs`` are those of the boards,
    under the same names (:func:`~snac_eval.site.boards.named`); ``benches`` say how fast codecs
    are alone."""
    look, listed = Look.of(runs), list[tuple[Card, list[Run]]]()
    for codec in dict.fromkeys(run.codec for run in runs):
        own = [run for run in runs if run.codec == codec]
        card = codec_card(own[0], card_dirs)
        listed.append((card, own))
        alone = [bench for bench in benches if bench.codec == codec]
        yield _page(card, own, boards, heard, look, alone)
    context = {"grid": _index(listed, boards, heard), "picks": PICKS}
    yield Page(CODECS, "Codecs", "codecs.html.j2", context)


def _page(
    card: Card,
    own: Sequence[Run],
    boards: Sequence[Board],
    heard: Heard,
    look: Look,
    alone: Sequence[Run],
) -> Page:
    address = codec_address(own[0])
    page = Page(address, own[0].title, "codec.html.j2", {})
    parts = [_part(place, run, heard, look, page.root) for place, run in enumerate(own)]
    context = {
        "codec": own[0].codec,
        "card": card,
        "traits": traits(own[0]),
        "card_notes": list(_card_notes(own)),
        "standings": list(_standings(own, boards, page.root)),
        "speed": speed_grid(own, alone),
        "parts": parts,
        "folded": tables.folded_columns(own),
        "data": player_data(),
        "level_db": SPECTROGRAM_RANGE_DB,
        "difference_db": DIFFERENCE_RANGE_DB,
    }
    return replace(page, context=context)


def _card_notes(own: Sequence[Run]) -> Iterator[str]:
    cards = {json.dumps(run.manifest.get("codec", {}).get("card"), sort_keys=True) for run in own}
    if len(cards) > 1:
        yield f"The {len(own)} runs of this name do not say the same of their codec; see each run."
    prints = {run.codec_fingerprint for run in own}
    if len(prints) > 1:
        yield f"The {len(own)} runs of this name are of {len(prints)} codecs: fingerprints differ."


def _standings(
    own: Sequence[Run], boards: Sequence[Board], root: str
) -> Iterator[Mapping[str, Any]]:
    """The codec on each board where it stands."""
    for board in boards:
        for row in board.rows:
            if row.run.codec != own[0].codec:
                continue
            yield {
                "title": board.title,
                "name": row.run.name,
                "address": root + board_address(board.dataset, board.domain),
                "band": row.rate.band.title,
                "kbps": format_value(row.rate.kbps),
                "declared": row.rate.declared,
                "grid": standing_grid(board, row),
            }


def _part(place: int, run: Run, heard: Heard, look: Look, root: str) -> _RunPart:
    shown = look.shown(run)
    group = Group(place, run.dataset, (shown,))
    clips = playing(heard.of(run.dataset, [run]), group, MAX_SOUND_BYTES)
    return _RunPart(
        key=group.key,
        run=run,
        dataset_address=root + dataset_address(run.dataset),
        notes=group_notes(group),
        every=tables.summary_table([shown]).without("codec"),
        streams=_without_codec(tables.stream_table([shown])),
        failures=_without_codec(tables.failure_table([shown])),
        prints=_prints(run),
        identity=list(_identity(run)),
        clips=clips,
        silence="" if clips else _silence(run, heard),
        files=[(root + record_address(run, one), one[1:].upper()) for one in (".csv", ".json")],
    )


def _without_codec(grid: Grid | None) -> Grid | None:
    return grid.without("codec") if grid is not None else None


def _silence(run: Run, heard: Heard) -> str:
    if not heard.has(run):
        return f"Nothing to hear of this run: {NO_AUDIO}."
    said = [note for note in heard.notes if note.startswith(f"Nothing to play of {run.name}:")]
    return said[0] if said else "Nothing to hear of this run: none of its clips was chosen."


def _prints(run: Run) -> Grid:
    """What each metric was measured by."""
    rows = [[Cell(name), Cell(str(one.info.fingerprint))] for name, one in run.metrics.items()]
    columns = [Column("metric"), Column("fingerprint")]
    return Grid.of(columns, rows, "What each score was measured by", name="prints")


def _identity(run: Run) -> Iterator[tuple[str, str]]:
    manifest = run.manifest
    found = {
        "run": run.run_id,
        "codec's fingerprint": run.codec_fingerprint,
        "digest of the clip list": manifest.get("dataset", {}).get("clip_list_sha256"),
        "clips": len(run.clips),
        "seed": manifest.get("config", {}).get("seed"),
        "reference rate": manifest.get("scoring", {}).get("reference_rate"),
        "resampler": manifest.get("scoring", {}).get("resampler"),
        "finished": manifest.get("finished"),
        "snac-eval": f"{manifest.get('snac_eval', '')} {manifest.get('commit', '')}".strip(),
        "versions": ", ".join(f"{key} {one}" for key, one in run.versions.items()),
    }
    yield from ((key, str(one)) for key, one in found.items() if one not in (None, ""))


def _index(listed: Sequence[tuple[Card, list[Run]]], boards: Sequence[Board], heard: Heard) -> Grid:
    rates = _rates(boards)
    columns = [
        *map(Column, ("codec", "kind", "family", "made for")),
        *(Column("measured", "kbps"), Column("stated", "kbps")),
        *map(Column, ("on", "to hear", "licence")),
    ]
    rows = [_index_row(card, own, rates.get(own[0].codec, []), heard) for card, own in listed]
    rows.sort(key=lambda row: (row[4].key is None, row[4].key or 0.0, row[0].text))
    notes = ["Bitrates are measured: bits really sent over seconds of audio, mean of each board."]
    return Grid.of(columns, rows, "Every codec of this site", notes, "codecs")


def _index_row(card: Card, own: Sequence[Run], rates: Sequence[float], heard: Heard) -> list[Cell]:
    datasets, known = dict.fromkeys(run.dataset for run in own), traits(own[0])
    address = codec_address(own[0]).removeprefix("codecs/")
    return [
        Cell(own[0].title, href=address),
        Cell(known.kind),
        Cell(known.family or "not stated"),
        Cell(", ".join(card.domains)),
        _spanned(rates),
        number(card.stated_kbps),
        Cell(", ".join(datasets)),
        Cell("yes" if any(map(heard.has, own)) else "no"),
        Cell(card.licence or "not stated"),
    ]


def _rates(boards: Iterable[Board]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for board in boards:
        for row in board.rows:
            if not math.isnan(row.rate.kbps):
                found.setdefault(row.run.codec, []).append(row.rate.kbps)
    return found


def _spanned(rates: Sequence[float]) -> Cell:
    if not rates:
        return NONE
    low, high = min(rates), max(rates)
    same = format_value(low) == format_value(high)
    return Cell(format_value(low) if same else span(low, high), key=math.fsum(rates) / len(rates))
