"""Which numbers are known: ``reports/fingerprints.json``, each metric with every fingerprint that
it has had, and what its numbers mean.

A check asks this file and not the metrics that are here: it must come to the same answer where an
extra is not installed, and where a later version has other metrics. ``tools/known_metrics.py`` adds
those of the present version to it; nothing is ever taken out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from snac_eval.metrics.opening import open_metric
from snac_eval.registry import plugins
from snac_eval.registry.cards import data_dir
from snac_eval.results.record import Run
from snac_eval.results.shapes import read_json
from snac_eval.run.manifest import metric_facts
from snac_eval.submissions.schema import METRIC, USUAL, metric_table
from snac_eval.types import Fingerprint
from snac_eval.writing import write_text

Known = Mapping[str, list[dict[str, Any]]]
"""By metric's name what it has meant, the newest last."""
FILE_NAME = "fingerprints.json"
OF_A_RUN = {"reference=codec": None, "bits=declared": "bitrate", "bits=files": "bitrate"}
"""Parts that a run adds to a fingerprint, and the one metric of which it does; None: of any."""
_WORDING = "description"


def known_file() -> Path:
    """Where the list lies."""
    return data_dir("reports") / FILE_NAME


def read_known(path: Path | None = None) -> Known:
    """The list. Raises StoreError where it cannot be read."""
    known: Known = read_json(path or known_file())["metrics"]
    return known


def metrics_here() -> dict[str, dict[str, Any]]:
    """What the numbers of every metric of a run mean that is ready here: only with its packages and
    its weights does a metric know its whole fingerprint."""
    ready = [name for name in plugins.metric_names() if plugins.metric_state(name) == plugins.READY]
    infos = [info for name in ready if (info := open_metric(name).info).speed != "bench"]
    return {info.name: metric_table(metric_facts(info)) for info in infos}


def metrics_of(runs: Iterable[Run]) -> dict[str, dict[str, Any]]:
    """The same of the metrics of these runs, less what a run adds to a fingerprint."""
    found = {}
    for run in runs:
        for name, facts in run.manifest["metrics"].items():
            found[name] = metric_table(facts) | {"fingerprint": _own(name, facts)}
    return found


def with_metrics(known: Known, here: Mapping[str, Mapping[str, Any]]) -> Known:
    """The list with what is new in ``here`` behind what it had."""
    added = {name: list(facts) for name, facts in known.items()}
    for name, facts in here.items():
        if misfit(name, facts, added):
            added.setdefault(name, []).append(dict(facts))
    return dict(sorted(added.items()))


def write_known(known: Known, path: Path) -> None:
    """Write the list, a line for each fingerprint. Raises OutputError."""
    tables = [
        f"  {json.dumps(name)}: [\n"
        + ",\n".join(f"    {json.dumps(one, ensure_ascii=False)}" for one in facts)
        + "\n  ]"
        for name, facts in known.items()
    ]
    write_text(path, '{"metrics": {\n' + ",\n".join(tables) + "\n}}\n")


def misfit(name: str, facts: Mapping[str, Any], known: Known) -> str:
    """Why a metric of a run is none of the known ones; empty where it is."""
    versions = known.get(name)
    if not versions:
        return f"{name}: is no metric that this repository knows; leave it out of the run"
    parts = _own(name, facts)
    alike = [one for one in versions if one["fingerprint"] == parts]
    if not alike:
        latest = min(reversed(versions), key=lambda one: _distance(one["fingerprint"], parts))
        parted = Fingerprint(tuple(parts)).difference(Fingerprint(tuple(latest["fingerprint"])))
        return f"{name}: its fingerprint is unknown: {parted}, which is known"
    differing = [_differing(facts, one) for one in alike]
    return "" if "" in differing else f"{name}: {differing[-1]}"


def _own(name: str, facts: Mapping[str, Any]) -> list[str]:
    return [part for part in facts["fingerprint"] if OF_A_RUN.get(part, "") not in (None, name)]


def _distance(one: Iterable[str], other: Iterable[str]) -> int:
    return len(set(one) ^ set(other))


def _differing(facts: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    for key in METRIC:
        if key in ("fingerprint", _WORDING):
            continue
        said, right = (side.get(key, USUAL.get(key)) for side in (facts, known))
        if said != right:
            return f"says {key} is {said!r}, which is {right!r} under this fingerprint"
    return ""
