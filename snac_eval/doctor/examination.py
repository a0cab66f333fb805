"""All of it, as findings, and how they are told."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby

from snac_eval.doctor import environments, machine, packages, places, selftest
from snac_eval.doctor.findings import Finding, Section, examined

_MARKS = {"ok": " ", "absent": "-", "broken": "!"}
_NAME_WIDTH = 24


def examine(self_test: bool = False) -> list[Finding]:
    """Look at everything; takes as long as importing every package does. Never raises."""
    found: list[packages.Wanted] = []
    known: list[packages.Imports] = [packages.Imports()]

    def look_at_packages() -> list[Finding]:
        found.extend(dict.fromkeys(packages.wanted_packages()))
        known[0] = packages.imported(_modules(found))
        return list(packages.core_findings(found, known[0]))

    sections: list[Section] = [
        ("versions", packages.own_findings),
        ("versions", look_at_packages),
        ("extras", lambda: packages.extra_findings(found, known[0], environments.by_extra())),
        ("environments", environments.environment_findings),
        ("machine", lambda: machine.machine_findings(known[0].devices)),
        ("places", places.place_findings),
        ("hub", places.hub_findings),
        ("variables", places.variable_findings),
    ]
    if self_test:
        sections.append(("self-test", partial(selftest.self_test_findings)))
    return examined(sections)


def _modules(wanted: Sequence[packages.Wanted]) -> list[str]:
    """What to import: of the packages that are here in a version that is asked for."""
    here = [one.package for one in wanted if not packages.problem(one)[1]]
    return [module for package in here if (module := packages.module_of(package))]


def report_text(findings: Sequence[Finding], width: int) -> str:
    """For people: a line a finding, what to do below it, and at the end what is wrong."""
    parts = []
    for section, ones in groupby(findings, lambda one: one.section):
        parts.append("\n".join([section, *(line for one in ones for line in _lines(one, width))]))
    return "\n\n".join([*parts, textwrap.fill(_verdict(findings), max(20, width))])


def report_json(findings: Sequence[Finding]) -> str:
    """For bug reports: ``works`` and ``findings``."""
    content = {"works": works(findings), "findings": list(map(asdict, findings))}
    return json.dumps(content, indent=2, ensure_ascii=False)


def works(findings: Sequence[Finding]) -> bool:
    """Whether all that is needed is there."""
    return not any(one.fails for one in findings)


def _lines(one: Finding, width: int) -> list[str]:
    head = f"{_MARKS[one.status]} {one.name:{_NAME_WIDTH}} "
    said = [*textwrap.wrap(one.value, max(20, width - len(head)), break_long_words=False)] or [""]
    lines = [head + said[0], *(" " * len(head) + more for more in said[1:])]
    if one.remedy and one.status != "ok":
        lines.append(" " * len(head) + f"-> {one.remedy}")
    return [line.rstrip() for line in lines]


def _verdict(findings: Sequence[Finding]) -> str:
    bad = [one for one in findings if one.fails]
    legend = "- is not here, ! is broken"
    if not bad:
        return f"all that is needed works ({legend})"
    names = ", ".join(f"{one.section}: {one.name}" for one in bad)
    return f"needed and broken: {names} ({legend})"
