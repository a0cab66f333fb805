"""One codec, dataset, metric or tracker with all that is known of it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from snac_eval.catalogue.facts import (
    CodecFacts,
    DatasetFacts,
    Facts,
    MetricFacts,
    Stream,
    TrackerFacts,
    codec_facts,
    dataset_facts,
    metric_facts,
    stated_delay,
    tracker_facts,
)
from snac_eval.errors import UnknownNameError, UsageError, readable
from snac_eval.registry import plugins
from snac_eval.reports.text import NOTHING
from snac_eval.writing import printable

_LABEL_WIDTH = 14
_PROSE = ("about", "licence", "citation", "papers", "beware", "listeners")
_KINDS: Mapping[type, str] = {
    CodecFacts: "codec",
    DatasetFacts: "dataset",
    MetricFacts: "metric",
    TrackerFacts: "tracker",
}


def find(name: str, card_dirs: Sequence[Path] = ()) -> list[Facts]:
    """Whatever has this name, options and all (``snac_24khz@k=2``): one, or several of different
    kinds. Raises UnknownNameError, which suggests a name, or what reading a card raises."""
    base = name.partition(":")[0].partition("@")[0]
    known: list[tuple[list[str], Callable[[], Facts]]] = [
        (plugins.codec_names(card_dirs), lambda: _of_codec(name, card_dirs)),
        (plugins.dataset_names(card_dirs), lambda: dataset_facts(name, card_dirs)),
        (plugins.metric_names(), lambda: metric_facts(name)),
        (plugins.tracker_names(), lambda: tracker_facts(name)),
    ]
    if found := [read() for names, read in known if base in names]:
        return found
    try:
        return [_of_codec(name, card_dirs)]  # a codec at a rate that has no card
    except UnknownNameError:
        pass
    everything = [one for names, _ in known for one in names]
    said = plugins.unknown_name(base, everything, "name", "codecs, datasets, metrics or trackers")
    raise UnknownNameError(said)


def _of_codec(name: str, card_dirs: Sequence[Path]) -> CodecFacts:
    found = codec_facts(name, card_dirs)
    return replace(found, delay_samples=stated_delay(name, card_dirs)) if found.ready else found


def show_text(one: Facts, width: int) -> str:
    """All of it, a fact a line. Prose is wrapped to ``width``; what is to be copied is not."""
    lines = [f"{readable(one.name)}  ({_KINDS[type(one)]})"]
    for label, value in _facts(one):
        rows = [value] if isinstance(value, str) else value
        for index, row in enumerate(rows or [NOTHING]):
            head = f"{'' if index else label:{_LABEL_WIDTH}}"
            text = readable(row) if row else NOTHING
            lines += _wrapped(head, text, width) if label in _PROSE else [f"{head}{text}"]
    if isinstance(one, CodecFacts | DatasetFacts) and one.bibtex:
        lines += ["", *printable(one.bibtex).splitlines()]
    return "\n".join(lines)


def show_bibtex(found: Sequence[Facts]) -> str:
    """The BibTeX entries, each once. Raises UsageError for what has none."""
    entries: dict[str, None] = {}
    for one in found:
        if not isinstance(one, CodecFacts | DatasetFacts):
            why = f"{_KINDS[type(one)]}s carry no citation; name codecs and datasets"
            raise UsageError(f"{one.name}: {why}")
        if not one.bibtex:
            why = one.citation.removeprefix("none:").strip() or "its card has no citation"
            raise UsageError(f"{one.name}: nothing to cite: {why}")
        entries[printable(one.bibtex)] = None
    return "\n\n".join(entries)


def _wrapped(head: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _facts(one: Facts) -> Iterator[tuple[str, str | Sequence[str]]]:
    yield "about", one.description
    yield "state", one.state
    if one.remedy:
        yield "to get it", one.remedy
    if isinstance(one, CodecFacts):
        yield from _codec(one)
    elif isinstance(one, DatasetFacts):
        yield from _dataset(one)
    elif isinstance(one, MetricFacts):
        yield from _metric(one)
    else:
        yield "made by", one.source


def _codec(one: CodecFacts) -> Iterator[tuple[str, str | Sequence[str]]]:
    yield "made for", ", ".join(one.domains)
    yield "bitrate", NOTHING if one.bitrate_bps is None else f"{one.bitrate_bps:.10g} bit/s"
    yield "sample rate", "any" if one.sample_rate is None else f"{one.sample_rate} Hz"
    if one.decoded_rate != one.sample_rate:
        yield "comes out at", f"{one.decoded_rate} Hz"
    yield "channels", "any" if one.channels is None else str(one.channels)
    if one.delay_samples is not None:
        yield "delay left", f"{one.delay_samples:g} samples, as it states"
    if one.streams:
        yield "streams", list(stream_lines(one.streams))
        yield "tokens", f"{one.tokens_per_second:.10g} per second"
    yield "family", one.family
    yield "label", one.label
    yield "series", one.series
    if one.weights:
        yield "weights", one.weights
        yield "revision", one.revision
        yield "sha256", one.sha256
    yield from _options(one.options)
    yield "card", one.file
    yield "licence", one.licence
    yield "citation", one.citation


def stream_lines(streams: Sequence[Stream]) -> Iterator[str]:
    """Alike ones that follow each other on one line."""
    number = 1
    for stream, group in groupby(streams):
        last = number + len(list(group)) - 1
        which = str(number) if last == number else f"{number} to {last}"
        each = ", each" if last > number else ""
        yield (
            f"{which}: codebook of {stream.codebook_size}, {stream.tokens_per_second:.6g} tokens/s,"
            f" {stream.bitrate_bps:.6g} bit/s{each}"
        )
        number = last + 1


def _dataset(one: DatasetFacts) -> Iterator[tuple[str, str | Sequence[str]]]:
    yield "domain", one.domains[0]
    if splits := one.options.get("splits"):
        yield "splits", ", ".join(map(str, splits))
        yield "default split", str(one.options.get("default_split", "")) or "all"
    yield "loader", one.loader
    yield "url", one.url
    yield "card", one.file
    yield "licence", one.licence
    yield "citation", one.citation


def _metric(one: MetricFacts) -> Iterator[tuple[str, str | Sequence[str]]]:
    if one.scores:
        better = {True: "higher", False: "lower", None: NOTHING}[one.higher_is_better]
        yield "unit", one.unit
        yield "better", better
        yield "range", range_text(one.value_range)
        yield "defined for", ", ".join(one.domains)
        yield "default for", ", ".join(one.default_for)
        yield "sample rate", f"{one.sample_rate} Hz" if one.sample_rate else "the clip's"
        yield "scores", one.scores
        yield "depends on", ", ".join(one.depends_on)
        yield "catastrophic", f"worse than {one.floor:g}" if one.floor is not None else ""
        if one.licence:
            yield "licence", one.licence
        yield "fingerprint", one.fingerprint
        if one.papers:
            yield "papers", one.papers
        if one.traps:
            yield "beware", one.traps
        if one.listeners:
            yield "listeners", one.listeners
    yield "made by", one.source


def range_text(ends: tuple[float | None, float | None]) -> str:
    """``0 to inf``: an end that is None has no bound."""
    low, high = ends
    return f"{_end(low, '-')} to {_end(high)}"


def _end(value: float | None, sign: str = "") -> str:
    return f"{sign}inf" if value is None else f"{value:g}"


def _options(options: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    if options:
        yield "options", [f"{key} = {value}" for key, value in options.items()]
