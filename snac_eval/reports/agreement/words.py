"""What a reader must know of an agreement beside its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from snac_eval.reports.grid import Column
from snac_eval.reports.text import NOTHING, counts, metric_title, p_value, span
from snac_eval.results.agreement.shapes import (
    Agreement,
    Coefficient,
    LeftOut,
    MetricAgreement,
    MetricDifference,
)
from snac_eval.results.listeners.means import ALPHA

_SCALES = {"mushra": "MUSHRA, 0 to 100", "acr": "opinion score, 1 to 5", "other": "as given"}
_WHAT = {"codec": "Codecs", "clip": "Clips", "listener": "Listeners", "run": "Runs"}
_MOST_NAMES = 8


def heading(one: MetricAgreement) -> Column:
    """The metric's name as papers print it, its unit and an arrow towards better."""
    named = Column(one.metric, one.unit, one.higher_is_better)
    return replace(named, title=metric_title(named))


def with_arrow(one: MetricAgreement) -> str:
    """``PESQ-WB ↑``, which does not break before the arrow."""
    named = heading(one)
    return f"{named.title}\N{NO-BREAK SPACE}{named.arrow}".strip()


def coefficient(value: float) -> str:
    """``-0.54``; a dash where there is none."""
    return NOTHING if math.isnan(value) else f"{value:.2f}"


def with_interval(one: Coefficient) -> str:
    """``-0.54 (-0.66 to -0.39)``."""
    if math.isnan(one.low):
        return coefficient(one.value)
    return f"{coefficient(one.value)} ({span(one.low, one.high, coefficient)})"


def caption(agreement: Agreement) -> str:
    """What was held against what."""
    ratings = _number(agreement.num_ratings, "rating")
    listeners = _number(agreement.num_listeners, "listener")
    clips, codecs = (
        _number(agreement.num_clips, "clip"),
        _number(len(agreement.codecs), "codec"),
    )
    return f"Metrics against {ratings} by {listeners}: {clips}, {codecs} ({agreement.data})."


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def rating_text(agreement: Agreement) -> str:
    """What the axis of ratings is called."""
    return f"Mean rating ({_SCALES.get(agreement.scale, agreement.scale)})"


def notes(agreement: Agreement) -> list[str]:
    """How to read the table, what is in it, what is not, and who the listeners were."""
    return [
        *_reading(agreement),
        *map(_sentence, agreement.notes),
        *_listeners(agreement),
        *left_out(agreement.left_out),
        *_not_scored(agreement.metrics),
        *better_than(agreement.differences),
        *([f"Source: {agreement.source}."] if agreement.source else []),
    ]


def sentences(agreement: Agreement, only_contrary: bool = False) -> Iterator[str]:
    """A sentence a metric, the best first; where ``only_contrary``, of those alone that point away
    from the ratings or have no coefficient."""
    for one in agreement.metrics:
        if one.sentence and not (only_contrary and one.spearman("clips").value >= 0):
            yield f"{heading(one).title} {one.sentence}"


def listener_facts(agreement: Agreement) -> Iterator[tuple[str, str]]:
    """What a page says of the listening test."""
    yield "data", agreement.data
    yield "source", agreement.source or "not given"
    yield "scale", _SCALES.get(agreement.scale, agreement.scale)
    yield "ratings", f"{agreement.num_ratings} by {agreement.num_listeners} listeners"
    yield "clips", str(agreement.num_clips)
    yield "codecs", ", ".join(agreement.codecs)
    yield "hidden reference", _in_or_out(agreement.with_reference)
    yield "anchors", _in_or_out(agreement.with_anchors)
    yield "agreement of listeners", _icc(agreement.icc) or "not known"
    yield "bootstrap", f"{agreement.num_resamples} resamples, seed {agreement.seed}"


def left_out(several: Iterable[LeftOut]) -> Iterator[str]:
    """A line for each kind and reason, with the names that share it."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in several:
        grouped.setdefault((one.what, one.reason), []).append(one.name)
    for (what, reason), names in grouped.items():
        yield f"{_WHAT[what]} left out ({reason}): {_few(names)}."


def better_than(differences: Iterable[MetricDifference]) -> Iterator[str]:
    """A line for each metric that is shown to agree better than others."""
    known = [one for one in differences if not math.isnan(one.p_holm)]
    won: dict[str, list[str]] = {}
    for one in known:
        if one.p_holm < ALPHA:
            better, worse = (one.first, one.second)[:: 1 if one.difference > 0 else -1]
            won.setdefault(better, []).append(worse)
    for better, beaten in won.items():
        yield f"{better} agrees better than {', '.join(beaten)}."
    if known:
        yield (
            "Metrics were set against each other by Spearman's coefficient over clips (paired"
            f" bootstrap, Holm-corrected over {len(known)} tests, significant below {ALPHA:g})"
            + ("." if won else ": no difference is shown.")
        )


def difference_text(one: MetricDifference) -> str:
    """``0.65, 0.41 to 0.88, p < 0.001``."""
    ends = span(one.low, one.high, coefficient)
    return f"{coefficient(one.difference)}, {ends}, p {p_value(one.p_holm)}"


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:].rstrip('.')}."


def _reading(agreement: Agreement) -> Iterator[str]:
    yield (
        "Coefficients are of the metric's own values with mean ratings: of a distance (↓), a"
        " negative one agrees with people. ρ is Spearman's over clips of codecs or over codecs'"
        " means, r Pearson's, τ Kendall's."
    )
    yield (
        f"95 % intervals: {agreement.num_resamples} bootstrap resamples of clips and listeners."
        " Agrees: the interval of ρ over clips is on the metric's side of 0; contradicts: on the"
        " other."
    )
    yield (
        "RMSE, in units of the rating, is after the third-order monotonic mapping of ITU-T P.1401;"
        " RMSE* counts only what lies outside of each rating's interval. Pairs are those of codecs"
        " that listeners tell apart: ordered rightly, wrongly, or tied by the metric."
    )
    reference, anchors = agreement.with_reference, agreement.with_anchors
    yield f"Hidden reference: {_in_or_out(reference)}; anchors: {_in_or_out(anchors)}."


def _in_or_out(is_in: bool) -> str:
    return "in" if is_in else "left out"


def _listeners(agreement: Agreement) -> Iterator[str]:
    if said := _icc(agreement.icc):
        yield f"Agreement between listeners, ICC(2,k): {said}."


def _icc(icc: Coefficient) -> str:
    return "" if math.isnan(icc.value) else with_interval(icc)


def _not_scored(metrics: Iterable[MetricAgreement]) -> Iterator[str]:
    """Rated clips without a score, and metrics that could not be held against ratings at all, a
    line a reason."""
    grouped: dict[str, list[str]] = {}
    for one in metrics:
        if one.left_out:
            grouped.setdefault(f"Rated, not scored: {counts(one.left_out)}", []).append(one.metric)
        if one.problem:
            grouped.setdefault(f"No figures: {one.problem}", []).append(one.metric)
    for said, names in grouped.items():
        yield f"{said}: {', '.join(names)}."


def _few(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
