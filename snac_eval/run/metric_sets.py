"""Which metrics score a clip of which domain, and in which order they stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.metrics.opening import require_metric
from snac_eval.types import Domain

DEFAULT = "default"


def metrics_by_domain(chosen: Sequence[str]) -> dict[Domain, tuple[str, ...]]:
    """By domain the metrics of a run for which these were chosen; none chosen: the default set.

    Raises UsageError for one that is not ready here.
    """
    # A metric that the user names is tried on every clip and says itself where it is undefined;
    # the default set leaves it out there.
    for name in chosen:
        if name != DEFAULT:
            require_metric(name)
    return {
        domain: merged([defaults if name == DEFAULT else (name,) for name in chosen or (DEFAULT,)])
        for domain, defaults in DEFAULT_METRICS.items()
    }


def merged(groups: Iterable[Sequence[str]], order: Sequence[str] = ()) -> tuple[str, ...]:
    """Every name once, those of ``order`` first and in that order."""
    wanted = dict.fromkeys(name for group in groups for name in group)
    ranked = [name for name in dict.fromkeys(order) if name in wanted]
    return tuple(dict.fromkeys([*ranked, *wanted]))
