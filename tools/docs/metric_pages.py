"""A page for each metric, and a table of all of them: from the metric's class and its facts."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from snac_eval.catalogue.facts import MetricFacts
from snac_eval.catalogue.listing import Wanted, listed
from snac_eval.catalogue.showing import range_text
from snac_eval.metrics.opening import open_metric
from snac_eval.reports.agreed import shipped, short
from tools.docs.costs import FILE, Costs, read_costs
from tools.docs.made import Made
from tools.docs.prose import domains_text, facts, fence, markdown, wide

_BETTER: Mapping[bool | None, str] = {True: "higher", False: "lower", None: "neither"}
_LONGEST_LICENCE = 40
"""Some packages have the whole text where its name belongs."""
_SCORES = {
    "audio": "each clip's audio",
    "codes": "each clip's codes, timings and card",
    "codec": "each clip, with the codec's help",
    "corpus": "all clips together",
}
# What a family of metrics is called, by the module that holds it.
_GROUPS: Sequence[tuple[str, Sequence[str]]] = (
    ("Rates, speed, codes", ("bitrate", "speed", "codebook", "tokens", "stability", "idempotence")),
    ("Signals", ("spectral", "waveform", "cepstral", "pitch")),
    ("Standards, models of hearing", ("pesq", "stoi", "visqol", "zimtohrli", "warpq", "cdpam")),
    ("Predicted opinions", ("speechmos", "utmos", "distillmos", "nisqa", "scoreq", "audiobox",
                            "squim")),
    ("Words, speakers, corpora", ("asr", "speaker", "speechbert", "frechet")),
)  # fmt: skip


def metric_pages() -> Iterator[Made]:
    """The table first, then a page each, by group."""
    facts = {one.name: one for one in listed("metrics", Wanted()) if isinstance(one, MetricFacts)}
    own = {name: one for name, one in facts.items() if one.source.startswith("snac_eval.")}
    costs = read_costs(FILE)
    yield Made("metrics/all.md", _table_page(list(own.values()), costs), "", "All metrics")
    for group, modules in _GROUPS:
        for module in modules:
            for one in own.values():
                if one.source.partition(":")[0] == f"snac_eval.metrics.{module}":
                    yield Made(f"metrics/{one.name}.md", _page(one, costs), group, one.name)


def _table_page(found: Sequence[MetricFacts], costs: Costs) -> str:
    rows = []
    for one in found:
        rows.append([
            f"[`{one.name}`]({one.name}.md)", one.description, one.unit,
            {True: "↑", False: "↓", None: ""}[one.higher_is_better], domains_text(one.domains),
            costs.short(one.name), _rho(one), _needs(one),
        ])  # fmt: skip
    heads = ["metric", "what", "unit", "better", "for", "CPU s", "ρ", "needs"]
    return (
        "---\nhide: [toc]\n---\n\n# All metrics\n\n"
        f"CPU s: seconds of one core that 10 s of {costs.audio} take ({costs.where}); a dash where"
        " it was not measured. ρ: Spearman's coefficient with listeners over clips, positive where"
        " both rank alike ([which metric should I trust?](../which-metric.md)).\n\n"
        + wide(heads, rows)
        + "\n"
    )


def _rho(one: MetricFacts) -> str:
    return short(open_metric(one.name).info, shipped()).replace("ρ ", "")


def _page(one: MetricFacts, costs: Costs) -> str:
    parts = [f"# `{one.name}`", f"{one.description[0].upper()}{one.description[1:]}.", _facts(one)]
    parts += ["## Definition", markdown(one.definition)]
    if one.traps:
        parts += ["## Before comparing", "\n".join(f"- {trap}" for trap in one.traps)]
    parts += ["## Cost", costs.long(one.name), "## Agreement with listeners", _listeners(one)]
    parts += ["## Source", _papers(one)]
    parts += ["## Fingerprint", _FINGERPRINT, fence("\n".join(map(_told, one.fingerprint)))]
    parts += ["## How it is computed", markdown(_family(one))]
    parts += ["## Commands", fence(_commands(one), "sh")]
    return "\n\n".join(parts) + "\n"


_FINGERPRINT = (
    "Only numbers of equal fingerprints are compared. Versions are those of the machine that built"
    " this page; `snac-eval show` tells yours."
)


def _facts(one: MetricFacts) -> str:
    rows = [
        ("unit", one.unit or "none"),
        ("better", _BETTER[one.higher_is_better]),
        ("range", range_text(one.value_range)),
        ("defined for", domains_text(one.domains)),
        ("in the default set of", ", ".join(one.default_for) or "none: named with `--metrics`"),
        ("scores", _SCORES[one.scores]),
        ("sample rate", f"{one.sample_rate} Hz" if one.sample_rate else "the reference's own"),
        ("needs", _needs(one) or "nothing beside snac-eval"),
    ]
    if one.floor is not None:
        rows.append(("a clip is lost", f"worse than {one.floor:g}"))
    rows.append(("licence", one.licence or _licences(one)))
    return facts(rows)


def _licences(one: MetricFacts) -> str:
    """Ours, and those that the packages state which compute it."""
    theirs = (f"`{name}`: {_licence(name)}" for name in _packages(one))
    return "; ".join(["our code: MIT", *theirs])


def _licence(package: str) -> str:
    try:
        told = metadata(package)
    except PackageNotFoundError:
        return "not known here"
    expression, text = (next(iter(told.get_all(key) or ()), "")
                        for key in ("License-Expression", "License"))  # fmt: skip
    classifiers = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or ()
                   if one.startswith("License :: OSI Approved :: ")]  # fmt: skip
    short = text if len(text) < _LONGEST_LICENCE else ""
    return expression or ", ".join(classifiers) or short or "not stated in its metadata"


def _packages(one: MetricFacts) -> list[str]:
    return [part.partition("==")[0] for part in one.fingerprint if "==" in part]


def _needs(one: MetricFacts) -> str:
    if one.environment:
        return f"environment `{one.environment}`"
    return f"extra `{one.extra}`" if one.extra else ""


def _listeners(one: MetricFacts) -> str:
    if not one.listeners:
        return "No record that comes with snac-eval has it: how far it agrees is not known here."
    found = "\n".join(f"- {line}" for line in one.listeners)
    return f"{found}\n\n[Which metric should I trust?](../which-metric.md) says what that is worth."


def _papers(one: MetricFacts) -> str:
    ran = ", ".join(f"`{package}`" for package in _packages(one))
    by = f"Computed with {ran}, by" if ran else "Computed by"
    lines = [*one.papers, f"{by} `{one.source}`."] if one.papers else [
        f"Defined here. {by} `{one.source}`."]  # fmt: skip
    return "\n".join(f"- {line}" for line in lines)


def _told(part: str) -> str:
    return part.replace("==absent", " (not installed where this page was built)").replace(
        "weights=absent", "weights=(not there where this page was built)"
    )


def _family(one: MetricFacts) -> str:
    """What the module says of all metrics in it."""
    module: Any = sys.modules[one.source.partition(":")[0]]
    return inspect.cleandoc(module.__doc__ or "")


def _commands(one: MetricFacts) -> str:
    lines = []
    if one.name.startswith("bench_"):
        lines.append("snac-eval bench --model opus_12kbps")
    else:
        lines.append(f"snac-eval run --model opus_12kbps --dataset demo --metrics {one.name}")
    return "\n".join([*lines, f"snac-eval show {one.name}"])
