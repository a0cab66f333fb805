"""Which metrics a run has no value of, though one would expect them, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from snac_eval.errors import UndefinedMetrics
from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.registry import plugins
from snac_eval.results.record import MetricResult, Run
from snac_eval.run.metric_sets import DEFAULT, merged


class LeftOut(NamedTuple):
    """Metrics without a value on any clip, and the reason that they share."""

    metrics: tuple[str, ...]
    reason: str
    """Without a full stop: ``defined for speech; these clips are general``."""

    def __str__(self) -> str:
        return f"{', '.join(self.metrics)}: {self.reason}"


def left_out(run: Run) -> list[LeftOut]:
    """Metrics of the default set that the run did not ask any clip, and all that are undefined on
    every clip, by reason."""
    undefined = [name for name, one in run.metrics.items() if is_undefined_everywhere(one)]
    return _by_reason(run, [*undefined, *_missing_defaults(run)])


def undefined_everywhere(run: Run, named: Sequence[str]) -> list[LeftOut]:
    """Those of the metrics that the user named that are undefined on every clip, by reason."""
    found = (name for name in named if name in run.metrics)
    return _by_reason(run, [name for name in found if is_undefined_everywhere(run.metrics[name])])


def is_undefined_everywhere(result: MetricResult) -> bool:
    """Whether no clip has a value, and not because something failed."""
    if result.whole is not None:
        return result.whole.status == "undefined"
    ok, undefined, failed = result.counts
    return bool(undefined and not ok and not failed)


def named_metrics(run: Run) -> list[str]:
    """The metrics that the user named, ``default`` not among them."""
    return [name for name in _chosen(run) if name != DEFAULT]


def refuse_undefined(*runs: Run) -> None:
    """Raise UndefinedMetrics where a metric that the user named is undefined on every clip of these
    runs: of several, one that has it will do, for codecs and datasets differ.

    A part of a run says nothing of the whole: then none is refused.
    """
    if not runs or not all(run.finished for run in runs):
        return
    nowhere = [
        name
        for name in dict.fromkeys(name for run in runs for name in named_metrics(run))
        if all(undefined_everywhere(run, [name]) for run in runs if name in run.metrics)
    ]
    run = runs[0]
    if found := undefined_everywhere(run, nowhere):
        said = "; ".join(map(str, found))
        raise UndefinedMetrics(f"undefined on every clip: {said}{_what_to_do(run, found)}")


def left_out_of_all(runs: Sequence[Run]) -> dict[LeftOut, list[str]]:
    """What :func:`left_out` says of several runs, each once, with where it holds: a dataset, where
    all its runs say so, else a codec and a dataset."""
    codecs: dict[str, set[str]] = {}
    found: dict[LeftOut, dict[str, list[str]]] = {}
    for run in runs:
        codecs.setdefault(run.dataset, set()).add(run.codec)
        for one in left_out(run):
            found.setdefault(one, {}).setdefault(run.dataset, []).append(run.codec)
    return {
        one: [
            place
            for dataset, of in by_dataset.items()
            for place in (
                [dataset]
                if set(of) == codecs[dataset]
                else [f"{codec} on {dataset}" for codec in of]
            )
        ]
        for one, by_dataset in found.items()
    }


def _what_to_do(run: Run, found: Sequence[LeftOut]) -> str:
    names = [name for group in found for name in group.metrics]
    other = [name for name in names if not _domains(run) & run.info(name).domains]
    if not other:
        return ""
    wanted = " or ".join(sorted({domain for name in other for domain in run.info(name).domains}))
    return f"; if they are {wanted}, say so: --domain {wanted}"


def _chosen(run: Run) -> Sequence[str]:
    config: Any = run.manifest.get("config", {})
    chosen = config.get("metrics") or (DEFAULT,)
    return [str(name) for name in chosen]


def _missing_defaults(run: Run) -> list[str]:
    if run.manifest.get("kind") != "run" or DEFAULT not in _chosen(run):
        return []
    return [name for name in merged(DEFAULT_METRICS.values()) if name not in run.metrics]


def _domains(run: Run) -> set[str]:
    return {clip.domain for clip in run.clips.values()}


def _by_reason(run: Run, names: Sequence[str]) -> list[LeftOut]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_reason(run, name), []).append(name)
    return [LeftOut(tuple(group), reason) for reason, group in groups.items()]


def _reason(run: Run, name: str) -> str:
    """Why the run has no value of the metric: its domain, or what most clips say."""
    clips = _domains(run)
    result = run.metrics.get(name)
    domains = plugins.metric(name).info.domains if result is None else result.info.domains
    these = " and ".join(sorted(filter(None, clips)))
    if not clips & domains:
        return f"defined for {' and '.join(sorted(domains))}; these clips are {these}"
    if result is None:
        wanted = [domain for domain, names in DEFAULT_METRICS.items() if name in names]
        if clips & set(wanted):
            return "not measured by the version that made this run"
        return f"a default of {' and '.join(sorted(wanted))} alone; these clips are {these}"
    if result.whole is not None:
        return result.whole.reason
    reasons = Counter(one.reason for one in result.missing.values())
    reason, count = reasons.most_common(1)[0]
    of = sum(reasons.values())
    return reason if len(reasons) == 1 else f"{reason} ({count} of {of} clips; others differ)"
