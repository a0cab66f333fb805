"""Lists of what there is, filtered, in order of rate, and as wide as the terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from snac_eval.catalogue.facts import (
    CodecFacts,
    DatasetFacts,
    Facts,
    MetricFacts,
    TrackerFacts,
    codec_facts,
    dataset_facts,
    metric_facts,
    tracker_facts,
)
from snac_eval.errors import readable
from snac_eval.registry import plugins
from snac_eval.reports.text import NOTHING, significant
from snac_eval.reports.widths import text_width, wrapped
from snac_eval.types import DOMAINS, Domain

KINDS = ("codecs", "datasets", "metrics", "trackers")
_STATE_WIDTH = 20
_LEAST_DESCRIPTION = 12
_GAP = "  "
_NUMBERS = ("kbps", "kHz")
_ARROWS = {True: " ↑", False: " ↓", None: ""}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is to show: only what is ready, of this domain, with this text somewhere in name,
    description, family or citation; upper and lower case are alike."""

    ready: bool = False
    domain: Domain | None = None
    search: str = ""

    def __call__(self, one: Facts) -> bool:
        """Whether it is to be shown."""
        words = [one.name, one.description]
        if isinstance(one, CodecFacts):
            words += [one.family, one.label, one.series, one.citation]
        elif isinstance(one, DatasetFacts):
            words += [one.loader, one.citation]
        found = self.search.casefold() in "\n".join(words).casefold()
        domains = () if isinstance(one, TrackerFacts) else one.domains
        fits = self.domain is None or self.domain in domains
        return found and fits and (one.ready or not self.ready)


def listed(kind: str, wanted: Wanted, card_dirs: Sequence[Path] = ()) -> list[Facts]:
    """What there is of a kind, one of :data:`KINDS`, by name, numbers in it in order of size.

    Raises CardError for a card that is wrong.
    """
    readers: Mapping[str, tuple[Sequence[str], Callable[[str], Facts]]] = {
        "codecs": (plugins.codec_names(card_dirs), lambda name: codec_facts(name, card_dirs)),
        "datasets": (plugins.dataset_names(card_dirs), lambda name: dataset_facts(name, card_dirs)),
        "metrics": (plugins.metric_names(), metric_facts),
        "trackers": (plugins.tracker_names(), tracker_facts),
    }
    names, read = readers[kind]
    return [one for one in map(read, sorted(names, key=in_order)) if wanted(one)]


def in_order(name: str) -> tuple[str | float, ...]:
    """A key that sorts ``opus_6kbps`` before ``opus_12kbps``."""
    parts = re.split(r"([0-9]+(?:\.[0-9]+)?)", name)
    return tuple(float(part) if index % 2 else part for index, part in enumerate(parts))


def list_text(kind: str, found: Sequence[Facts], width: int) -> str:
    """A table of at most ``width`` columns, unless names alone need more; descriptions are cut."""
    if not found:
        return f"no {kind} match"
    rows = [_row(one) for one in found]
    table = "\n".join(_lines(list(rows[0]), [list(row.values()) for row in rows], width))
    return table + _legend(found, width)


def _row(one: Facts) -> dict[str, str]:
    """Cells by their column's heading; the last two are the state and the description."""
    if isinstance(one, CodecFacts):
        kbps = "" if one.bitrate_bps is None else significant(one.bitrate_bps / 1000, 4)
        khz = "any" if one.sample_rate is None else f"{one.sample_rate / 1000:g}"
        if one.decoded_rate is not None and one.decoded_rate != one.sample_rate:
            khz += f"→{one.decoded_rate / 1000:g}"
        cells = {"codec": one.name, "kbps": kbps or NOTHING, "kHz": khz}
    elif isinstance(one, DatasetFacts):
        cells = {"dataset": one.name, "domain": one.domains[0]}
    elif isinstance(one, TrackerFacts):
        cells = {"tracker": one.name}
    else:
        cells = {
            "metric": one.name + _ARROWS[one.higher_is_better],
            "set": _default_mark(one),
        }
    return {**cells, "state": one.state, "description": one.description}


def _default_mark(one: MetricFacts) -> str:
    return "".join(domain[0] if domain in one.default_for else "-" for domain in DOMAINS)


def _cut(text: str, width: int) -> str:
    if text_width(text) <= width:
        return text
    kept = takewhile(lambda end: text_width(text[:end]) < width, range(len(text)))
    return f"{text[: max(kept, default=0)].rstrip()}…"


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - text_width(text))
    return space + text if right else text + space


def _legend(found: Sequence[Facts], width: int) -> str:
    if not any(isinstance(one, MetricFacts) for one in found):
        return ""
    marks = ", ".join(f"{domain[0]} {domain}" for domain in DOMAINS)
    legend = f"↑ higher is better, ↓ lower is; set: in the default set for {marks}"
    return "\n\n" + textwrap.fill(legend, width)


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """State and description take what the other columns leave; the state is wrapped, never cut."""
    rows = [[readable(cell) for cell in row] for row in rows]
    longest = [max(text_width(row[i]) for row in (header, *rows)) for i in range(len(header))]
    *widths, state, description = longest
    widths.append(min(state, _STATE_WIDTH))
    left = width - sum(widths) - len(_GAP) * len(widths)
    if left >= _LEAST_DESCRIPTION:
        widths.append(min(left, description))
    right = [name in _NUMBERS for name in header]

    def joined(cells: Sequence[str]) -> str:
        return _GAP.join(map(_padded, cells, widths, right)).rstrip()

    fixed = len(header) - 2
    yield joined(header)
    yield joined(["-" * one for one in widths])
    for row in rows:
        state_text, *more = wrapped(row[fixed], widths[fixed])
        about = _cut(row[-1], widths[-1])
        yield joined([*row[:fixed], state_text, about])
        for line in more:
            yield joined([*[""] * fixed, line])
