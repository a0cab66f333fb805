"""An agreement as a grid: a row a metric, the best first; and as tidy rows for CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from snac_eval.reports.agreement.words import (
    caption,
    coefficient,
    difference_text,
    notes,
    with_arrow,
)
from snac_eval.reports.grid import NONE, Cell, Column, Grid, count, number
from snac_eval.reports.text import span
from snac_eval.results.agreement.shapes import (
    KINDS,
    LEVELS,
    Agreement,
    Coefficient,
    Level,
    MetricAgreement,
)

_COLUMNS = (
    Column("metric"),
    Column("agrees?", importance=1),
    Column("ρ clips"),
    Column("95 % interval"),
    Column("ρ codecs", importance=2),
    Column("interval of that", importance=4),
    Column("r clips", importance=7),
    Column("τ clips", importance=8),
    Column("RMSE", importance=6),
    Column("RMSE*", importance=5),
    Column("pairs right", importance=3),
    Column("pairs wrong", importance=3),
    Column("pairs tied", importance=3),
    Column("points", importance=5),
)
_TIDY = ("data", "metric", "level", "kind", "n", "value", "low", "high", "agrees", "fingerprint")


def agreement_grid(agreement: Agreement, said: Iterable[str] = ()) -> Grid:
    """The table. Its notes are ``said``, then how to read it and what was left out."""
    rows = map(_row, agreement.metrics)
    return Grid.of(_COLUMNS, rows, caption(agreement), [*said, *notes(agreement)], "agreement")


def differences_grid(agreement: Agreement) -> Grid | None:
    """Every pair of metrics, set against each other; None where none was."""
    rows = [
        [
            Cell(one.first),
            Cell(one.second),
            Cell(difference_text(one), key=one.difference),
        ]
        for one in agreement.differences
    ]
    if not rows:
        return None
    columns = [Column("first"), Column("second"), Column("difference, 95 % interval, p (Holm)")]
    return Grid.of(columns, rows, "Which metric agrees better", (), "differences")


def tidy_grid(agreement: Agreement) -> Grid:
    """For CSV: a row a metric, level (clips, codecs) and kind (pearson, spearman, kendall, rmse,
    rmse_star, pairs_right, pairs_wrong, pairs_tied). ``agrees`` is the value times the sign."""
    rows = [
        [Cell(str(value), values={name: value}) for name, value in zip(_TIDY, row, strict=True)]
        for one in agreement.metrics
        for row in _tidy_rows(agreement.data, one)
    ]
    return Grid.of(map(Column, _TIDY), rows)


def _row(one: MetricAgreement) -> list[Cell]:
    clips, codecs = _raw(one, "clips"), _raw(one, "codecs")
    kinds, mapped = one.coefficients.get("clips", {}), one.mapped.get("clips")
    has_pairs = one.pairs.total > 0
    return [
        Cell(with_arrow(one)),
        Cell(one.verdict) if clips.value == clips.value else NONE,
        _value(clips),
        _interval(clips),
        _value(codecs),
        _interval(codecs),
        _value(kinds["pearson"]) if kinds else NONE,
        _value(kinds["kendall"]) if kinds else NONE,
        number(mapped.rmse) if mapped else NONE,
        number(mapped.rmse_star) if mapped else NONE,
        *(count(one_of) if has_pairs else NONE for one_of in _pairs(one)),
        count(one.num_points("clips")),
    ]


def _pairs(one: MetricAgreement) -> tuple[int, int, int]:
    return one.pairs.right, one.pairs.wrong, one.pairs.tied


def _raw(one: MetricAgreement, level: Level) -> Coefficient:
    """Spearman's, of the metric's own values."""
    found = one.coefficients.get(level, {}).get("spearman")
    return found or Coefficient(float("nan"))


def _value(one: Coefficient) -> Cell:
    return NONE if one.value != one.value else Cell(coefficient(one.value), key=one.value)


def _interval(one: Coefficient) -> Cell:
    if one.low != one.low:
        return NONE
    return Cell(span(one.low, one.high, coefficient), key=one.low)


def _tidy_rows(data: str, one: MetricAgreement) -> Iterator[list[object]]:
    nothing = float("nan")
    for level in LEVELS:
        n = one.num_points(level)
        for kind in KINDS if level in one.coefficients else ():
            found = one.coefficients[level][kind]
            numbers = [n, found.value, found.low, found.high, one.sign * found.value]
            yield [data, one.metric, level, kind, *numbers, one.fingerprint]
        if level in one.mapped:
            mapped = one.mapped[level]
            for kind_of, value in (("rmse", mapped.rmse), ("rmse_star", mapped.rmse_star)):
                rest = [n, value, nothing, nothing, nothing]
                yield [data, one.metric, level, kind_of, *rest, one.fingerprint]
    for name, number_of in zip(("right", "wrong", "tied"), _pairs(one), strict=True):
        rest = [one.pairs.total, number_of, nothing, nothing, nothing]
        yield [data, one.metric, "codecs", f"pairs_{name}", *rest, one.fingerprint]
