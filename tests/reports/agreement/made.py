"""An agreement made by hand: one metric that agrees, one that contradicts, one without figures."""

from __future__ import annotations

import math
from typing import Any

from snac_eval.results.agreement.shapes import (
    KINDS,
    Agreement,
    Coefficient,
    LeftOut,
    Mapped,
    MetricAgreement,
    MetricDifference,
    PairCounts,
    Point,
)

CODECS = ("first", "second")
SENTENCE = "ranks clips of these codecs against listeners: what it scores higher, they rate lower"


def coefficients(value: float, half: float = 0.2) -> dict[Any, Coefficient]:
    ends = (math.nan, math.nan) if math.isnan(value) else (value - half, value + half)
    return {kind: Coefficient(value, *ends) for kind in KINDS}


def metric(
    name: str,
    value: float,
    higher: bool | None = True,
    clip: str = "c",
    **changes: Any,  # noqa: ANN401 - any field
) -> MetricAgreement:
    """Six clips of each codec; the codecs' coefficient is twice the clips'."""
    points = tuple(
        Point(codec, f"{clip}{index}", 2 * place + index / 10, 60 - place + index, 40, 80, 9)
        for place, codec in enumerate(CODECS)
        for index in range(6)
    )
    means = tuple(
        Point(codec, "", 2.0 * place, 61, 50, 70, 54) for place, codec in enumerate(CODECS)
    )
    told = {
        "metric": name,
        "unit": "MOS",
        "higher_is_better": higher,
        "fingerprint": f"{name};v=1",
        "points": {"clips": points, "codecs": means},
        "coefficients": {"clips": coefficients(value), "codecs": coefficients(value, 0.4)},
        "mapped": {
            "clips": Mapped(9.5, 4.25, (50.0, 1.0, 0.0, 0.0)),
            "codecs": Mapped(reason="few"),
        },
        "pairs": PairCounts(1, 0, 0),
        "sentence": SENTENCE if value < 0 else "ranks clips of these codecs as listeners do",
    }
    return MetricAgreement(**(told | changes))


NOTHING = metric(
    "stoi",
    math.nan,
    points={"clips": (), "codecs": ()},
    mapped={},
    pairs=PairCounts(),
    sentence="cannot be held against the ratings: no score.",
    problem="no score",
    left_out={"undefined: silence": 3},
)


def agreement(
    *metrics: MetricAgreement,
    **changes: Any,  # noqa: ANN401 - any field
) -> Agreement:
    usual = (metric("mel_audiotools", -0.5, False), metric("pesq_wb", -0.4), NOTHING)
    told = {
        "data": "Test 1",
        "source": "Somebody 2026",
        "scale": "mushra",
        "num_ratings": 108,
        "num_listeners": 9,
        "num_clips": 6,
        "codecs": CODECS,
        "with_reference": False,
        "with_anchors": False,
        "metrics": metrics or usual,
        "differences": (
            MetricDifference("mel_audiotools", "pesq_wb", 0.9, 0.5, 1.2, 0.001, 0.002),
        ),
        "left_out": (
            LeftOut("codec", "lyra", "no run of it"),
            LeftOut("codec", "x", "no run of it"),
        ),
        "num_resamples": 100,
        "seed": 0,
        "icc": Coefficient(0.8, 0.7, 0.9),
        "notes": ("one clip is short",),
    }
    return Agreement(**(told | changes))
