"""A metric's answer where it comes in: what is no score becomes the metric's error, by its name."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import numpy as np

from snac_eval.types import MetricInfo, Score, Status

# Relative; identical signals overshoot the end of a range by rounding.
_TOLERANCE = 1e-6
_SHOWN = 60


def checked(info: MetricInfo, found: object) -> Score:
    """``found`` where it is a score that this metric can give, else an error that names the metric.

    A value may be any real number but a bool; NumPy's become plain floats. It is finite and within
    ``info.value_range``, and a weight is above 0. Only a part of a corpus's score has a state of ok
    and no value.
    """
    if not isinstance(found, Score):
        return _refused(info, f"{_shown(found)} instead of a snac_eval.types.Score")
    reason: object = found.reason
    detail: object = found.detail
    if found.status not in get_args(Status):
        return _refused(info, f"a score whose status is {_shown(found.status)}")
    if not isinstance(reason, str) or not isinstance(detail, bytes):
        return _refused(info, "a score whose reason is no text or whose detail is no bytes")
    if found.status != "ok":
        if found.value is not None:
            return _refused(info, f"{_shown(found.value)} in a score that is '{found.status}'")
        return found
    if found.value is None and found.detail and (info.kind, info.corpus_of) == ("corpus", "audio"):
        return found
    return _checked_value(info, found)


def _checked_value(info: MetricInfo, found: Score) -> Score:
    given: object = found.value
    if not isinstance(given, (int, float, np.integer, np.floating)) or isinstance(given, bool):
        return _refused(info, f"{_shown(given)} instead of a number")
    value = float(given)
    if not math.isfinite(value):
        return _refused(info, f"{value}")
    low, high = info.value_range
    slack = [_TOLERANCE * max(1.0, abs(bound)) for bound in (low, high)]
    if not low - slack[0] <= value <= high + slack[1]:
        return _refused(info, f"{value:.6g}, which is not within its range of {low:g} to {high:g}")
    weight: object = found.weight
    if not isinstance(weight, float) or not 0 < weight < math.inf:
        return _refused(info, f"a score whose weight is {_shown(weight)}")
    if weight != 1 and not info.weighted_by:
        return _refused(info, f"a weight of {weight:g}, and its info does not say of what")
    return found if given.__class__ is float else replace(found, value=value)


def _refused(info: MetricInfo, what: str) -> Score:
    return Score.error(f"metric '{info.name}' returned {what}")


def _shown(value: object) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - a plugin's own repr may raise anything
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
