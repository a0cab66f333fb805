"""Environments: whether a worker starts in each that was made, and what they spare this one.

What they need may be broken here, hence imports in functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from snac_eval.doctor.findings import Finding
from snac_eval.errors import SnacEvalError, one_line


def environment_findings() -> Iterator[Finding]:
    """One finding for each that was made or begun."""
    from snac_eval.environments.listing import environments

    for one in environments():
        again = f"snac-eval env create {one.name} --overwrite"
        if one.state in ("unfinished", "broken"):
            yield Finding("environments", one.name, one.state, "broken", False, again)
        elif one.state != "not made":
            yield _greeted(one.name, one.interpreter, "" if one.state == "ready" else one.state)


def by_extra() -> Mapping[str, str]:
    """For each extra, the environment that its metrics and codecs run in instead; none where cards
    and metrics cannot be read."""
    try:
        from snac_eval.environments.known import known_environments

        known = known_environments().values()
    except (Exception, SystemExit):  # noqa: BLE001 - environment_findings raises the same
        return {}
    return {extra: one.environment.name for one in known for extra in one.extras}


def _greeted(name: str, python: str, note: str) -> Finding:
    from snac_eval.environments.guest import Guest

    try:
        guest = Guest(python)
    except SnacEvalError as error:
        again = f"snac-eval env create {name} --overwrite"
        return Finding("environments", name, one_line(error), "broken", False, again)
    guest.close()
    versions = "".join(f", {package} {number}" for package, number in guest.hello.packages.items())
    said = f"Python {guest.hello.python}{versions}{f' ({note})' if note else ''}"
    return Finding("environments", name, said, needed=False)
