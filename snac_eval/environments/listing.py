"""What environments there are and could be, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from snac_eval.environments.known import KnownEnvironment, known_environments
from snac_eval.environments.venvs import is_outdated, made_names
from snac_eval.registry.environments import (
    MadeEnvironment,
    environments_folder,
    made_environment,
    python_of,
)

_NOTHING = "-"
_NAMED = 3


@dataclass(frozen=True, slots=True)
class ListedEnvironment:
    """One of them. The fields are the keys of ``--format json``; what is not known is empty."""

    name: str
    state: str
    """``ready``; ``outdated``: made of other requirements than are asked for now; ``unfinished``:
    the process that made it was killed; ``broken``: its interpreter is gone; ``not made``."""
    folder: str
    python: str
    """The version; ``interpreter`` is the path."""
    interpreter: str
    numpy: str
    torch: str
    size_bytes: int
    made_at: str
    codecs: tuple[str, ...]
    metrics: tuple[str, ...]
    requirements: tuple[str, ...]
    """What it was made of; where it was not made, what it would be made of."""
    packages: dict[str, str]


def environments(card_dirs: Sequence[Path] = ()) -> list[ListedEnvironment]:
    """Those that were made and those that a card or a metric names, by name."""
    known = known_environments(card_dirs)
    names = sorted({*known, *made_names()})
    return [_listed(name, known.get(name), made_environment(name)) for name in names]


def as_json(found: Sequence[ListedEnvironment]) -> str:
    """Every fact."""
    return json.dumps(list(map(asdict, found)), indent=2, ensure_ascii=False)


def as_text(found: Sequence[ListedEnvironment]) -> str:
    """A table, and how to make what is not there."""
    from tabulate import tabulate

    if not found:
        return "no card and no metric names an environment, and none was made"
    header = ["environment", "state", "Python", "NumPy", "torch", "MB", "used by"]
    table: str = tabulate(list(map(_row, found)), header, disable_numparse=True)
    lacking = [one.name for one in found if one.state != "ready" and (one.codecs or one.metrics)]
    return table + (f"\n\nto make one: snac-eval env create {lacking[0]}" if lacking else "")


def in_words(known: KnownEnvironment) -> str:
    """One that was made, in a line or two."""
    one = _listed(known.environment.name, known, made_environment(known.environment.name))
    packages = [("NumPy", one.numpy), ("torch", one.torch)]
    versions = ", ".join(f"{name} {version}" for name, version in packages if version)
    where = f"{one.size_bytes / 1e6:.0f} MB in {one.folder}"
    return f"environment {one.name}: {one.state}, Python {one.python}, {versions}; {where}"


def _listed(
    name: str, known: KnownEnvironment | None, made: MadeEnvironment | None
) -> ListedEnvironment:
    interpreter = python_of(name)
    return ListedEnvironment(
        name=name,
        state=_state(name, known, made),
        folder=str(environments_folder() / name),
        python=made.python if made else "",
        interpreter=str(interpreter or ""),
        numpy=made.packages.get("numpy", "") if made else "",
        torch=made.packages.get("torch", "") if made else "",
        size_bytes=made.size_bytes if made else 0,
        made_at=made.made_at if made else "",
        codecs=known.codecs if known else (),
        metrics=known.metrics if known else (),
        requirements=made.requirements if made else known.environment.requirements if known else (),
        packages=dict(made.packages) if made else {},
    )


def _state(name: str, known: KnownEnvironment | None, made: MadeEnvironment | None) -> str:
    if made is None:
        return "unfinished" if name in made_names() else "not made"
    if python_of(name) is None:
        return "broken"
    return "outdated" if known and is_outdated(known, made) else "ready"


def _row(one: ListedEnvironment) -> list[str]:
    size = f"{one.size_bytes / 1e6:.0f}" if one.size_bytes else ""
    cells = [one.python, one.numpy, one.torch, size]
    users = [*one.metrics, *one.codecs]
    more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
    used_by = ", ".join(users[:_NAMED]) + more
    return [one.name, one.state, *(cell or _NOTHING for cell in cells), used_by or _NOTHING]
