"""In words, whether a ranking by a metric is people's; no word goes beyond its interval."""

from __future__ import annotations

import math

from snac_eval.results.agreement.shapes import LEVELS, Coefficient, Level, MetricAgreement

_CLOSE = 0.7
"""Where all of an interval lies beyond, a metric ranks "much as" listeners do, else "in part"."""


def sentence(one: MetricAgreement) -> str:
    """What is shown of the metric and the figures behind it, to be read after its name."""
    if one.problem:
        return f"cannot be held against the ratings: {one.problem}."
    figures = [
        f"{_figures(one.coefficients[level]['spearman'])} over {level}"
        for level in LEVELS
        if not math.isnan(one.spearman(level).value)
    ]
    said = f"Spearman {', '.join(figures)}; " if figures else ""
    turned = "" if one.sign > 0 else "; of a distance, a negative coefficient is agreement"
    return f"{_verdict(one)} ({said}{_pairs(one)}{turned}).{_turned_round(one)}"


def _verdict(one: MetricAgreement) -> str:
    found = one.spearman("clips")
    if math.isnan(found.value):
        return "says nothing of the ratings: over clips it does not vary, or they do not"
    if math.isnan(found.low):
        return "has too few clips to tell whether it ranks as listeners do"
    shown = _shown(one, "clips")
    return f"{_of_clips(shown, found.low if shown > 0 else -found.high)}{_of_codecs(one, shown)}"


def _of_clips(shown: int, least: float) -> str:
    if not shown:
        return "is not shown to rank clips of these codecs as listeners do"
    how = "much" if least >= _CLOSE else "in part"
    whom = "as listeners do" if shown > 0 else "against listeners"
    return f"ranks clips of these codecs {how} {whom}"


def _of_codecs(one: MetricAgreement, of_clips: int) -> str:
    """What is shown of the order of codecs, where it is not the same as of clips."""
    if math.isnan(one.spearman("codecs").low):
        return ""
    shown = _shown(one, "codecs")
    if shown == of_clips:
        return ""
    if not shown:
        return ", but is not shown to order the codecs' means so"
    how = "as they do" if shown > 0 else "against them"
    return f", but orders the codecs' means in part {how}"


def _turned_round(one: MetricAgreement) -> str:
    """In words, what a coefficient of the wrong sign means."""
    levels = [level for level in LEVELS if one.spearman(level).value < 0]
    if not levels:
        return ""
    which = "coefficients are" if len(levels) > 1 else f"coefficient over {levels[0]} is"
    sign = "negative" if one.sign > 0 else "positive, of a distance"
    scored = "higher" if one.sign > 0 else "lower"
    chance = "" if any(_shown(one, level) < 0 for level in levels) else ", which may be chance"
    return f" Its {which} {sign}: what it scores {scored}, listeners rate lower{chance}."


def _pairs(one: MetricAgreement) -> str:
    found = one.pairs
    if not found.total:
        return "listeners tell no two codecs apart"
    pairs = "pair" if found.total == 1 else "pairs"
    return (
        f"of {found.total} {pairs} of codecs that listeners tell apart it orders {found.right}"
        f" rightly, {found.wrong} wrongly and {found.tied} not at all"
    )


def _shown(one: MetricAgreement, level: Level) -> int:
    """1 where the interval shows agreement, -1 where it shows the opposite, else 0."""
    found = one.spearman(level)
    return int(found.low > 0) - int(found.high < 0)


def _figures(found: Coefficient) -> str:
    if math.isnan(found.low):
        return f"{found.value:+.2f}"
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
