"""Packages: which versions are here, whether they import, and what extras lack."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, distribution, metadata, requires, version
from typing import Any

from snac_eval.doctor.findings import Finding, Status
from snac_eval.registry.extras import ALONE

OURS = "snac-eval"
_TIMEOUT_S = 180.0
_LEAST_PYTHON = (3, 11)
_NOT_SHOWN = ("all", "dev")
# What of a package we use, where its own top wants what we do without.
_IN_PART = {"distillmos": "snac_eval.metrics._distillmos"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A package that is asked for: ``extra`` empty for one that is always needed."""

    package: str
    specifier: str
    requirement: str
    """As pip takes it: ``visqol-python[accel]>=3.8``."""
    extra: str = ""

    @property
    def command(self) -> str:
        """What installs it."""
        if self.extra in ALONE:
            return f"pip install --no-deps '{self.requirement}'"
        wanted = f"{OURS}[{self.extra}]" if self.extra else self.requirement
        return f"pip install '{wanted}'"


@dataclass(frozen=True, slots=True)
class Imports:
    """How imports went: by module an error, empty where it went well; and what torch says."""

    errors: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, Any] = field(default_factory=dict)


def wanted_packages(of: str = OURS) -> Iterator[Wanted]:
    """Everything that a distribution declares for this system, extras too."""
    from packaging.requirements import Requirement

    extras = [one for one in metadata(of).get_all("Provides-Extra") or () if one not in _NOT_SHOWN]
    for one in map(Requirement, requires(of) or ()):
        marker, specifier = one.marker, str(one.specifier)
        one.marker = None
        wanted = Wanted(one.name, specifier, str(one))
        if marker is None or marker.evaluate({"extra": ""}):
            yield wanted
        else:
            yield from (
                replace(wanted, extra=extra)
                for extra in extras
                if marker.evaluate({"extra": extra})
            )


def problem(wanted: Wanted) -> tuple[str, str]:
    """The version that is here, empty for none; and what is wrong with it, empty where nothing."""
    from packaging.specifiers import SpecifierSet

    try:
        here = version(wanted.package)
    except PackageNotFoundError:
        return "", "not installed"
    if SpecifierSet(wanted.specifier).contains(here, prereleases=True):
        return here, ""
    return here, f"needs {wanted.specifier}"


def module_of(package: str) -> str:
    """What the package imports as; empty where its files do not tell."""
    if package in _IN_PART:
        return _IN_PART[package]
    files = distribution(package).files or ()
    tops = {
        file.parts[0].partition(".")[0]
        for file in files
        if file.suffix in (".py", ".so", ".pyd") and ".data" not in file.parts[0]
    }
    public = sorted(top for top in tops if top.isidentifier() and not top.startswith("_"))
    like = package.lower().replace("-", "_")
    return like if like in public else next(iter(public), "")


def imported(modules: Sequence[str]) -> Imports:
    """Import them in processes of their own. One that ends its process, or takes longer than three
    minutes, is told, and the others still get their turn."""
    errors: dict[str, str] = {}
    devices: dict[str, Any] = {}
    rest = list(dict.fromkeys(modules))
    while rest:
        lines, ended = _probe(rest)
        for line in lines:
            errors[line["module"]] = line["error"]
            devices |= line["devices"]
        silent = [module for module in rest if module not in errors]
        if silent:
            errors[silent[0]] = ended
        rest = silent[1:]
    return Imports(errors, devices)


def _probe(modules: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """What the process said, and how it ended."""
    command = [sys.executable, "-m", "snac_eval.doctor.probe", *modules]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
        said, ended = done.stdout, f"the import ended Python (exit code {done.returncode})"
    except subprocess.TimeoutExpired as error:
        said, ended = error.stdout or b"", f"the import took longer than {_TIMEOUT_S:.0f} s"
    whole = said.decode("utf-8", "replace").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()], ended


def own_findings() -> Iterator[Finding]:
    """Python and snac-eval itself."""
    from snac_eval.machine import commit

    old = sys.version_info[:2] < _LEAST_PYTHON
    yield Finding(
        "versions",
        "Python",
        f"{platform.python_version()} ({sys.executable})",
        "broken" if old else "ok",
        remedy="use Python 3.11 or later" if old else "",
    )
    yield Finding("versions", OURS, version(OURS))
    if known := commit():
        yield Finding("versions", "commit", known, needed=False)


def core_findings(wanted: Sequence[Wanted], imports: Imports) -> Iterator[Finding]:
    """The packages that are always needed."""
    for one in wanted:
        if not one.extra:
            yield _finding("versions", one, imports, needed=True)


def extra_findings(
    wanted: Sequence[Wanted], imports: Imports, environments: Mapping[str, str]
) -> Iterator[Finding]:
    """One finding an extra: what is wrong first. ``environments`` names, by extra, what does
    without it here."""
    for extra in sorted({one.extra for one in wanted} - {""}):
        ones = [_finding("extras", one, imports, False) for one in wanted if one.extra == extra]
        bad = [one for one in ones if one.status != "ok"]
        broken = [one for one in bad if one.status == "broken"]
        if bad and not broken and extra in environments:
            yield _instead(extra, environments[extra])
            continue
        value = "; ".join(f"{one.name} {one.value}" for one in bad or ones)
        status: Status = "broken" if broken else "absent" if bad else "ok"
        yield Finding("extras", extra, value, status, False, (broken or bad or ones)[0].remedy)


def _instead(extra: str, environment: str) -> Finding:
    from snac_eval.registry.environments import MissingEnvironment, python_of

    if python_of(environment):
        return Finding("extras", extra, f"in environment {environment}", needed=False)
    missing = MissingEnvironment(environment)
    return Finding("extras", extra, missing.state, "absent", False, missing.command)


def _finding(section: str, one: Wanted, imports: Imports, needed: bool) -> Finding:
    here, wrong = problem(one)
    if wrong:
        said = f"{here}, {wrong}" if here else wrong
        return Finding(section, one.package, said, "absent", needed, one.command)
    if error := imports.errors.get(module_of(one.package), ""):
        remedy = f"pip install --force-reinstall '{one.requirement}'"
        said = f"{here}, installed, but cannot be imported: {error}"
        return Finding(section, one.package, said, "broken", needed, remedy)
    return Finding(section, one.package, here, "ok", needed)
