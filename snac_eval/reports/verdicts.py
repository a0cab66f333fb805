"""Comparisons and checks as Markdown, CSV and JUnit XML. All names from data are escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from xml.etree import ElementTree

import pandas as pd
from tabulate import tabulate

from snac_eval.reports.summary import format_value
from snac_eval.reports.text import NOT_IN_XML
from snac_eval.reports.text import markdown_text as _text
from snac_eval.results.compare import Comparison, Difference, Frontier, Ranking, TellingClip
from snac_eval.results.gate import GateResult, MetricCheck
from snac_eval.results.record import metric_info
from snac_eval.results.stats import MIN_CLUSTERS

_WORST_FIRST = ("regression", "not comparable", "inconclusive", "passed", "not tested")
_FEW_SPEAKERS = (
    f"The clips are of fewer than {MIN_CLUSTERS} known speakers: what is shown holds for these."
)


def comparison_markdown(result: Comparison, num_clips: int = 5) -> str:
    """Every pair's differences and telling clips, then the frontiers and what could not be told."""
    parts = []
    for first, second in result.clips:
        rows = [one for one in result.differences if (one.first, one.second) == (first, second)]
        parts += _pair_parts(rows, result.clips[first, second][:num_clips])
    if result.ranks:
        parts += ["## Ranks, 95 % intervals", _table(_rank_rows(result.ranks))]
    parts += _frontier_parts(result.frontiers)
    parts += [_text(note) for note in result.notes]
    return "\n\n".join([*parts, _method(result)]) + "\n"


def comparison_csv(result: Comparison) -> str:
    """One row per pair and metric, with every field of a Difference."""
    names = [one.name for one in fields(Difference)]
    rows = [{name: getattr(one, name) for name in names} for one in result.differences]
    for row in rows:
        row["left_out"] = _counts(row["left_out"])
    return pd.DataFrame(rows, columns=names).to_csv(index=False)


def check_markdown(result: GateResult) -> str:
    """The verdict, a table with the worst first, and how it was reached."""
    title = "## snac-eval check: " + _text(result.verdict)
    what = (
        f"{_text(result.run.codec)} on {_text(result.run.dataset)}, run"
        f" {result.run.run_id} against baseline {result.baseline.run_id}"
        f" ({_text(result.baseline.codec)})"
    )
    order = sorted(result.checks, key=lambda one: _WORST_FIRST.index(one.outcome))
    method = (
        "A regression is a drop of the mean that is larger than the tolerance and beyond chance:"
        f" one-sided sign-flip test over paired clips, Holm-corrected, below {result.alpha:g}."
    )
    if any(one.n and one.num_units == one.n for one in result.checks):
        method += f" {_FEW_SPEAKERS}"
    parts = [title, what, _table([_check_row(one) for one in order]), method]
    return "\n\n".join([*parts, *_other_versions(result)]) + "\n"


def check_junit(result: GateResult) -> str:
    """JUnit XML: a test case per metric. A regression is a failure; what is not comparable or
    inconclusive is an error, for a CI system shows no other word; not tested is skipped."""
    outcomes: list[str] = [one.outcome for one in result.checks]
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
    name = _xml(f"snac-eval check {result.run.codec} {result.run.dataset}")
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **attributes, "time": "0"})
    for one in result.checks:
        _add_case(suite, one.metric, one.outcome, _check_line(one))
    if result.problem:
        _add_case(suite, "the whole check", "inconclusive", result.problem)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _add_case(suite: ElementTree.Element, metric: str, outcome: str, line: str) -> None:
    named = {"classname": "snac_eval.check", "name": _xml(metric), "time": "0"}
    case = ElementTree.SubElement(suite, "testcase", named)
    text = _xml(line)
    if outcome == "passed":
        ElementTree.SubElement(case, "system-out").text = text
    elif outcome == "not tested":
        ElementTree.SubElement(case, "skipped", {"message": text})
    else:
        tag = "failure" if outcome == "regression" else "error"
        ElementTree.SubElement(case, tag, {"message": text, "type": outcome}).text = text


def _pair_parts(rows: Sequence[Difference], clips: Sequence[TellingClip]) -> list[str]:
    first, second = _text(rows[0].first), _text(rows[0].second)
    tested = [one for one in rows if not math.isnan(one.difference)]
    parts = [f"## {first} against {second}"]
    if tested:
        parts.append(_table([_difference_row(one, first, second) for one in tested]))
    parts += _reasons(rows)
    if clips:
        parts += [
            f"Clips on which they differ most, {first} minus {second}:",
            _table([_clip_row(one) for one in clips]),
        ]
    return parts


def _reasons(rows: Sequence[Difference]) -> list[str]:
    """A line per verdict and reason, with the metrics that share it."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in rows:
        if one.reason:
            groups.setdefault((one.verdict, one.reason), []).append(one.metric)
    return [
        f"{verdict.capitalize()} ({_text(reason)}): {_text(', '.join(metrics))}."
        for (verdict, reason), metrics in groups.items()
    ]


def _difference_row(one: Difference, first: str, second: str) -> dict[str, str]:
    verdict = one.verdict
    return {
        "metric": heading(one.metric),
        first: format_value(one.mean_first),
        second: format_value(one.mean_second),
        "difference": _signed(one.difference, one.relative),
        "95 % interval": _span(one.low, one.high, one.relative),
        "p (Holm)": format_p(one.p_holm),
        "verdict": f"**{verdict}**" if verdict in ("better", "worse") else verdict,
        "clips": str(one.n) + (f" ({one.num_units} speakers)" if one.unit == "speaker" else ""),
        "left out": _text(_counts(one.left_out)) or "–",
    }


def _clip_row(one: TellingClip) -> dict[str, str]:
    cells = {"clip": _text(one.clip)}
    return cells | {_text(name): _signed(value) for name, value in one.differences.items()}


def _rank_rows(ranks: Sequence[Ranking]) -> list[dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for one in ranks:
        for run, (low, high) in one.intervals.items():
            row = rows.setdefault(run, {"codec": _text(run)})
            row[heading(one.metric)] = str(low) if low == high else f"{low} to {high}"
    return list(rows.values())


def _frontier_parts(frontiers: Sequence[Frontier]) -> list[str]:
    parts = []
    for cost, unit in (("bitrate", "kbps"), ("speed", "encode + decode seconds per second")):
        chosen = [one for one in frontiers if one.cost == cost]
        if chosen:
            parts += [
                f"## Pareto frontier over {cost}",
                f"Runs that no other beats on mean {cost} ({unit}) and mean quality are bold.",
                _table(_frontier_rows(chosen, f"{cost} [{unit}]")),
            ]
    return parts


def _frontier_rows(frontiers: Sequence[Frontier], cost: str) -> list[dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for one in frontiers:
        for point in one.points:
            row = rows.setdefault(point.run, {"codec": _text(point.run)})
            row.setdefault(cost, format_value(point.cost))
            cell = format_value(point.quality)
            row[heading(one.metric)] = f"**{cell}**" if point.on_frontier else cell
    return list(rows.values())


def _method(result: Comparison) -> str:
    tests = sum(not math.isnan(one.p_holm) for one in result.differences)
    by_clip = any(one.unit == "clip" and one.n for one in result.differences)
    return (
        "Paired by clip, on clips scored in both; bootstrap interval of the mean difference;"
        f" sign-flip test, Holm-corrected over {tests} tests, significant below {result.alpha:g}."
        + (f" {_FEW_SPEAKERS}" if by_clip else "")
    )


def _check_row(one: MetricCheck) -> dict[str, str]:
    relative = one.tolerance is not None and one.tolerance.relative
    return {
        "metric": heading(one.metric),
        "outcome": f"**{one.outcome}**" if one.outcome == "regression" else one.outcome,
        "baseline": format_value(one.baseline_mean),
        "run": format_value(one.run_mean),
        "drop": _signed(one.drop, relative),
        "95 % interval": _span(one.drop_low, one.drop_high, relative),
        "tolerance": str(one.tolerance or "–"),
        "p (Holm)": format_p(one.p_holm),
        "clips": str(one.n),
        "left out": _text(_counts(one.left_out)) or "–",
        "why": _text(one.reason) or "–",
    }


def _check_line(one: MetricCheck) -> str:
    if math.isnan(one.drop):
        return f"{one.outcome}: {one.reason}"
    relative = one.tolerance is not None and one.tolerance.relative
    why = f" ({one.reason})" if one.reason else ""
    return (
        f"{one.outcome}{why}: {format_value(one.baseline_mean)} to {format_value(one.run_mean)},"
        f" drop {_signed(one.drop, relative)} ({_span(one.drop_low, one.drop_high, relative)}),"
        f" tolerance {one.tolerance}, p {format_p(one.p_holm)}, {one.n} clips"
    )


def _other_versions(result: GateResult) -> list[str]:
    ours, theirs = result.run.versions, result.baseline.versions
    changed = [name for name in {**theirs, **ours} if ours.get(name) != theirs.get(name)]
    if not changed:
        return []
    listed = (f"{name} {theirs.get(name, '–')} → {ours.get(name, '–')}" for name in changed)
    return ["Versions that differ from the baseline's: " + _text(", ".join(listed)) + "."]


def heading(metric: str) -> str:
    """A metric's name with its unit and an arrow towards better."""
    info = metric_info(metric)
    if info is None:
        return _text(metric)
    arrow = {True: "↑", False: "↓", None: ""}[info.higher_is_better]
    unit = f"[{info.unit}]" if info.unit else ""
    return _text(" ".join(part for part in (metric, unit, arrow) if part))


def format_p(p: float) -> str:
    """A p-value to three decimals; smaller ones as such."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _signed(value: float, relative: bool = False) -> str:
    if math.isnan(value):
        return "–"
    if relative:
        return f"{100 * value:+.1f} %"
    # Differences are small beside their values: keep three digits of them, never powers of ten.
    digits = 3 if not value else min(6, max(0, 2 - math.floor(math.log10(abs(value)))))
    text = f"{value:+.{digits}f}"
    return "0" if not float(text) else text


def _span(low: float, high: float, relative: bool) -> str:
    return "–" if math.isnan(low) else f"{_signed(low, relative)} to {_signed(high, relative)}"


def _counts(left_out: Mapping[str, int]) -> str:
    return "; ".join(f"{count} {why}" for why, count in left_out.items())


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    """A Markdown table; the columns are those of every row, in the order of first use."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[row.get(name, "–") for name in columns] for row in rows]
    return str(tabulate(cells, headers=columns, tablefmt="pipe", disable_numparse=True))


def _xml(text: str) -> str:
    return NOT_IN_XML.sub("?", text)
