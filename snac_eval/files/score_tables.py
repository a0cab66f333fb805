"""What ``snac-eval score`` prints."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from snac_eval.errors import readable
from snac_eval.files.scoring import Scores
from snac_eval.reports.claims import INTERVALS, narrowed
from snac_eval.reports.grid import (
    NONE,
    Cell,
    Column,
    Grid,
    GridFormat,
    count,
    interval,
    metric_column,
    number,
    render,
)
from snac_eval.reports.text import pooled_notes
from snac_eval.results.stats import Interval, mean_interval, mean_of
from snac_eval.types import Score

ScoreFormat = Literal["txt", "md", "csv", "json"]
_TIDY = ("file", "domain", "metric", "value", "status", "reason")
_STATISTICS = ("mean", "95 % interval", "median", "ok", "undefined", "failed")
_MOST_NAMED = 20


def score_text(found: Scores, form: ScoreFormat, per_file: bool = False) -> str:
    """The scores, ending in a line break. ``per_file``: a row for each pair in tables."""
    if form == "json":
        return json.dumps(_facts(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if form == "csv":
        return render(_tidy(found), "csv")
    grid_form: GridFormat = form
    if len(found.pairing.pairs) == 1:
        return render(_single(found), grid_form)
    parts = [_by_file(found)] if per_file else []
    return "\n".join(render(grid, grid_form) for grid in [*parts, _means(found)])


def _single(found: Scores) -> Grid:
    """A row for each metric of the one pair."""
    (pair,) = found.pairing.pairs
    rows = []
    for name, info in found.infos.items():
        one = found.whole.get(name) or found.scores.get(name, {}).get(pair.name)
        if one is None:
            continue
        rows.append([Cell(info.heading), _value(one), Cell(one.reason)])
    columns = [Column("metric"), Column("score"), Column("remark")]
    grid = Grid.of(columns, rows, notes=_notes(found))
    return grid if any(row[2].text for row in grid.rows) else grid.without("remark")


def _by_file(found: Scores) -> Grid:
    """A row for each pair, a column for each metric that has scores of single pairs."""
    rows = [
        [Cell(pair.name), *(_value(by_pair.get(pair.name)) for by_pair in found.scores.values())]
        for pair in found.pairing.pairs
    ]
    columns = [metric_column(found.infos[name]) for name in found.scores]
    return Grid.of([Column("file"), *columns], rows)


def _means(found: Scores) -> Grid:
    """A row for each metric: its mean over the pairs, with its interval."""
    rows, reaches, nowhere = [], [], []
    for name, info in found.infos.items():
        if name in found.whole:
            whole = found.whole[name]
            rows.append([Cell(info.heading), _value(whole), *[NONE] * (len(_STATISTICS) - 1)])
            continue
        counts = _counts(found.scores[name].values())
        if not counts["ok"] and not counts["error"]:
            nowhere.append(name)
            continue
        mean, reach = _mean(found, name)
        reaches.append((name, reach.claim, reach.num_units, reach.unit))
        ends = interval(reach.low, reach.high)
        middle = number(_median(found.scores[name].values()))
        statistics = [number(mean), ends, middle]
        rows.append([Cell(info.heading), *statistics, *map(count, _ends(counts))])
    undefined = [f"Undefined on every pair: {', '.join(nowhere)}."] if nowhere else []
    said = [*_reasons(found), INTERVALS, *narrowed(reaches)]
    columns = map(Column, ("metric", *_STATISTICS))
    said += pooled_notes(found.infos[name] for name, *_ in reaches)
    return Grid.of(columns, rows, notes=[*undefined, *said, *_notes(found)])


def _mean(found: Scores, name: str) -> tuple[float, Interval]:
    """The mean over pairs, pooled where they have weights; NaN without any; and its interval."""
    info, scores = found.infos[name], found.scores[name].values()
    values = [one.value for one in scores if one.value is not None]
    counted = [one.weight for one in scores if one.value is not None and info.weighted_by]
    reach = mean_interval(values, value_range=info.value_range, weights=counted)
    return mean_of(values, counted), reach


def _median(scores: Iterable[Score]) -> float:
    values = [one.value for one in scores if one.value is not None]
    return float(np.median(values)) if values else math.nan


def _reasons(found: Scores) -> Iterator[str]:
    """Why pairs failed, and which, the most frequent reason first."""
    pairs: defaultdict[str, dict[str, None]] = defaultdict(dict)
    metrics: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for name, by_pair in found.scores.items():
        for pair, one in by_pair.items():
            if one.status == "error":
                pairs[one.reason][pair] = metrics[one.reason][name] = None
    for reason in sorted(pairs, key=lambda one: -len(pairs[one]))[:_MOST_NAMED]:
        which = _few(list(pairs[reason]))
        yield f"Failed: {which}: {readable(reason)} ({', '.join(metrics[reason])})."


def _notes(found: Scores) -> list[str]:
    notes = [
        f"Left out: {', '.join(one.metrics)} ({one.reason}{_what_to_do(one.metrics, found)})."
        for one in found.left_out
    ]
    notes += _lonely(found.pairing.lonely_references, "without an estimate")
    notes += _lonely(found.pairing.lonely_estimates, "without a reference")
    return [*notes, *(f"{note[:1].upper()}{note[1:]}." for note in found.pairing.notes)]


def _what_to_do(metrics: Iterable[str], found: Scores) -> str:
    if set(found.domains.values()) != {"general"} or "pesq_wb" not in metrics:
        return ""
    return "; if they are speech: --domain speech"


def _lonely(names: Sequence[str], what: str) -> list[str]:
    if not names:
        return []
    return [f"{len(names)} {'file' if len(names) == 1 else 'files'} {what}: {_few(names)}."]


def _few(names: Sequence[str]) -> str:
    some = ", ".join(map(readable, names[:_MOST_NAMED]))
    return f"{some} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else some


def _value(one: Score | None) -> Cell:
    if one is None:
        return NONE
    return Cell(one.status) if one.value is None else number(one.value)


def _counts(scores: Iterable[Score]) -> Counter[str]:
    return Counter(one.status for one in scores)


def _ends(counts: Counter[str]) -> list[float]:
    return [counts[status] for status in ("ok", "undefined", "error")]


def _rows(found: Scores) -> Iterator[tuple[object, ...]]:
    for name, by_pair in found.scores.items():
        for pair, one in by_pair.items():
            yield pair, found.domains[pair], name, one.value, one.status, one.reason
    for name, one in found.whole.items():
        yield "", "", name, one.value, one.status, one.reason


def _tidy(found: Scores) -> Grid:
    """A row for each pair and metric; for all pairs together, the file is empty."""
    rows = [[Cell("", values=dict(zip(_TIDY, row, strict=True)))] for row in _rows(found)]
    return Grid.of([Column("row")], rows)


def _facts(found: Scores) -> dict[str, Any]:
    return {
        "metrics": [
            {
                "metric": name,
                "unit": info.unit,
                "higher_is_better": info.higher_is_better,
                "fingerprint": str(info.fingerprint),
                **_summary(found, name),
            }
            for name, info in found.infos.items()
        ],
        "scores": [dict(zip(_TIDY, row, strict=True)) for row in _rows(found)],
        "left_out": {name: one.reason for one in found.left_out for name in one.metrics},
        "without_estimate": list(map(readable, found.pairing.lonely_references)),
        "without_reference": list(map(readable, found.pairing.lonely_estimates)),
        "notes": list(found.pairing.notes),
    }


def _summary(found: Scores, name: str) -> dict[str, Any]:
    if name in found.whole:
        return {"value": found.whole[name].value}
    mean, reach = _mean(found, name)
    counts = _counts(found.scores[name].values())
    ends = {
        key: None if math.isnan(end) else end
        for key, end in (("mean", mean), ("ci_low", reach.low), ("ci_high", reach.high))
    }
    return ends | {f"n_{status}": counts[status] for status in ("ok", "undefined", "error")}
