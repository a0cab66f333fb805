"""The pages of the Python interface: which names are public, and that each is explained.

A module's public names are those of its ``__all__``, else its own classes, functions and data
without an underscore. :data:`PAGES` says which modules are promised to those who write against
snac-eval; of some, a few names only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import griffe

from tools.docs.made import Made
from tools.docs.prose import markdown


@dataclass(frozen=True, slots=True)
class Room:
    """A module on a page."""

    module: str
    names: tuple[str, ...] = ()
    """Which of its names; empty: all public ones."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the interface."""

    address: str
    title: str
    says: str
    rooms: Sequence[Room] = field(default_factory=tuple)


PAGES = (
    Page("python", "snac_eval", "Run, load, score: what `import snac_eval` has.",
         (Room("snac_eval"), Room("snac_eval.evaluation.result", ("Sound", "Text")),
          Room("snac_eval.run.config", ("RunConfig",)))),
    Page("types", "Types", "What the parts of snac-eval hand to each other, and to plugins.",
         (Room("snac_eval.types"),)),
    Page("metrics", "Metrics", "What a metric is built on: see also"
         " [plugins](../plugins.md).",
         (Room("snac_eval.metrics.base"), Room("snac_eval.metrics.opening"))),
    Page("codecs", "Codecs", "What an opened codec can do, and what opens it. The protocol itself,"
         " `Codec`, is among the [types](types.md).",
         (Room("snac_eval.codecs.abilities"),
          Room("snac_eval.codecs.opening", ("open_model", "model_card")),
          Room("snac_eval.codecs.checks"))),
    Page("record", "A run's record", "A finished run, read once.",
         (Room("snac_eval.results.record",
               ("Run", "MetricResult", "RunClip", "read_run", "metric_names")),)),
    Page("figures", "Figures", "Plots for papers, from records.",
         (Room("snac_eval.reports.figures", ("plot", "KINDS", "SUFFIXES", "WIDTHS_CM")),)),
    Page("pytest", "pytest", "Fixtures that come with the package: see"
         " [the gate](../gate.md).",
         (Room("snac_eval.pytest_plugin",
               ("codec_gate", "codec_benchmark", "CodecGate", "CodecBenchmark")),)),
    Page("errors", "Errors", "What is raised, each with one line and an exit code. A name that"
         " there is not is an `UnknownNameError`, a card that is wrong a `CardError`.",
         (Room("snac_eval.errors",
               ("SnacEvalError", "UsageError", "UnknownNameError", "CardError", "DatasetError",
                "DownloadError", "AudioError", "WeightsUnavailable", "CheckpointError",
                "CodecError", "CodecLost", "RatingsError", "StoreError", "CodesError",
                "OutputError", "UndefinedMetrics", "TooManyFailures", "Interrupted")),)),
)  # fmt: skip


def api_pages() -> Iterator[Made]:
    """A page each."""
    for page in PAGES:
        parts = [f"# {page.title}", page.says]
        for room in page.rooms:
            if (said := _docstring(_of(room.module))) and not room.names:
                parts += [f"## `{room.module}`", markdown(said)]
            parts += [f"::: {name}" for name in public_names(room)]
        yield Made(f"api/{page.address}.md", "\n\n".join(parts) + "\n", "", page.title)


def public_names(room: Room) -> list[str]:
    """The paths of its public names, in the module's order."""
    module = _of(room.module)
    names = room.names or _exported(module)
    return [f"{room.module}.{name}" for name in names if name != "__version__"]


def undocumented() -> list[str]:
    """What a page would show without a word: names without a docstring, and members that neither
    have one nor stand in their class's."""
    return [
        lacking
        for page in PAGES
        for room in page.rooms
        for name in public_names(room)
        for lacking in _lacking(_of(name))
    ]


def _lacking(found: griffe.Object | griffe.Alias) -> Iterator[str]:
    target = found.final_target if isinstance(found, griffe.Alias) else found
    said = _docstring(target)
    if not said:
        yield target.path
    if not isinstance(target, griffe.Class):
        return
    for name, member in target.members.items():
        if name.startswith("_") or isinstance(member, griffe.Alias):
            continue
        told = re.search(rf"``(\w+[./])*{name}\b", said)
        if not _docstring(member) and not told and not _overrides(target, name):
            yield member.path


def _overrides(owner: griffe.Class, name: str) -> bool:
    """Whether a class above says what this is."""
    return any(name in base.members and _docstring(base.members[name]) for base in owner.mro())


def _exported(module: griffe.Object) -> list[str]:
    assert isinstance(module, griffe.Module)
    if module.exports is not None:
        return [str(name) for name in module.exports]
    return [name for name, member in module.members.items()
            if not name.startswith("_") and not isinstance(member, griffe.Alias | griffe.Module)
            and (_docstring(member) or not isinstance(member, griffe.Attribute))]  # fmt: skip


def _docstring(found: griffe.Object | griffe.Alias) -> str:
    return found.docstring.value if found.docstring is not None else ""


def _of(path: str) -> griffe.Object:
    found = (
        _package()[path.removeprefix("snac_eval").removeprefix(".")] if "." in path else _package()
    )
    return found.final_target if isinstance(found, griffe.Alias) else found


@cache
def _package() -> griffe.Object:
    """Read without being run, as mkdocstrings does."""
    loaded = griffe.load("snac_eval", search_paths=[Path.cwd()])
    assert isinstance(loaded, griffe.Object)
    return loaded
