"""In words, whether a ranking by a metric is people's; no word goes beyond its interval."""

from __future__ import annotations

import math

from snac_eval.results.agreement.shapes import Coefficient, Level, MetricAgreement

_CLOSE = 0.7
"""From here on a metric ranks "much as" listeners do, where all of the interval lies beyond."""


def sentence(one: MetricAgreement) -> str:
    """What is shown of the metric, with the figures behind it; without its name."""
    if one.problem:
        return f"cannot be held against the ratings: {one.problem}."
    clips, codecs = (_spearman(one, level) for level in ("clips", "codecs"))
    said = [f"Spearman {_figures(clips)} over clips"]
    if not math.isnan(codecs.value):
        said.append(f"{_figures(codecs)} over codecs")
    figures = ", ".join(said) + _pairs(one)
    turned = "; a distance, so a negative coefficient is agreement" if one.sign < 0 else ""
    return f"{_verdict(one, clips, codecs)} ({figures}{turned})."


def _verdict(one: MetricAgreement, clips: Coefficient, codecs: Coefficient) -> str:
    value, low, high = _turned(clips, one.sign)
    if math.isnan(value):
        return "says nothing of the ratings, for it or they do not vary over clips"
    if math.isnan(low):
        return f"was heard on too few clips to tell{_lean(one, value)}"
    if low > 0:
        how = "much as" if low >= _CLOSE else "in part as"
        return f"ranks clips of these codecs {how} listeners do{_but_codecs(one, codecs)}"
    if high < 0:
        order = "in the opposite order of" if high <= -_CLOSE else "in part against"
        return f"ranks clips of these codecs {order} listeners: {_inverse(one)}"
    return f"is not shown to rank clips of these codecs as listeners do{_lean(one, value)}"


def _lean(one: MetricAgreement, value: float) -> str:
    """Which way a coefficient points that its interval does not tell from 0."""
    if value >= 0:
        return ""
    return f", and points the other way: {_inverse(one)}, as far as these clips tell"


def _inverse(one: MetricAgreement) -> str:
    return f"what it scores {'lower' if one.sign < 0 else 'higher'}, they rate lower"


def _but_codecs(one: MetricAgreement, codecs: Coefficient) -> str:
    value, _, high = _turned(codecs, one.sign)
    if math.isnan(value) or value >= 0:
        return ""
    if high < 0:
        return ", but ranks the codecs' means against them"
    return ", but is not shown to rank the codecs' means so"


def _pairs(one: MetricAgreement) -> str:
    found = one.pairs
    if not found.total:
        return "; listeners tell no two codecs apart"
    pairs = "pair" if found.total == 1 else "pairs"
    return (
        f"; of {found.total} {pairs} of codecs that listeners tell apart it orders {found.right}"
        f" rightly, {found.wrong} wrongly and {found.tied} not at all"
    )


def _spearman(one: MetricAgreement, level: Level) -> Coefficient:
    return one.coefficients[level]["spearman"]


def _turned(found: Coefficient, sign: int) -> tuple[float, float, float]:
    """Value, low and high, positive where metric and people agree."""
    if sign > 0:
        return found.value, found.low, found.high
    return -found.value, -found.high, -found.low


def _figures(found: Coefficient) -> str:
    if math.isnan(found.low):
        return f"{found.value:+.2f}"
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
