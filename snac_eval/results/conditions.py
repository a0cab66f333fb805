"""What a run's codec lost of what it sent, as its name says it, and what it is called without."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from snac_eval.codecs.losses import BIT_ERRORS, DEFAULTS, PACKET_LOSS, words_of
from snac_eval.results.record import Run

LOSSES = (PACKET_LOSS, BIT_ERRORS)
_OPTION = re.compile(r"@(?P<name>[a-z_]+)=(?P<value>[0-9.]+)(?=[@:]|$)")


def share_lost(run: Run, name: str) -> float:
    """The share of packets or of bits, 0 where the run's codec loses none."""
    return float(_options(run).get(name, 0))


def lines(runs: Sequence[Run], name: str) -> dict[Run, str]:
    """What each run is called without this condition: runs that differ in nothing else share it.

    A run without losses is the beginning of the line of any bursts, where all runs have the same.
    """
    lost = [run for run in runs if share_lost(run, PACKET_LOSS)]
    bursts = {tuple(_options(run).get(one) for one in DEFAULTS) for run in lost}
    dropped = [name, *(DEFAULTS if name == PACKET_LOSS and len(bursts) == 1 else ())]
    return {run: _without(run, dropped) for run in runs}


def _without(run: Run, dropped: Sequence[str]) -> str:
    found, title = _options(run), run.title
    for name in dropped:
        if name in found:
            title = title.replace(f", {words_of(name, found[name])}", "")
            title = re.sub(rf"@{name}=[0-9.]+", "", title)
    return title


def _options(run: Run) -> dict[str, Decimal]:
    return {one["name"]: Decimal(one["value"]) for one in _OPTION.finditer(run.codec)}
