"""Checks as Markdown and JUnit XML, and how to accept what they found. All names from data are
escaped."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from snac_eval.reports.claims import INTERVALS, narrowed, unseen
from snac_eval.reports.grid import NONE, Cell
from snac_eval.reports.named_rows import Row, table
from snac_eval.reports.text import (
    NOTHING,
    counts,
    format_value,
    markdown_text,
    p_value,
    pooled_notes,
    signed,
    span,
    xml_text,
)
from snac_eval.results.clipwise import ClipFall
from snac_eval.results.gate import ExitCode, GateResult
from snac_eval.results.outcomes import WORSE, MetricCheck
from snac_eval.writing import printable

NUM_CLIPS = 3
"""How many of the clips that fell most are named for a metric."""
_PARTS_SHOWN = 3
_WORST_FIRST = ("regression", WORSE, "not comparable", "inconclusive", "passed")
_PASSED = ("passed", "not tested")


def check_markdown(result: GateResult, accept: str = "", num_clips: int = NUM_CLIPS) -> str:
    """The verdict, a table with the worst first, the clips that fell most, how to accept that, and
    how it was reached. ``accept`` is what :func:`accept_command` gives."""
    title = "## snac-eval check: " + markdown_text(result.verdict)
    what = (
        f"{markdown_text(result.run.codec)} on {markdown_text(result.run.dataset)}, run"
        f" {result.run.run_id} against baseline {result.baseline.run_id}"
        f" ({markdown_text(result.baseline.codec)})"
    )
    shown = [one for one in result.checks if one.outcome != "not tested"]
    order = sorted([*shown, *_shown_parts(result)], key=lambda one: _WORST_FIRST.index(one.outcome))
    lost = dict.fromkeys(one.loss for one in result.checks if one.loss)
    losses = [f"**Clips were lost.** {markdown_text(one)}." for one in lost]
    losses += [f"**Clips are missing.** {result.allowed}."] if result.allowed else []
    rows = [table([_row(one) for one in order])] if order else []
    found = [*_fallen(result, num_clips), *_acceptance(accept)]
    parts = [title, *losses, what, *rows, *_untested(result), *found, *_part_notes(result)]
    return "\n\n".join([*parts, *_method(result), *_other_versions(result)]) + "\n"


def check_junit(result: GateResult, accept: str = "", num_clips: int = NUM_CLIPS) -> str:
    """JUnit XML: a test case per metric, per part that did not pass, and one for all other parts. A
    regression is a failure; what is worse on these clips alone, not comparable or inconclusive is
    an error, for a CI system shows no other word; not tested is skipped."""
    cases = [(one.name, one.outcome, _line(one, num_clips)) for one in result.checks]
    cases += [(one.name, one.outcome, _line(one, num_clips)) for one in result.failed_parts]
    if passed := [one for one in result.parts if one.outcome == "passed"]:
        cases.append(("the other parts", "passed", f"{len(passed)} passed"))
    outcomes: list[str] = [outcome for _, outcome, _ in cases]
    whole = int(bool(result.problem))
    unclear = sum(outcome not in ("regression", *_PASSED) for outcome in outcomes)
    counts = {
        "tests": len(outcomes) + whole,
        "failures": outcomes.count("regression"),
        "errors": unclear + whole,
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
    if accept:
        ElementTree.SubElement(suite, "system-out").text = xml_text(f"to accept this: {accept}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def accept_command(result: GateResult, run: Path, baseline: Path) -> str:
    """The command that makes this run the baseline, with the metrics that the baseline has.

    Empty where the check passed, and where the run is no baseline yet: unfinished, or short of
    clips or metrics that the old one has.
    """
    names = result.baseline.metrics
    complete = all(name in result.run.metrics for name in names) and not result.run.unfinished
    lost = any(one.num_lost for one in result.checks)
    if result.exit_code == ExitCode.PASSED or lost or not complete:
        return ""
    some = len(names) < len(result.run.metrics)
    chosen = ["--metrics", ",".join(names)] if some else []
    return shlex.join(["snac-eval", "baseline", str(run), "-o", str(baseline), *chosen])


def _acceptance(accept: str) -> list[str]:
    if not accept:
        return []
    return ["To accept what this run has as the new baseline:", "    " + printable(accept)]


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


def _untested(result: GateResult) -> list[str]:
    """A line per reason, with the metrics that share it."""
    groups: dict[str, list[str]] = {}
    for one in result.checks:
        if one.outcome == "not tested":
            groups.setdefault(one.reason, []).append(one.metric)
    lines = [f"{reason}: {', '.join(metrics)}" for reason, metrics in groups.items()]
    return [markdown_text(f"Not tested ({'; '.join(lines)}).")] if lines else []


def _fallen(result: GateResult, num_clips: int) -> list[str]:
    """Of each metric that did not pass, whole or in a part, the clips that fell most."""
    named = {one.metric for one in (*result.checks, *result.failed_parts)
             if one.outcome not in _PASSED}  # fmt: skip
    lines = []
    for one in result.checks:
        found = one.tally
        if one.metric in named and found is not None and found.worst[:num_clips]:
            many = f"{found.fell} of {found.n} clips fell by more than {one.tolerance}"
            clips = _clips(one, found.worst[:num_clips])
            lines.append(markdown_text(f"{one.metric} ({many}): {clips}"))
    if not lines:
        return []
    listed = "\n".join(f"- {line}" for line in lines)
    return [f"Clips that fell most, baseline → run:\n\n{listed}"]


def _clips(one: MetricCheck, falls: Sequence[ClipFall]) -> str:
    return ", ".join(
        f"{fall.clip} {format_value(fall.baseline)} → {format_value(fall.run)}"
        f" ({_change(one, fall)})"
        for fall in falls
    )


def _change(one: MetricCheck, fall: ClipFall) -> str:
    if one.tolerance is not None and one.tolerance.relative:
        return signed(fall.run / fall.baseline - 1, relative=True)
    return signed(fall.run - fall.baseline)


def _method(result: GateResult) -> list[str]:
    method = (
        "A regression is a drop of the mean, or of a part, that is larger than the tolerance and"
        " beyond chance: one-sided paired t-test of the mean, sign test of the tail, Holm-corrected"
        f" over {result.num_tests} tests, below {result.alpha:g}; or a fall of every clip by more"
        f" than twice the tolerance, of six speakers or clips at least. {INTERVALS}"
    )
    tested = [one for one in result.checks if one.num_units]
    reaches = [(one.metric, one.claim, one.num_units, one.unit) for one in tested]
    caveats = [markdown_text(f"{caveat}.") for caveat in result.run.caveats()]
    pooled = pooled_notes(one.info for one in tested)
    return [" ".join([method, *unseen(reaches)]), *narrowed(reaches), *pooled, *caveats]


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


def _row(one: MetricCheck) -> Row:
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
        ("left out", Cell(counts(one.left_out)) if one.left_out else NONE),
        ("why", Cell(one.reason) if one.reason else NONE),
    ]


def _line(one: MetricCheck, num_clips: int) -> str:
    if math.isnan(one.drop):
        return f"{one.outcome}: {one.reason}"
    sign = _sign(one)
    why = f" ({one.reason})" if one.reason else ""
    ends = "" if math.isnan(one.drop_low) else f" ({span(one.drop_low, one.drop_high, sign)})"
    said = (
        f"{one.outcome}{why}: {format_value(one.baseline_mean)} to {format_value(one.run_mean)},"
        f" drop {sign(one.drop)}{ends}, tolerance {one.tolerance or NOTHING},"
        f" p {p_value(one.p_holm)}, {one.n} clips"
    )
    worst = one.tally.worst[:num_clips] if one.tally and one.outcome not in _PASSED else ()
    return f"{said}; fell most: {_clips(one, worst)}" if worst else said


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
