"""The pages of the leaderboard: every board at a glance, and a page for each board."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snac_eval.reports.html.groups import heading
from snac_eval.reports.text import format_value, metric_title, pooled_notes, worst_mark, worst_notes
from snac_eval.results.ranking import ALPHA
from snac_eval.results.record import Run
from snac_eval.site.bands import EDGES, Band
from snac_eval.site.boards import MIN_CODECS, Board, Measure, Row, Standing
from snac_eval.site.data import CSV_FILE, JSON_FILE, data_address
from snac_eval.site.pages import HOME, Page, board_address, codec_address, dataset_address
from snac_eval.site.plots import READING, Look, RatePlot, rate_plots
from snac_eval.site.traits import traits

MOST_COLUMNS = 7
"""So many metrics a script leaves standing until the reader asks for more."""
MOST_NAMES = 6
"""Of more codecs of one measure the number is told."""
_RATES = ("bitrate",)


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric of one row as the template shows it."""

    text: str
    spread: str = ""
    mark: str = ""
    key: float | None = None
    """What it sorts by."""
    rank: str = ""
    """``1–3``."""
    why: str = ""
    """Why there is no rank, or no value."""
    measure: str = ""
    badge: str = ""
    """Its measure where that is not M1."""
    flag: str = ""
    """``!2``: two clips are catastrophic."""
    n: int = 0


def leaderboard_pages(boards: Sequence[Board], look: Look) -> Iterator[Page]:
    """A page for each board, and the first page, which shows of each what it draws first."""
    drawn = list[tuple[str, RatePlot]]()
    for board in boards:
        found = list(rate_plots(board, look, "../"))
        drawn += [(board_address(board.dataset, board.domain), found[0])] if found else []
        yield _board_page(board, boards, found)
    yield _home(boards, drawn)


def _home(boards: Sequence[Board], drawn: Sequence[tuple[str, RatePlot]]) -> Page:
    runs = {row.run.run_id + row.run.name: row.run for board in boards for row in board.rows}
    clips = {
        (facts.digest or clip): facts.speaker
        for board in boards
        for clip, facts in board.clips.items()
    }
    context = {
        "boards": [_summary(board) for board in boards],
        "plots": drawn,
        "reading": READING,
        "num_codecs": len({run.codec for run in runs.values()}),
        "num_clips": len(clips),
        "num_speakers": len({speaker for speaker in clips.values() if speaker}),
        "versions": _versions(list(runs.values())),
        "csv": CSV_FILE,
        "json": JSON_FILE,
        "edges": EDGES,
        "min_codecs": MIN_CODECS,
    }
    return Page(HOME, "Leaderboard of audio codecs", "home.html.j2", context)


def _summary(board: Board) -> dict[str, Any]:
    runs = [row.run for row in board.rows]
    return {
        "address": board_address(board.dataset, board.domain),
        "dataset": board.dataset,
        "domain": board.domain,
        "title": board.title,
        "num_codecs": len({run.codec for run in runs}),
        "num_rows": len(runs),
        "num_clips": len(board.clips),
        "num_other_clips": len({clip for run in runs for clip in run.clips} - {*board.clips}),
        "num_speakers": board.num_speakers,
        "main": heading(board.infos[board.main]) if board.main else "",
        "bands": [(band.title, len(rows)) for band, rows in board.bands()],
        "versions": _versions(runs),
    }


def _versions(runs: Sequence[Run]) -> list[str]:
    """Of snac-eval, as the runs say, the oldest first."""
    known = {run.versions.get("snac-eval", "") for run in runs} - {""}
    return sorted(known, key=lambda text: [part.zfill(9) for part in text.split(".")])


def _board_page(board: Board, boards: Sequence[Board], plots: Sequence[RatePlot]) -> Page:
    address = board_address(board.dataset, board.domain)
    context = {
        "board": _summary(board),
        "dataset_page": dataset_address(board.dataset),
        "others": [_summary(other) for other in boards if other is not board],
        "metrics": [_column(board, name) for name in board.infos if name not in _RATES],
        "main": board.main,
        "plots": plots,
        "reading": READING,
        "bands": [_band(board, band, rows) for band, rows in board.bands()],
        "notes": list(_notes(board)),
        "said": list(board.notes),
        "lost": list(_lost(board)),
        "measures": list(_measures(board)),
        "fingerprints": list(_fingerprints(board)),
        "csv": data_address(board, ".csv"),
        "json": data_address(board, ".json"),
    }
    return Page(address, board.title, "board.html.j2", context)


def _column(board: Board, name: str) -> dict[str, Any]:
    info = board.infos[name]
    shown = [metric for metric in board.ranked if metric not in _RATES][:MOST_COLUMNS]
    return {
        "name": name,
        "heading": heading(info),
        "title": metric_title(info),
        "description": info.description,
        "better": {True: 1, False: -1, None: 0}[info.higher_is_better],
        "folded": name not in shown,
        "ranked": name in board.ranked,
    }


def _band(board: Board, band: Band, rows: Sequence[Row]) -> dict[str, Any]:
    names = [name for name in board.infos if name not in _RATES]
    return {
        "key": band.key,
        "title": band.title,
        "rows": [_row(board, row, names) for row in rows],
        "unranked": list(_unranked(board, rows)),
    }


def _row(board: Board, row: Row, names: Sequence[str]) -> dict[str, Any]:
    known, rate = traits(row.run), row.rate
    judged = [row.standings[name] for name in board.ranked if name in row.standings]
    return {
        "name": row.run.name,
        "codec": row.run.codec,
        "href": codec_address(row.run),
        "kind": known.kind,
        "family": known.family,
        "licence": known.licence,
        "kbps": None if math.isnan(rate.kbps) else rate.kbps,
        "rate": "" if math.isnan(rate.kbps) else format_value(rate.kbps),
        "declared": rate.declared,
        "no_rate": rate.problem,
        "lost": any(one.measure.lost for one in judged),
        "cells": [_cell(row, name) for name in names],
    }


def _cell(row: Row, name: str) -> Cell:
    if (one := row.standings.get(name)) is None:
        return Cell("–", why=_why_missing(row.run, name))
    half = one.half_width
    return Cell(
        text=format_value(one.mean),
        spread="" if math.isnan(half) else f"± {format_value(half)}",
        mark=one.mark,
        key=one.mean,
        rank=_rank(one),
        why=one.unranked,
        measure=one.measure.name,
        badge=one.measure.name if one.measure.other else "",
        flag=worst_mark(one.result),
        n=one.n,
    )


def _why_missing(run: Run, name: str) -> str:
    result = run.metrics.get(name)
    if result is None:
        return "not measured"
    reasons = [result.whole] if result.whole else list(result.missing.values())
    return reasons[0].reason if reasons else "no clip was scored"


def _rank(one: Standing) -> str:
    if one.rank is None:
        return ""
    low, high = one.rank
    return str(low) if low == high else f"{low}–{high}"


def _unranked(board: Board, rows: Sequence[Row]) -> Iterator[str]:
    """Why metrics have no ranks in this band, those of one reason together."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in board.ranked:
        several = len(board.measures[name]) > 1
        scored = [row.standings[name] for row in rows if name in row.standings]
        for one in {(one.measure.name if several else "", one.unranked) for one in scored}:
            found.setdefault(one, []).append(heading_name(board, name))
    for (measure, why), names in sorted(found.items()):
        if why:
            by = "by any metric" if len(names) == len(board.ranked) else f"by {', '.join(names)}"
            yield f"No ranks {by}{f' among {measure}' if measure else ''}: {why}."


def heading_name(board: Board, name: str) -> str:
    """The metric as papers print it, without unit and arrow."""
    return metric_title(board.infos[name])


def _notes(board: Board) -> Iterator[str]:
    runs = [row.run for row in board.rows]
    yield "Mean over clips ± half of its 95 % interval; speakers, where known, are its unit."
    yield (
        "#1–3: the 95 % interval of the codec's rank among those of the band that were measured"
        f" alike, 1 best. Ranks need {MIN_CODECS} codecs. Codecs whose ranks overlap are not told"
        " apart."
    )
    tests = [f"{band.title}: {board.num_tests[band.key]}" for band, _ in board.bands()]
    yield (
        "Bold: not shown to be worse than the best of its band and measure; underlined: the best of"
        " the rest (paired t-test of the mean, Holm-corrected over all metrics of the band,"
        f" significant below {ALPHA:g}; tests: {', '.join(tests)}). Ranks are corrected within one"
        " metric, so they part more codecs."
    )
    yield f"{EDGES} Rates and speeds are not ranked."
    yield from pooled_notes(board.infos.values())
    yield from worst_notes(runs, board.infos)


def _lost(board: Board) -> Iterator[str]:
    for said, names in board.lost().items():
        by = ", ".join(heading_name(board, name) for name in names)
        yield f"{said}: what is left of {by} is compared with no other codec."


def _measures(board: Board) -> Iterator[dict[str, Any]]:
    """Which rows may be compared, metrics of the same groups together."""
    found: dict[tuple[object, ...], list[str]] = {}
    for name in board.infos:
        found.setdefault(_grouping(board.measures[name]), []).append(name)
    for names in found.values():
        measures = board.measures[names[0]]
        yield {
            "metrics": [heading_name(board, name) for name in names],
            "judges": any(name in board.ranked for name in names),
            "measures": [
                {
                    "name": one.name,
                    "who": _some([run.name for run in one.runs]),
                    "clips": one.num_clips,
                    "digest": one.clips[:8],
                    "other": one.other,
                }
                for one in measures
            ],
        }


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} codecs"


def _grouping(measures: Sequence[Measure]) -> tuple[object, ...]:
    return tuple((one.runs, one.clips, one.other) for one in measures)


def _fingerprints(board: Board) -> Iterator[Mapping[str, str]]:
    for name in board.infos:
        for one in board.measures[name]:
            yield {
                "metric": heading_name(board, name),
                "name": one.name,
                "fingerprint": str(one.runs[0].info(name).fingerprint),
                "clips": one.clips[:16],
            }
