"""Which environments there could be: those that codecs' cards and metrics name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from snac_eval.errors import UnknownNameError, UsageError
from snac_eval.registry import plugins
from snac_eval.types import Environment

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ALONE = "--no-deps "


@dataclass(frozen=True, slots=True)
class KnownEnvironment:
    """An environment and who runs in it."""

    environment: Environment
    codecs: tuple[str, ...] = ()
    """Names of cards."""
    metrics: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    """Extras that bring the same packages into this interpreter."""
    imports: tuple[str, ...] = ()
    """Modules that its metrics import there."""
    problem: str = ""
    """Why it cannot be made; empty where it can."""

    @property
    def together(self) -> tuple[str, ...]:
        """What pip installs at once. The worker wants NumPy."""
        return (*(one for one in self.environment.requirements if not _is_alone(one)), "numpy")

    @property
    def alone(self) -> tuple[str, ...]:
        """What is installed after that, without what it requires itself."""
        lines = self.environment.requirements
        return tuple(one.removeprefix(_ALONE).strip() for one in lines if _is_alone(one))


@dataclass(frozen=True, slots=True)
class _User:
    """A codec or a metric that names an environment."""

    name: str
    is_metric: bool
    environment: Environment
    family: str = ""
    extras: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


def known_environments(card_dirs: Sequence[Path] = ()) -> dict[str, KnownEnvironment]:
    """Every one that a codec's card or a metric names, by its name. Raises CardError for a card
    that is wrong."""
    return _by_name(list(_users(card_dirs)))


def environment_meant(name: str, card_dirs: Sequence[Path] = ()) -> KnownEnvironment:
    """The environment of that name, or that of the metric, codec or family of codecs of that name.

    Raises UnknownNameError, and UsageError for what runs in this interpreter and where the codecs
    of a family have different ones.
    """
    users = list(_users(card_dirs))
    known = _by_name(users)
    if name in known:
        return known[name]
    base = name.partition("@")[0]
    meant = {one.environment.name for one in users if one.is_metric and one.name == base}
    codec = base.partition(":")[0]
    meant = meant or {one.environment.name for one in users if one.name == codec}
    meant = meant or {one.environment.name for one in users if one.family == codec}
    if len(meant) == 1:
        return known[meant.pop()]
    if meant:
        raise UsageError(f"the codecs of '{name}' have several: name one of {_listed(meant)}")
    codecs, metrics = plugins.codec_names(card_dirs), plugins.metric_names()
    if codec in codecs or base in metrics:
        raise UsageError(f"'{name}' runs in this interpreter: it has no environment to be made")
    names = {*known, *(one.name for one in users), *(one.family for one in users if one.family)}
    raise UnknownNameError(_unknown(name, sorted(names)))


def _unknown(name: str, names: Sequence[str]) -> str:
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    meant = f"did you mean '{close[0]}'? see" if close else "see"
    return f"unknown environment '{name}': {meant}: snac-eval env list"


def _users(card_dirs: Sequence[Path]) -> Iterator[_User]:
    for name in plugins.metric_names():
        if (found := plugins.metric_environment(name)) is not None:
            made = plugins.metric(name)
            imports = tuple(getattr(made, "imports", ()))
            yield _User(name, True, found, "", plugins.metric_extras(name), imports)
    for name in plugins.codec_names(card_dirs):
        card = plugins.codec_card(name, card_dirs)
        if card.environment:
            environment = Environment(card.environment, card.requirements)
            yield _User(name, False, environment, card.family, plugins.codec_extras(card))


def _by_name(users: Sequence[_User]) -> dict[str, KnownEnvironment]:
    names = sorted({one.environment.name for one in users})
    return {name: _known(name, [u for u in users if u.environment.name == name]) for name in names}


def _known(name: str, users: Sequence[_User]) -> KnownEnvironment:
    given = {one.environment.requirements: one for one in users if one.environment.requirements}
    requirements = next(iter(given), ())
    extras = dict.fromkeys(extra for one in users for extra in one.extras)
    imports = dict.fromkeys(module for one in users for module in one.imports)
    return KnownEnvironment(
        Environment(name, requirements),
        codecs=tuple(one.name for one in users if not one.is_metric),
        metrics=tuple(one.name for one in users if one.is_metric),
        extras=tuple(extras),
        imports=tuple(imports),
        problem=_problem(name, given),
    )


def _problem(name: str, given: dict[tuple[str, ...], _User]) -> str:
    if not _NAME.fullmatch(name):
        return "its name may have letters, digits, dots, dashes and underscores alone"
    if not given:
        return "no card says what it needs: give 'requirements'"
    if len(given) > 1:
        first, second, *_ = (one.name for one in given.values())
        return f"{first} and {second} name different requirements for it; make them the same"
    for line in next(iter(given)):
        if line.startswith("-") and not _is_alone(line):
            return f"its requirement '{line}' is none: give a package, or '--no-deps PACKAGE'"
    return ""


def _is_alone(line: str) -> bool:
    return line.startswith(_ALONE)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
