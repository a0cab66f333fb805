"""Published figures: ``reports/published.csv``, each with its source and how it was defined.

They are of other data than one's own runs, so they are set beside ours and never ranked. Every
figure says whether its metric is defined as ours: "same", "other" or "unknown"; every row says
whether its source was read ("first-hand") or only what others quote of it ("second-hand").
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from snac_eval.errors import UsageError, detail
from snac_eval.registry import cards, plugins
from snac_eval.reports.grid import NONE, Cell

COLUMNS = (
    "codec",
    "card",
    "sample_rate",
    "nominal_bps",
    "exact_bps",
    "data",
    "metric",
    "value",
    "definition",
    "why",
    "read",
    "citation",
    "url",
)
DEFINITIONS = ("same", "other", "unknown")
READINGS = ("first-hand", "second-hand")
MODEL_FACTS = ("bitrate_nominal", "parameters_millions", "token_rate_hz")
LISTENERS = "mushra"
"""Ratings by people, 0..100. No metric of ours has them: they stand in the notes and in CSV."""
_SIGNS = {"same": "=", "other": "≠", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One published number."""

    metric: str
    """Our name of the metric that is nearest."""
    value: str
    """The text as printed; a space parts several numbers."""
    definition: str
    """How near our metric is: one of :data:`DEFINITIONS`."""
    why: str
    """The reason for this definition."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One codec at one bitrate from one source."""

    codec: str
    card: str
    """Our card of this codec; empty where we have none."""
    sample_rate: int
    """In Hz; 0 where the source does not say."""
    nominal_bps: float
    """In bit/s; NaN where the source does not say."""
    exact_bps: float
    """In bit/s; NaN where it is not known."""
    data: str
    read: str
    """One of :data:`READINGS`."""
    source: tuple[str, str]
    """Citation and URL."""
    figures: Mapping[str, Figure]
    """By metric."""


@dataclass(frozen=True, slots=True)
class Published:
    """All rows, in the file's order."""

    rows: tuple[PublishedRow, ...]

    def of(self, metrics: Sequence[str]) -> Published:
        """Those with a figure of one of these metrics, and no other figures but the listeners'."""
        wanted = (*metrics, LISTENERS)
        return Published(
            tuple(
                replace(row, figures={m: row.figures[m] for m in wanted if m in row.figures})
                for row in self.rows
                if any(metric in row.figures for metric in metrics)
            )
        )

    @property
    def sources(self) -> list[tuple[str, str]]:
        """Citation and URL, in the order of first use."""
        return list(dict.fromkeys(row.source for row in self.rows))

    def label(self, row: PublishedRow) -> str:
        """Codec, nominal bitrate where known, the source's number, from 1, and whether the source
        was not read."""
        mark = f" {row.read}" if row.read != READINGS[0] else ""
        codec = _codec_and_rate(row, ", ")
        return f"{codec} [{self.sources.index(row.source) + 1}]{mark}"

    def notes(self) -> Iterator[str]:
        """What the signs mean; then each source with its data, its definitions, and what listeners
        said."""
        second = any(row.read != READINGS[0] for row in self.rows)
        yield (
            "Published figures: = our definition, ≠ another, ? not known to be ours;"
            + (" second-hand: as others quote the source, which was not read;" if second else "")
            + " bitrates are exact where known."
        )
        for number, source in enumerate(self.sources, start=1):
            rows = [row for row in self.rows if row.source == source]
            data = "; ".join(dict.fromkeys(row.data for row in rows))
            mark = "".join(f" ({one})" for one in _marks(rows))
            parts = [f"[{number}] {source[0]}, {source[1]}{mark}; data: {data}"]
            yield "; ".join([*parts, *_definitions(rows), *_listeners(rows)]) + "."


def listener_values(row: PublishedRow) -> dict[str, str]:
    """What CSV says of the listeners' ratings; nothing where there are none."""
    figure = row.figures.get(LISTENERS)
    if figure is None:
        return {}
    return {LISTENERS: figure.value, f"{LISTENERS}_definition": figure.definition}


def published_cells(row: PublishedRow, metrics: Sequence[str], prefix: str = "") -> Iterator[Cell]:
    """A cell per metric: the value with the sign of its definition.

    CSV has both under ``<prefix><metric>`` and ``<prefix><metric>_definition``.
    """
    for name in metrics:
        if figure := row.figures.get(name):
            column = prefix + name
            yield Cell(
                f"{figure.value} {_SIGNS[figure.definition]}",
                key=float(figure.value.split()[0]),
                values={column: figure.value, f"{column}_definition": figure.definition},
            )
        elif name == "bitrate" and not math.isnan(row.exact_bps):
            yield Cell(f"{row.exact_bps / 1000:.3f}", key=row.exact_bps / 1000, values={})
        else:
            yield NONE


def load_published(path: Path | None = None) -> Published:
    """The file that ships with snac-eval, or another of its form.

    Raises UsageError, with file and line, for anything missing or out of place.
    """
    path = path or cards.data_dir("reports") / "published.csv"
    rows: dict[tuple[str, ...], PublishedRow] = {}
    figures: dict[tuple[str, ...], dict[str, Figure]] = {}
    for where, line in _lines(path):
        key = tuple(line[name] for name in (*COLUMNS[:6], "read", "citation", "url"))
        found = figures.setdefault(key, {})
        if line["metric"] in found:
            raise UsageError(f"{where}: gives {line['metric']} of {line['codec']} twice")
        found[line["metric"]] = _figure(where, line)
        rows[key] = _published_row(where, line, found)
    return Published(tuple(rows.values()))


def _codec_and_rate(row: PublishedRow, between: str) -> str:
    known = not math.isnan(row.nominal_bps)
    return row.codec + (f"{between}{row.nominal_bps / 1000:g} kbps" if known else "")


def _marks(rows: Sequence[PublishedRow]) -> list[str]:
    return [one for one in dict.fromkeys(row.read for row in rows) if one != READINGS[0]]


def _listeners(rows: Sequence[PublishedRow]) -> Iterator[str]:
    """What listeners said, with the sign that every figure carries."""
    rated = [(row, row.figures[LISTENERS]) for row in rows if LISTENERS in row.figures]
    if rated:
        sign = _SIGNS[rated[0][1].definition]
        ratings = [f"{_codec_and_rate(row, ' at ')} {figure.value}" for row, figure in rated]
        yield (
            f"MUSHRA of its listeners ({sign}), which no metric here measures: "
            + ", ".join(ratings)
        )


def _definitions(rows: Sequence[PublishedRow]) -> Iterator[str]:
    """Metrics and their definition, once per reason."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for name, figure in row.figures.items():
            if name == LISTENERS:
                continue
            names = reasons.setdefault(f"{figure.definition} ({figure.why})", [])
            names += [] if name in names else [name]
    for reason, names in reasons.items():
        yield f"definition of {', '.join(names)}: {reason}"


def _lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each line is, and its columns."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as UTF-8 text: {detail(error)}") from error
    reader = csv.DictReader(text.splitlines(), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise UsageError(f"{path}:1: the columns must be {','.join(COLUMNS)}")
        for line in reader:
            where = f"{path}:{reader.line_num}"
            if None in line or None in line.values():
                raise UsageError(f"{where}: the number of fields is not that of the columns")
            yield where, {key: value.strip() for key, value in line.items()}
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: no valid CSV: {detail(error)}") from error


def _figure(where: str, line: Mapping[str, str]) -> Figure:
    for name in ("codec", "data", "why", "citation"):
        if not line[name]:
            raise UsageError(f"{where}: '{name}' is empty; say it, or that it is not known")
    if not line["url"].startswith("https://"):
        raise UsageError(
            f"{where}: url is '{line['url']}'; give the https:// address of the source"
        )
    if line["definition"] not in DEFINITIONS:
        raise UsageError(
            f"{where}: definition is '{line['definition']}'; use one of {', '.join(DEFINITIONS)}"
        )
    if line["read"] not in READINGS:
        raise UsageError(f"{where}: read is '{line['read']}'; use one of {', '.join(READINGS)}")
    known = (*plugins.metric_names(), *MODEL_FACTS, LISTENERS)
    if line["metric"] not in known:
        raise UsageError(f"{where}: " + plugins.unknown_name(line["metric"], known, "metric", ""))
    if not line["value"]:
        raise UsageError(f"{where}: 'value' is empty; give the number as it was printed")
    for number in line["value"].split():
        _number(where, "value", number)
    return Figure(line["metric"], line["value"], line["definition"], line["why"])


def _published_row(
    where: str, line: Mapping[str, str], figures: Mapping[str, Figure]
) -> PublishedRow:
    known = plugins.codec_names()
    if line["card"] and line["card"] not in known:
        raise UsageError(f"{where}: " + plugins.unknown_name(line["card"], known, "codec", ""))
    sample_rate = _rate(where, "sample_rate", line["sample_rate"])
    return PublishedRow(
        codec=line["codec"],
        card=line["card"],
        sample_rate=0 if math.isnan(sample_rate) else round(sample_rate),
        nominal_bps=_rate(where, "nominal_bps", line["nominal_bps"]),
        exact_bps=_rate(where, "exact_bps", line["exact_bps"]),
        data=line["data"],
        read=line["read"],
        source=(line["citation"], line["url"]),
        figures=figures,
    )


def _rate(where: str, name: str, text: str) -> float:
    """NaN where the field is empty."""
    number = _number(where, name, text) if text else math.nan
    if number <= 0:
        raise UsageError(f"{where}: {name} is {text}; give a number above 0, or nothing")
    return number


def _number(where: str, name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{where}: {name} is '{text}', which is no number")
    return number
