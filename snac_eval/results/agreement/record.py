"""``agreement.json``: an agreement as a file that tables and pages read.

Values have six digits, and no time of day is in it: the same agreement gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from snac_eval.errors import StoreError
from snac_eval.registry.cards import data_dir
from snac_eval.results.agreement.shapes import (
    KINDS,
    LEVELS,
    Agreement,
    Coefficient,
    LeftOut,
    Mapped,
    MetricAgreement,
    MetricDifference,
    PairCounts,
    Point,
)
from snac_eval.results.shapes import agreement_misfit, read_json
from snac_eval.writing import write_json

FILE_NAME = "agreement.json"
SCHEMA = 1
SHIPPED = "shipped"
"""In place of a file: those that come with snac-eval."""


def write_agreement(agreement: Agreement, path: Path, with_points: bool = True) -> None:
    """Keep the agreement; without its points, which hold the mean rating of each clip, where these
    are not ours to pass on. Raises OutputError where the file cannot be written."""
    write_json(path, agreement_json(agreement, with_points))


def agreement_json(agreement: Agreement, with_points: bool = True) -> dict[str, Any]:
    """What the file holds, as plain values."""
    return {
        "agreement": SCHEMA,
        "snac_eval": version("snac-eval"),
        "data": agreement.data,
        "source": agreement.source,
        "scale": agreement.scale,
        "num_ratings": agreement.num_ratings,
        "num_listeners": agreement.num_listeners,
        "num_clips": agreement.num_clips,
        "codecs": list(agreement.codecs),
        "with_reference": agreement.with_reference,
        "with_anchors": agreement.with_anchors,
        "num_resamples": agreement.num_resamples,
        "seed": agreement.seed,
        "icc": _coefficient_json(agreement.icc),
        "metrics": [_metric_json(one, with_points) for one in agreement.metrics],
        "differences": [_difference_json(one) for one in agreement.differences],
        "left_out": [
            {"what": one.what, "name": one.name, "reason": one.reason} for one in agreement.left_out
        ],
        "notes": list(agreement.notes),
    }


def read_agreement(path: Path) -> Agreement:
    """The agreement in this file, or in the folder that ``snac-eval agreement`` wrote. Raises
    StoreError where it is none, or of another version."""
    file = path / FILE_NAME if path.is_dir() else path
    if not file.exists():
        raise StoreError(f"{file}: no such file; snac-eval agreement writes one")
    content = read_json(file)
    if content.get("agreement") != SCHEMA:
        raise StoreError(
            f"{file}: no agreement of this version of snac-eval; write it with snac-eval agreement"
        )
    if misfit := agreement_misfit(content):
        raise StoreError(f"{file}: a broken agreement ({misfit}); write it again")
    try:
        return _agreement(content)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise StoreError(
            f"{file}: a broken agreement ({type(error).__name__}: {error}); write it again"
        ) from error


def shipped_agreements() -> tuple[Agreement, ...]:
    """Those that come with snac-eval, in the order of their files' names."""
    folder = data_dir("reports") / "agreement"
    return tuple(read_agreement(path) for path in sorted(folder.glob("*.json")))


def read_agreements(names: Iterable[str]) -> tuple[Agreement, ...]:
    """Those in these files or folders; :data:`SHIPPED` stands for those that come with
    snac-eval. Raises StoreError as :func:`read_agreement` does."""
    found = list[Agreement]()
    for name in names:
        found += shipped_agreements() if name == SHIPPED else [read_agreement(Path(name))]
    return tuple(found)


def _metric_json(one: MetricAgreement, with_points: bool) -> dict[str, Any]:
    points = {level: [_point_json(point) for point in one.points[level]] for level in one.points}
    return {
        "metric": one.metric,
        "unit": one.unit,
        "higher_is_better": one.higher_is_better,
        "fingerprint": one.fingerprint,
        "num_points": {level: one.num_points(level) for level in LEVELS},
        "coefficients": {
            level: {kind: _coefficient_json(value) for kind, value in kinds.items()}
            for level, kinds in one.coefficients.items()
        },
        "mapped": {level: _mapped_json(mapped) for level, mapped in one.mapped.items()},
        "pairs": {
            "right": one.pairs.right,
            "wrong": one.pairs.wrong,
            "tied": one.pairs.tied,
            "wrong_pairs": [list(pair) for pair in one.pairs.wrong_pairs],
        },
        "sentence": one.sentence,
        "left_out": dict(one.left_out),
        "problem": one.problem,
        **({"points": points} if with_points else {}),
    }


def _point_json(point: Point) -> dict[str, Any]:
    return {
        "codec": point.codec,
        "clip": point.clip,
        "score": _kept(point.score),
        "rating": _kept(point.rating),
        "low": _kept(point.rating_low),
        "high": _kept(point.rating_high),
        "ratings": point.num_ratings,
    }


def _coefficient_json(one: Coefficient) -> dict[str, float | None]:
    return {"value": _kept(one.value), "low": _kept(one.low), "high": _kept(one.high)}


def _mapped_json(mapped: Mapped) -> dict[str, Any]:
    return {
        "rmse": _kept(mapped.rmse),
        "rmse_star": _kept(mapped.rmse_star),
        "coefficients": [_kept(one) for one in mapped.coefficients],
        "reason": mapped.reason,
    }


def _difference_json(one: MetricDifference) -> dict[str, Any]:
    numbers = ("difference", "low", "high", "p_value", "p_holm")
    return {
        "first": one.first,
        "second": one.second,
        **{name: _kept(getattr(one, name)) for name in numbers},
    }


def _kept(value: float) -> float | None:
    """Six digits; JSON has no NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _agreement(content: Mapping[str, Any]) -> Agreement:
    return Agreement(
        data=content["data"],
        source=content["source"],
        scale=content["scale"],
        num_ratings=content["num_ratings"],
        num_listeners=content["num_listeners"],
        num_clips=content["num_clips"],
        codecs=tuple(content["codecs"]),
        with_reference=content["with_reference"],
        with_anchors=content["with_anchors"],
        metrics=tuple(_metric(one) for one in content["metrics"]),
        differences=tuple(_difference(one) for one in content["differences"]),
        left_out=tuple(LeftOut(**one) for one in content["left_out"]),
        num_resamples=content["num_resamples"],
        seed=content["seed"],
        icc=_coefficient(content["icc"]),
        notes=tuple(content["notes"]),
    )


def _metric(facts: Mapping[str, Any]) -> MetricAgreement:
    pairs, mapped, found = facts["pairs"], facts["mapped"], facts["coefficients"]
    points = facts.get("points", {})
    return MetricAgreement(
        metric=facts["metric"],
        unit=facts["unit"],
        higher_is_better=facts["higher_is_better"],
        fingerprint=facts["fingerprint"],
        points={level: tuple(map(_point, points[level])) for level in LEVELS if level in points},
        coefficients={
            level: {kind: _coefficient(found[level][kind]) for kind in KINDS}
            for level in LEVELS
            if level in found
        },
        mapped={level: _mapped(mapped[level]) for level in LEVELS if level in mapped},
        pairs=PairCounts(
            pairs["right"], pairs["wrong"], pairs["tied"], tuple(map(_pair, pairs["wrong_pairs"]))
        ),
        sentence=facts["sentence"],
        left_out=dict(facts["left_out"]),
        problem=facts["problem"],
        counts={level: facts["num_points"][level] for level in LEVELS},
    )


def _pair(names: Sequence[str]) -> tuple[str, str]:
    first, second = names
    return first, second


def _point(facts: Mapping[str, Any]) -> Point:
    return Point(
        codec=facts["codec"],
        clip=facts["clip"],
        score=facts["score"],
        rating=facts["rating"],
        rating_low=_read(facts["low"]),
        rating_high=_read(facts["high"]),
        num_ratings=facts["ratings"],
    )


def _coefficient(facts: Mapping[str, float | None]) -> Coefficient:
    found = Coefficient(*(_read(facts[key]) for key in ("value", "low", "high")))
    if any(abs(one) > 1 for one in (found.value, found.low, found.high)):
        raise ValueError(f"{found.value:g} is no coefficient of -1 to 1")
    return found


def _mapped(facts: Mapping[str, Any]) -> Mapped:
    errors = (_read(facts["rmse"]), _read(facts["rmse_star"]))
    return Mapped(*errors, tuple(facts["coefficients"]), facts["reason"])


def _difference(facts: Mapping[str, Any]) -> MetricDifference:
    numbers = ("difference", "low", "high", "p_value", "p_holm")
    return MetricDifference(
        facts["first"], facts["second"], *(_read(facts[name]) for name in numbers)
    )


def _read(value: float | None) -> float:
    return math.nan if value is None else value
