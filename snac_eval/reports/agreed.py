"""Beside a metric's name, how far it agreed with people on which data: what a column is worth.

A figure is shown only where the metric's fingerprint is that of the record: another version or
another setting may agree more or less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

from snac_eval.reports.grid import NONE, Block, Cell
from snac_eval.reports.text import span
from snac_eval.results.agreement.record import shipped_agreements
from snac_eval.results.agreement.shapes import Agreement, Coefficient, MetricAgreement
from snac_eval.types import Fingerprint, MetricInfo

BLOCK_TITLE = "Agreement with listeners: Spearman's ρ over clips, positive where both rank alike"
_OTHER = Cell("≠", values={})


@cache
def shipped() -> tuple[Agreement, ...]:
    """The records that come with snac-eval."""
    return shipped_agreements()


def found(info: MetricInfo, agreement: Agreement) -> MetricAgreement | None:
    """What the record says of this very metric; None for another definition of it, and where there
    is no coefficient."""
    one = agreement.metric(info.name)
    if one is None or one.fingerprint != str(info.fingerprint):
        return None
    return None if math.isnan(one.spearman("clips").value) else one


def other_definition(info: MetricInfo, agreement: Agreement) -> str:
    """How the metric of this name in the record differs; empty where it does not or there is
    none."""
    one = agreement.metric(info.name)
    if one is None or one.fingerprint == str(info.fingerprint):
        return ""
    theirs = Fingerprint(tuple(one.fingerprint.split(";")))
    return f"{info.name}: {info.fingerprint.difference(theirs)}"


def short(info: MetricInfo, agreements: Sequence[Agreement]) -> str:
    """``ρ +0.49``, of several records each; empty where none has a figure."""
    known = (found(info, agreement) for agreement in agreements)
    return "; ".join(f"ρ {_signed(one.spearman('clips').value)}" for one in known if one)


def long(info: MetricInfo, agreements: Sequence[Agreement]) -> list[str]:
    """``ρ +0.49 (+0.25 to +0.67) with listeners, 12 clips of each of 7 codecs: Stahl 2024``, a line
    a record that has a figure."""
    return [
        f"ρ {_with_interval(one.spearman('clips'))} with listeners, {agreement.num_clips} clips of"
        f" each of {len(agreement.codecs)} codecs: {agreement.data}"
        for agreement in agreements
        if (one := found(info, agreement)) is not None
    ]


def agreement_block(agreements: Sequence[Agreement], infos: Sequence[MetricInfo]) -> Block:
    """A row a record and a cell a metric, below a table's last row."""
    rows = []
    for agreement in agreements:
        values = {"codec": "listeners", "dataset": agreement.data, "label": agreement.data}
        cells = (_cell(info, agreement) for info in infos)
        rows.append((Cell(agreement.data, values=values), NONE, *cells))
    return Block(BLOCK_TITLE, tuple(rows))


def agreement_notes(agreements: Sequence[Agreement], infos: Sequence[MetricInfo]) -> Iterator[str]:
    """What each record is of, and which metrics it knows by another definition."""
    for agreement in agreements:
        source = f" Source: {agreement.source}." if agreement.source else ""
        yield (
            f"{agreement.data}: ratings by {agreement.num_listeners} listeners of"
            f" {agreement.num_clips} clips by {len(agreement.codecs)} codecs; it holds for such"
            f" codecs.{source}"
        )
        others = [said for info in infos if (said := other_definition(info, agreement))]
        if others:
            yield f"{agreement.data}: ≠: no figure, another definition ({'; '.join(others)})."


def page_note(agreements: Sequence[Agreement]) -> str:
    """What ρ beside a name is; empty without records."""
    if not agreements:
        return ""
    data = "; ".join(f"{one.data}, {len(one.codecs)} codecs" for one in agreements)
    return (
        "ρ: how far the metric ranked clips as listeners did (Spearman's coefficient, positive"
        f" where both rank alike), on {data}. It holds for such codecs; where none stands, it is"
        " not known. docs/which-metric.md says more."
    )


def _cell(info: MetricInfo, agreement: Agreement) -> Cell:
    one = found(info, agreement)
    if one is None:
        return _OTHER if other_definition(info, agreement) else NONE
    rho = one.spearman("clips")
    values = {"": rho.value, "_low": rho.low, "_high": rho.high, "_n": one.num_points("clips")}
    return Cell(
        _signed(rho.value),
        after="" if math.isnan(rho.low) else f"({span(rho.low, rho.high, _signed)})",
        key=rho.value,
        values={f"{info.name}_agreement{part}": value for part, value in values.items()},
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}"


def _with_interval(rho: Coefficient) -> str:
    if math.isnan(rho.low):
        return _signed(rho.value)
    return f"{_signed(rho.value)} ({span(rho.low, rho.high, _signed)})"
