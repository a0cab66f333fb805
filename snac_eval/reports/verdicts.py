"""Comparisons as Markdown and CSV. All names from data are escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import get_args

from snac_eval.reports.claims import INTERVALS, narrowed, unseen
from snac_eval.reports.grid import NONE, Cell, Column, Grid, metric_column, render
from snac_eval.reports.named_rows import Row, spread, table
from snac_eval.reports.text import (
    counts,
    floor_notes,
    format_value,
    lost_lines,
    markdown_text,
    p_value,
    pooled_notes,
    signed,
    span,
)
from snac_eval.results.compare import Comparison, Difference, Section, TellingClip, Verdict
from snac_eval.results.ranking import Frontier, RankIntervals
from snac_eval.results.stats import units
from snac_eval.types import MetricInfo

_Infos = Mapping[str, MetricInfo]

_SHOWN = ("better", "worse")
# Of rates and delays, which are no quality, and of what was not asked.
_SAYS_NOTHING = ("different", "not tested")
_UNBEATEN = "◆"


def comparison_markdown(result: Comparison, num_clips: int = 5) -> str:
    """A section per dataset, and how its verdicts were reached."""
    several = len(result.sections) > 1
    parts = []
    for section in result.sections:
        parts += [f"# {markdown_text(section.dataset)}"] if several else []
        parts += _section_parts(section, num_clips)
    parts += [markdown_text(note) for note in result.notes]
    return "\n\n".join([*parts, _method(result)]) + "\n"


def _section_parts(section: Section, num_clips: int) -> list[str]:
    """The verdicts at a glance where there are several pairs; every pair's lost clips, differences
    and telling clips; the ranks, the frontiers and what could not be told."""
    parts = _glance(section)
    for first, second in section.clips:
        rows = [one for one in section.differences if (one.first, one.second) == (first, second)]
        parts.append(f"## {_against(first, second)}")
        lost = lost_lines(section.lost(first, second))
        parts += [f"**Clips were lost.** {markdown_text(line)}" for line in lost]
        parts += _pair_parts(rows, section.infos, section.clips[first, second][:num_clips])
    if section.ranks:
        parts += ["## Ranks, 95 % intervals", _ranks(section.ranks, section.infos)]
    parts += _frontier_parts(section.frontiers, section.infos)
    return [*parts, *(markdown_text(note) for note in section.notes)]


def _against(first: str, second: str) -> str:
    return f"{markdown_text(first)} against {markdown_text(second)}"


def _glance(section: Section) -> list[str]:
    """Who is better than whom, a row per pair and a column per verdict, with the metrics."""
    if len(section.clips) < 2:
        return []
    rows = []
    for pair in section.clips:
        ours = [one for one in section.differences if (one.first, one.second) == pair]
        named: dict[str, list[str]] = {}
        for one in ours:
            named.setdefault(one.verdict, []).append(one.metric)
        rows.append([("pair", Cell(" against ".join(pair))), *_by_verdict(named)])
    return ["## At a glance", table(rows)]


def _by_verdict(named: Mapping[str, Sequence[str]]) -> Row:
    return [
        (verdict, Cell(", ".join(named[verdict])) if verdict in named else NONE)
        for verdict in get_args(Verdict)
        if verdict not in _SAYS_NOTHING
    ]


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
        ("ahead on", _ahead_on(one, infos[one.metric])),
        ("clips", Cell(f"{one.n}{speakers}")),
        ("catastrophic", _catastrophic(one)),
        ("left out", Cell(counts(one.left_out)) if one.left_out else NONE),
    ]


def _ahead_on(one: Difference, info: MetricInfo) -> Cell:
    """On how many clips the first is better; a dash where neither direction is, where the machine
    decides, and where what was lost is not counted."""
    if info.higher_is_better is None or info.speed or one.verdict == "clips lost":
        return NONE
    return Cell(str(one.num_higher if info.higher_is_better else one.num_lower))


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
        *pooled_notes(section.infos[name] for section in result.sections for name in section.infos),
    )
    return " ".join(said)
