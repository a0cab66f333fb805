"""After the tables, one line per group: how many times faster ours is than each peer.

A test's parameter ``how`` (or ``name``) says which is measured."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

OURS = ("snac-eval", "harness")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:  # noqa: ANN401
    session = getattr(terminalreporter.config, "_benchmarksession", None)
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for one in session.benchmarks if session else ():
        parameters = one.params or {}
        label = str(parameters.get("how", parameters.get("name", one.name)))
        groups[one.group or one.name][label] = one.stats.median
    for group, medians in groups.items():
        for line in ratios(medians):
            terminalreporter.write_line(f"ratio, {group}: {line}")


def ratios(medians: dict[str, float]) -> list[str]:
    """Peer's median time over ours, for every peer."""
    ours = next((medians[name] for name in OURS if name in medians), None)
    if ours is None:
        return []
    return [
        f"{peer} / ours = {seconds / ours:.2f}"
        for peer, seconds in medians.items()
        if peer not in OURS
    ]
