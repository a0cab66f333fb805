"""Comparisons and checks as Markdown, CSV and JUnit XML. All names from data are escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from xml.etree import ElementTree

from snac_eval.reports.claims import INTERVALS, narrowed, units, unseen
from snac_eval.reports.grid import NONE, Cell, Column, Grid, metric_column, render
from snac_eval.reports.text import (
    NOTHING,
    counts,
    floor_notes,
    format_value,
    lost_lines,
    markdown_text,
    p_value,
    signed,
    span,
    xml_text,
)
from snac_eval.results.compare import Comparison, Difference, TellingClip
from snac_eval.results.gate import GateResult
from snac_eval.results.outcomes import MetricCheck
from snac_eval.results.ranking import Frontier, RankIntervals
from snac_eval.types import MetricInfo

_Row = Sequence[tuple[str, Cell]]
"""What stands in each column, after the column's name."""
_Infos = Mapping[str, MetricInfo]

_SHOWN = ("better", "worse")
_PARTS_SHOWN = 3
_UNBEATEN = "◆"
_WORST_FIRST = ("regression", "not comparable", "inconclusive", "passed", "not tested")


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


def check_markdown(result: GateResult) -> str:
    """The verdict, a table with the worst first, and how it was reached."""
    title = "## snac-eval check: " + markdown_text(result.verdict)
    what = (
        f"{markdown_text(result.run.codec)} on {markdown_text(result.run.dataset)}, run"
        f" {result.run.run_id} against baseline {result.baseline.run_id}"
        f" ({markdown_text(result.baseline.codec)})"
    )
    order = sorted(
        [*result.checks, *_shown_parts(result)], key=lambda one: _WORST_FIRST.index(one.outcome)
    )
    lost = dict.fromkeys(one.loss for one in result.checks if one.loss)
    losses = [f"**Clips were lost.** {markdown_text(one)}." for one in lost]
    losses += [f"**Clips are missing.** {result.allowed}."] if result.allowed else []
    method = (
        "A regression is a drop of the mean, or of a part, that is larger than the tolerance and"
        " beyond chance: one-sided paired t-test of the mean, sign test of the tail, Holm-corrected"
        f" over {result.num_tests} tests, below {result.alpha:g}. {INTERVALS}"
    )
    tested = [one for one in result.checks if one.num_units]
    reaches = [(one.metric, one.claim, one.num_units, one.unit) for one in tested]
    said = [" ".join([method, *unseen(reaches)]), *narrowed(reaches)]
    said += [markdown_text(f"{caveat}.") for caveat in result.run.caveats()]
    rows = [_check_row(one) for one in order]
    parts = [title, *losses, what, _table(rows), *_part_notes(result), *said]
    return "\n\n".join([*parts, *_other_versions(result)]) + "\n"


def check_junit(result: GateResult) -> str:
    """JUnit XML: a test case per metric, per part that did not pass, and one for all other parts. A
    regression is a failure; what is not comparable or inconclusive is an error, for a CI system
    shows no other word; not tested is skipped."""
    cases = [(one.name, one.outcome, _check_line(one)) for one in result.checks]
    cases += [(one.name, one.outcome, _check_line(one)) for one in result.failed_parts]
    if passed := [one for one in result.parts if one.outcome == "passed"]:
        cases.append(("the other parts", "passed", f"{len(passed)} passed"))
    outcomes: list[str] = [outcome for _, outcome, _ in cases]
    whole = int(bool(result.problem))
    counts = {
        "tests": len(outcomes) + whole,
        "failures": outcomes.count("regression"),
        "errors": outcomes.count("inconclusive") + outcomes.count("not comparable") + whole,
        "skipped": outcomes.count("not tested"),
    }
    attributes = {name: str(count) for name, count in counts.items()}
    # Jenkins' schema knows no number of skipped cases here.
    root = ElementTree.Element(
        "testsuites", {key: attributes[key] for key in attributes if key != "skipped"}
    )
    name = xml_text(f"snac-eval check {result.run.codec} {result.run.dataset}")
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **attributes, "time": "0"})
    for case in cases:
        _add_case(suite, *case)
    if result.problem:
        _add_case(suite, "the whole check", "inconclusive", result.problem)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _shown_parts(result: GateResult) -> list[MetricCheck]:
    """The parts that did not pass, of each metric the worst few."""
    shown: dict[str, list[MetricCheck]] = {}
    for one in result.failed_parts:
        shown.setdefault(one.metric, []).append(one)
    return [one for parts in shown.values() for one in parts[:_PARTS_SHOWN]]


def _part_notes(result: GateResult) -> list[str]:
    """How many parts passed, and how many that did not pass are not in the table."""
    if not result.parts:
        return []
    passed = sum(one.outcome == "passed" for one in result.parts)
    more = len(result.failed_parts) - len(_shown_parts(result))
    counts = f"{passed} of {len(result.parts)} parts passed" + (
        f"; {more} more did not" * bool(more)
    )
    what = "domain, speaker and folder, the 5th percentile, single clips, catastrophic clips"
    return [f"{counts}. Parts of a metric are what its mean can hide: {what}."]


def _add_case(suite: ElementTree.Element, name: str, outcome: str, line: str) -> None:
    named = {"classname": "snac_eval.check", "name": xml_text(name), "time": "0"}
    case = ElementTree.SubElement(suite, "testcase", named)
    text = xml_text(line)
    if outcome == "passed":
        ElementTree.SubElement(case, "system-out").text = text
    elif outcome == "not tested":
        ElementTree.SubElement(case, "skipped", {"message": text})
    else:
        tag = "failure" if outcome == "regression" else "error"
        ElementTree.SubElement(case, tag, {"message": text, "type": outcome}).text = text


def _pair_parts(
    rows: Sequence[Difference], infos: _Infos, clips: Sequence[TellingClip]
) -> list[str]:
    tested = [one for one in rows if not math.isnan(one.difference)]
    parts = [_table([_difference_row(one, infos) for one in tested])] if tested else []
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


def _difference_row(one: Difference, infos: _Infos) -> _Row:
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
        ("left out", Cell(counts(one.left_out) or NOTHING)),
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
    return _spread("clip", rows)


def _ranks(ranks: Sequence[RankIntervals], infos: _Infos) -> str:
    rows: dict[str, dict[Column, Cell]] = {}
    for one in ranks:
        for run, (low, high) in one.intervals.items():
            cell = Cell(str(low) if low == high else f"{low} to {high}")
            rows.setdefault(run, {})[metric_column(infos[one.metric])] = cell
    return _spread("codec", rows)


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
    return _spread("codec", rows)


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


def _check_row(one: MetricCheck) -> _Row:
    sign, shown = _sign(one), one.outcome == "regression" and one.claim == "general"
    return [
        ("metric", Cell(", ".join(filter(None, (one.info.heading, one.part))))),
        ("outcome", Cell(one.outcome, mark="strong" if shown else "")),
        ("baseline", Cell(format_value(one.baseline_mean))),
        ("run", Cell(format_value(one.run_mean))),
        ("drop", Cell(sign(one.drop))),
        ("95 % interval", Cell(span(one.drop_low, one.drop_high, sign))),
        ("tolerance", Cell(str(one.tolerance or NOTHING))),
        ("p (Holm)", Cell(p_value(one.p_holm))),
        ("clips", Cell(str(one.n))),
        ("left out", Cell(counts(one.left_out) or NOTHING)),
        ("why", Cell(one.reason or NOTHING)),
    ]


def _check_line(one: MetricCheck) -> str:
    if math.isnan(one.drop):
        return f"{one.outcome}: {one.reason}"
    sign = _sign(one)
    why = f" ({one.reason})" if one.reason else ""
    ends = "" if math.isnan(one.drop_low) else f" ({span(one.drop_low, one.drop_high, sign)})"
    return (
        f"{one.outcome}{why}: {format_value(one.baseline_mean)} to {format_value(one.run_mean)},"
        f" drop {sign(one.drop)}{ends}, tolerance {one.tolerance or NOTHING},"
        f" p {p_value(one.p_holm)}, {one.n} clips"
    )


def _sign(one: MetricCheck) -> Callable[[float], str]:
    """How the drop is written: as a share where the tolerance is one."""
    return partial(signed, relative=one.tolerance is not None and one.tolerance.relative)


def _other_versions(result: GateResult) -> list[str]:
    ours, theirs = result.run.versions, result.baseline.versions
    changed = [name for name in {**theirs, **ours} if ours.get(name) != theirs.get(name)]
    if not changed:
        return []
    listed = (f"{name} {theirs.get(name, NOTHING)} → {ours.get(name, NOTHING)}" for name in changed)
    return ["Versions that differ from the baseline's: " + markdown_text(", ".join(listed)) + "."]


def _table(rows: Sequence[_Row]) -> str:
    """The rows as a table; a column without any value is left out."""
    columns = [Column(name) for name, _ in rows[0]] if rows else []
    empty = [one.name for i, one in enumerate(columns) if all(row[i][1] is NONE for row in rows)]
    return _markdown(Grid.of(columns, ([cell for _, cell in row] for row in rows)).without(*empty))


def _spread(head: str, rows: Mapping[str, Mapping[Column, Cell]]) -> str:
    """A table of named rows; its columns are those of every row, in the order of first use."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = (
        [Cell(name), *(row.get(column, NONE) for column in columns)] for name, row in rows.items()
    )
    return _markdown(Grid.of([Column(head), *columns], cells))


def _markdown(grid: Grid) -> str:
    return render(grid, "md").rstrip("\n")
