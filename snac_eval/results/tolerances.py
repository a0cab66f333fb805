"""How large a change of a metric matters: ``reports/tolerances.toml`` and what overrides it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import NDArray

from snac_eval.errors import UnknownNameError, UsageError
from snac_eval.registry import cards, plugins
from snac_eval.registry.validation import read_toml, validated
from snac_eval.types import MetricInfo

_Size = Annotated[float, Gt(0), Lt(math.inf)]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A metric's tolerance as a file has it: absolute or relative."""

    absolute: _Size | None = None
    relative: _Size | None = None
    better: Literal["higher", "lower"] | None = None


@dataclass(frozen=True, slots=True)
class _File:
    """A file of tolerances."""

    alpha: Annotated[float, Gt(0), Lt(0.5)] | None = None
    metrics: Mapping[str, _Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest drop that does not matter: in the metric's unit, or as a share where ``relative``.

    ``higher_is_better`` is the direction for a metric that states none; None: no direction.
    """

    value: float
    relative: bool = False
    higher_is_better: bool | None = None

    @property
    def size(self) -> float:
        """The tolerance on the scale of :meth:`scale`."""
        return math.log1p(self.value) if self.relative else self.value

    def scale(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Values as they are subtracted: logarithms where relative, so that a ratio is tested."""
        array = np.asarray(values, dtype=np.float64)
        return np.log(array) if self.relative else array

    def problem(self, *values: float) -> str:
        """Why these values have no place on that scale; empty where they have."""
        if self.relative and min(values) <= 0:
            return "values that are not above zero have no ratio"
        return ""

    def __str__(self) -> str:
        return f"{100 * self.value:g} %" if self.relative else f"{self.value:g}"


@dataclass(frozen=True, slots=True)
class Tolerances:
    """``alpha``: the share of checks that may fail where nothing changed; ``metrics`` by name."""

    alpha: float = 0.05
    metrics: Mapping[str, Tolerance] = field(default_factory=dict)

    def of(self, metric: str) -> Tolerance | None:
        """The metric's; of one with options (``word_error_rate@model=hubert``) without its own,
        that of the metric without them."""
        return self.metrics.get(metric) or self.metrics.get(metric.partition("@")[0])

    def with_override(self, text: str) -> Tolerances:
        """These with one more: ``pesq_wb=0.05`` or ``mel_dac_paper=5%``. Raises UsageError."""
        name, _, value = (part.strip() for part in text.rpartition("="))
        old = self.of(name)
        relative = value.endswith("%")
        try:
            number = float(value.removesuffix("%")) / (100 if relative else 1)
        except ValueError:
            number = math.nan
        if not (name and number > 0 and math.isfinite(number)):
            raise UsageError(f"--tolerance {text}: write NAME=VALUE or NAME=PERCENT%, above 0")
        new = Tolerance(number, relative, old.higher_is_better if old else None)
        return replace(self, metrics={**self.metrics, name: new})


def load_tolerances(
    path: Path | None = None, overrides: Sequence[str] = (), more: Iterable[str] = ()
) -> Tolerances:
    """The tolerances that ship with snac-eval, with ``path``'s and ``overrides`` over them.

    ``more`` names metrics that there are beside those that are installed here: of runs that were
    made elsewhere. Raises UsageError where a file or an override makes no sense.
    """
    shipped = _read(cards.data_dir("reports") / "tolerances.toml", Tolerances())
    loaded = shipped if path is None else _read(path, shipped)
    known = {*shipped.metrics, *plugins.metric_names(), *more}
    for name in loaded.metrics:
        _require_known(name, known, f"{path}: metrics")
    for text in overrides:
        name = text.rpartition("=")[0].strip()
        loaded = loaded.with_override(text)
        _require_known(name, known, f"--tolerance {text}")
    return loaded


def _require_known(name: str, known: Collection[str], where: str) -> None:
    if name not in known and name.partition("@")[0] not in known:
        unknown = plugins.unknown_name(name, known, "metric", "metrics")
        raise UnknownNameError(f"{where}: {unknown}")


def direction(info: MetricInfo, tolerance: Tolerance | None) -> bool | None:
    """Whether higher is better: as the metric says, else as its tolerance does, else None."""
    if info.higher_is_better is not None:
        return info.higher_is_better
    return tolerance.higher_is_better if tolerance else None


def _read(path: Path, base: Tolerances) -> Tolerances:
    file = validated(_File, read_toml(path, UsageError), str(path), UsageError)
    new = {name: _tolerance(path, name, entry) for name, entry in file.metrics.items()}
    return Tolerances(file.alpha or base.alpha, {**base.metrics, **new})


def _tolerance(path: Path, name: str, entry: _Entry) -> Tolerance:
    higher = None if entry.better is None else entry.better == "higher"
    if entry.absolute is not None and entry.relative is None:
        return Tolerance(entry.absolute, False, higher)
    if entry.relative is not None and entry.absolute is None:
        return Tolerance(entry.relative, True, higher)
    raise UsageError(f"{path}: metrics.{name}: give either absolute or relative")
