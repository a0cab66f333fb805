"""Comparisons as Markdown and CSV. All names from data are escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial

from snac_eval.reports.claims import INTERVALS, narrowed, units, unseen
from snac_eval.reports.grid import NONE, Cell, Column, Grid, metric_column, render
from snac_eval.reports.rows import Row, spread, table
from snac_eval.reports.text import (
    counts,
    floor_notes,
    format_value,
    lost_lines,
    markdown_text,
    p_value,
    signed,
    span,
)
from snac_eval.results.compare import Comparison, Difference, TellingClip
from snac_eval.results.ranking import Frontier, RankIntervals
from snac_eval.types import MetricInfo

_Infos = Mapping[str, MetricInfo]

_SHOWN = ("better", "worse")
_UNBEATEN = "◆"


def comparison_markdown(result: Comparison, num_clips: int = 5) -> str:
    """Every pair's lost clips, differences and telling clips, then the frontiers and what could not
    be told."""
    parts = []
    for first, second in result.clips:
        rows = [one for one in result.differences if (one.first, one.second) == (first, second)]
        parts.append(f"## {markdown_text(first)} against {markdown_text(second)}")
        lost = lost_lines(result.lost(first, second))
        parts += [f"**Clips were lost.** {markdown_text(line)}" for line in lost]
        parts += _pair_parts(rows, result.infos, result.clips[first, second][:num_clips])
    if result.ranks:
        parts += ["## Ranks, 95 % intervals", _ranks(result.ranks, result.infos)]
    parts += _frontier_parts(result.frontiers, result.infos)
    parts += [markdown_text(note) for note in result.notes]
    return "\n\n".join([*parts, _method(result)]) + "\n"


def comparison_csv(result: Comparison) -> str:
    """One row per pair and metric, with every field of a Difference."""
    names = [one.name for one in fields(Difference)]
    rows = [[_plain(name, getattr(one, name)) for name in names] for one in result.differences]
    return render(Grid.of(map(Column, names), rows), "csv")


def _plain(name: str, value: object) -> Cell:
    plain = counts(value) if isinstance(value, Mapping) else value
    return Cell(str(plain), values={name: plain})


def _pair_parts(
    rows: Sequence[Difference], infos: _Infos, clips: Sequence[TellingClip]
) -> list[str]:
    tested = [one for one in rows if not math.isnan(one.difference)]
    parts = [table([_difference_row(one, infos) for one in tested])] if tested else []
    shown = any(one.catastrophic_first or one.catastrophic_second for one in tested)
    parts += floor_notes(infos[one.metric] for one in tested) if shown else []
    parts += _reasons(rows)
    if clips:
        minus = markdown_text(f"{rows[0].first} minus {rows[0].second}")
        parts += [f"Clips on which they differ most, {minus}:", _telling(clips)]
    return parts


def _reasons(rows: Sequence[Difference]) -> list[str]:
    """A line per verdict and reason, with the metrics that share it."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in rows:
        if one.reason and one.verdict != "clips lost":
            groups.setdefault((one.verdict, one.reason), []).append(one.metric)
    return [
        f"{verdict.capitalize()} ({markdown_text(reason)}): {markdown_text(', '.join(metrics))}."
        for (verdict, reason), metrics in groups.items()
    ]


def _difference_row(one: Difference, infos: _Infos) -> Row:
    sign = partial(signed, relative=one.relative)
    speakers = "" if one.unit == "clip" else f" ({units(one.num_units, one.unit)})"
    return [
        ("metric", Cell(infos[one.metric].heading)),
        (one.first, Cell(format_value(one.mean_first))),
        (one.second, Cell(format_value(one.mean_second))),
        ("difference", Cell(sign(one.difference))),
        ("95 % interval", Cell(span(one.low, one.high, sign))),
        ("p (Holm)", Cell(p_value(one.p_holm))),
        ("verdict", Cell(one.verdict, mark="strong" if one.verdict in _SHOWN else "")),
        ("clips", Cell(f"{one.n}{speakers}")),
        ("catastrophic", _catastrophic(one)),
        ("left out", Cell(counts(one.left_out)) if one.left_out else NONE),
    ]


def _catastrophic(one: Difference) -> Cell:
    """How many clips of the first and of the second run are; a dash where none is."""
    if not (one.catastrophic_first or one.catastrophic_second):
        return NONE
    return Cell(f"{one.catastrophic_first} and {one.catastrophic_second}")


def _telling(clips: Sequence[TellingClip]) -> str:
    rows = {
        one.clip: {Column(name): Cell(signed(value)) for name, value in one.differences.items()}
        for one in clips
    }
    return spread("clip", rows)


def _ranks(ranks: Sequence[RankIntervals], infos: _Infos) -> str:
    rows: dict[str, dict[Column, Cell]] = {}
    for one in ranks:
        for run, (low, high) in one.intervals.items():
            cell = Cell(str(low) if low == high else f"{low} to {high}")
            rows.setdefault(run, {})[metric_column(infos[one.metric])] = cell
    return spread("codec", rows)


def _frontier_parts(frontiers: Sequence[Frontier], infos: _Infos) -> list[str]:
    parts = []
    for cost, unit in (("bitrate", "kbps"), ("speed", "encode + decode seconds per second")):
        chosen = [one for one in frontiers if one.cost == cost]
        if chosen:
            parts += [
                f"## Pareto frontier over {cost}",
                f"{_UNBEATEN}: by their means on these clips, no other beats them on both {cost}"
                f" ({unit}) and quality.",
                _frontier(chosen, infos, Column(cost, unit)),
            ]
    return parts


def _frontier(frontiers: Sequence[Frontier], infos: _Infos, cost: Column) -> str:
    rows: dict[str, dict[Column, Cell]] = {}
    for one in frontiers:
        for point in one.points:
            row = rows.setdefault(point.run, {cost: Cell(format_value(point.cost))})
            quality = format_value(point.quality)
            cell = Cell(f"{quality} {_UNBEATEN}" if point.on_frontier else quality)
            row[metric_column(infos[one.metric])] = cell
    return spread("codec", rows)


def _method(result: Comparison) -> str:
    tests = sum(not math.isnan(one.p_holm) for one in result.differences)
    tested = [one for one in result.differences if one.num_units]
    reaches = [(one.metric, one.claim, one.num_units, one.unit) for one in tested]
    said = (
        "Paired by clip, on clips scored in both; t-test of the mean difference, Holm-corrected"
        f" over {tests} tests, significant below {result.alpha:g}.",
        INTERVALS,
        *unseen(reaches),
        *narrowed(reaches),
    )
    return " ".join(said)
