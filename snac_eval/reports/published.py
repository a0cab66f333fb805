"""Published figures: ``reports/published.csv``, each with its source and how it was defined.

They are of other data than one's own runs, so they are set beside ours and never ranked. Every
figure says whether its metric is defined as ours: "same", "other" or "unknown".
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
    "citation",
    "url",
)
DEFINITIONS = ("same", "other", "unknown")
MODEL_FACTS = ("bitrate_nominal", "parameters_millions", "token_rate_hz")
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
    source: tuple[str, str]
    """Citation and URL."""
    figures: Mapping[str, Figure]
    """By metric."""


@dataclass(frozen=True, slots=True)
class Published:
    """All rows, in the file's order."""

    rows: tuple[PublishedRow, ...]

    def of(self, metrics: Sequence[str]) -> Published:
        """Those with a figure of one of these metrics, and no other figures."""
        kept = (
            replace(row, figures={m: row.figures[m] for m in metrics if m in row.figures})
            for row in self.rows
        )
        return Published(tuple(row for row in kept if row.figures))

    @property
    def sources(self) -> list[tuple[str, str]]:
        """Citation and URL, in the order of first use."""
        return list(dict.fromkeys(row.source for row in self.rows))

    def label(self, row: PublishedRow) -> str:
        """Codec, nominal bitrate where known, and the source's number, from 1."""
        known = not math.isnan(row.nominal_bps)
        rate = f", {row.nominal_bps / 1000:g} kbps" if known else ""
        return f"{row.codec}{rate} [{self.sources.index(row.source) + 1}]"

    def notes(self) -> Iterator[str]:
        """What the signs mean; then each source with its data and its definitions."""
        yield (
            "Published figures: = our definition, ≠ another, ? not known to be ours;"
            " bitrates are exact where known."
        )
        for number, source in enumerate(self.sources, start=1):
            rows = [row for row in self.rows if row.source == source]
            data = "; ".join(dict.fromkeys(row.data for row in rows))
            parts = [f"[{number}] {source[0]}, {source[1]}; data: {data}"]
            yield "; ".join([*parts, *_definitions(rows)]) + "."


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
        key = tuple(line[name] for name in (*COLUMNS[:6], "citation", "url"))
        found = figures.setdefault(key, {})
        if line["metric"] in found:
            raise UsageError(f"{where}: gives {line['metric']} of {line['codec']} twice")
        found[line["metric"]] = _figure(where, line)
        rows[key] = _published_row(where, line, found)
    return Published(tuple(rows.values()))


def _definitions(rows: Sequence[PublishedRow]) -> Iterator[str]:
    """Metrics and their definition, once per reason."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for name, figure in row.figures.items():
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
    known = (*plugins.metric_names(), *MODEL_FACTS)
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
