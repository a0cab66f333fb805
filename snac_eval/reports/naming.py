"""The rows of a table: what they are called, and in which order they stand."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from snac_eval.errors import UsageError
from snac_eval.registry import plugins
from snac_eval.results.ranking import BITRATE, Contest, contest
from snac_eval.results.record import Run, metric_names, named_apart

_NUMBER = re.compile(r"(\d+)")
_ORDERS = (BITRATE, "name", "given")


@dataclass(frozen=True, slots=True)
class Rows:
    """What the rows of a table are called, how they are ordered, what they are tested against."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Printed names, by a codec's name, its title, or the folder of its run."""
    sort: str = "given"
    """A metric, the best first; "bitrate", the lowest first; "name"; or "given"."""
    against: str = ""
    """The codec that every other is tested against; empty: none."""


AS_GIVEN = Rows()
"""Titles, and the order of the runs."""


def labels(texts: Sequence[str], runs: Sequence[Run]) -> dict[str, str]:
    """Printed names out of ``NAME=TEXT``; a codec's name may itself have an equals sign.

    Raises UsageError for a text without a name or a label.
    """
    known = {name for run in runs for name in _names(run)}
    found = {}
    for text in texts:
        splits = [(text[:i], text[i + 1 :]) for i, sign in enumerate(text) if sign == "="]
        likely = [(name, label) for name, label in splits if name in known]
        name, label = (likely or splits or [("", "")])[-1]
        if not name or not label.strip():
            raise UsageError(f"--label {text}: write NAME=TEXT, such as opus_6kbps='Opus 6 kbps'")
        found[name] = label
    return found


def titled(runs: Sequence[Run], printed_as: Mapping[str, str]) -> list[Run]:
    """The runs of one dataset, named as papers print them: by ``printed_as``, else by their title.

    Where two would be called alike, their own name stands behind.
    """
    printed = [_printed(run, printed_as) for run in runs]
    counts = Counter(printed)
    apart = named_apart(runs)
    names = [
        title if counts[title] == 1 else _told_apart(run, title)
        for run, title in zip(apart, printed, strict=True)
    ]
    # Marks go by the name: no label may lend one codec's to another.
    unique = len(set(names)) == len(names)
    return [
        replace(run, name=name if unique else run.name)
        for run, name in zip(apart, names, strict=True)
    ]


def sort_names(runs: Sequence[Run]) -> list[str]:
    """What rows of these runs can be sorted by."""
    return list(dict.fromkeys([*metric_names(*runs), *_ORDERS]))


def check_rows(runs: Sequence[Run], rows: Rows) -> None:
    """Raises UsageError for a codec, a label or an order that there is not."""
    codecs = list(dict.fromkeys(run.codec for run in runs))
    known = {name for run in runs for name in _names(run)}
    asked = [("--label", name) for name in rows.labels if name not in known]
    if rows.against and rows.against not in known | set(rows.labels.values()):
        asked.append(("--against", rows.against))
    for flag, name in asked:
        raise UsageError(plugins.unknown_name(name, codecs, f"codec in {flag}", ""))
    if rows.sort not in sort_names(runs):
        raise UsageError(plugins.unknown_name(rows.sort, sort_names(runs), "order in --sort", ""))


def _names(run: Run) -> set[str]:
    """Whatever a user may call a run by."""
    return {run.codec, run.title, run.name, *([run.folder.name] if run.folder else [])}


def _printed(run: Run, printed_as: Mapping[str, str]) -> str:
    said = [text for name, text in printed_as.items() if name in _names(run)]
    return said[-1] if said else run.title


def _told_apart(run: Run, title: str) -> str:
    return run.name if title == run.codec else f"{title} ({run.name})"


def ordered(runs: list[Run], by: str) -> list[Run]:
    """The runs of one dataset in this order; as they are where none has that metric."""
    if by == "name":
        return sorted(runs, key=lambda run: _natural(run.name))
    if not any(by in run.metrics for run in runs):
        return runs
    one = contest(runs, by)
    sign = -1.0 if one.info.higher_is_better else 1.0
    values = [sign * _value(run, one) for run in runs]
    # NaN is the one value that differs from itself.
    keys = [value if value == value else math.inf for value in values]
    return [runs[i] for i in sorted(range(len(runs)), key=keys.__getitem__)]


def _value(run: Run, one: Contest) -> float:
    if run in one.runs:
        return one.mean(run)
    whole = run.metrics[one.info.name].whole if one.info.name in run.metrics else None
    return math.nan if whole is None or whole.value is None else whole.value


def _natural(name: str) -> list[tuple[int, str]]:
    """So that 6 stands before 12."""
    return [(int(part) if part.isdecimal() else -1, part.lower()) for part in _NUMBER.split(name)]


def references(groups: Mapping[str, Sequence[Run]], name: str) -> Iterator[tuple[str, str]]:
    """By dataset the printed name of the codec of this name; a dataset may lack it.

    Raises UsageError where a dataset has several of it.
    """
    for dataset, runs in groups.items() if name else ():
        found = [run for run in runs if name in _names(run)]
        if len(found) > 1:
            named = " or ".join(f"'{run.name}'" for run in found)
            raise UsageError(f"--against {name}: {dataset} has several of it; name {named}")
        yield from ((dataset, run.name) for run in found)
