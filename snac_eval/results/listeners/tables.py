"""Tables as spreadsheets save them: the rows of a CSV file, with the lines they stand on."""

from __future__ import annotations

import codecs
import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from snac_eval.errors import RatingsError, detail, readable
from snac_eval.writing import read_text, require_file

_SEPARATORS = (",", ";", "\t", "|")
_FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows."""

    path: Path
    header: tuple[str, ...]
    """As the file has it, without spaces around."""
    rows: tuple[tuple[int, Mapping[str, str]], ...]
    """Line number, from 1, and cells by column."""

    def refuse(self, line: int, problem: str) -> NoReturn:
        """Raise RatingsError for this line."""
        raise RatingsError(f"{self.path}:{line}: {problem}")

    def column(self, *names: str) -> str:
        """The header's spelling of the first of these columns that it has; empty for none."""
        known = {name.lower(): name for name in reversed(self.header)}
        return next((known[name.lower()] for name in names if name.lower() in known), "")


def file_text(path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 with its mark, or what Excel writes in western Europe.

    Raises RatingsError where it cannot be read, or is empty.
    """
    try:
        require_file(path)
        start = path.read_bytes()[:2]
        text = read_text(
            path, "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        )
    except UnicodeDecodeError:
        text = path.read_bytes().decode("cp1252", errors="replace")
    except OSError as error:
        raise RatingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not text.strip():
        raise RatingsError(f"{path}: is empty; give a file of ratings")
    return text


def read_table(path: Path, text: str) -> Table:
    """The table in the text of this file: its separator is what parts its first line best.

    Empty rows do not count. Raises RatingsError for what is no table.
    """
    lines = text.split("\n")
    first = next(index for index, line in enumerate(lines) if line.strip())
    if lines[first].strip().lower().startswith("sep="):  # Excel's own hint
        lines[first], first = "", first + 1
    separator = max(_SEPARATORS, key=lambda one: len(_cells(path, lines[first : first + 1], one)))
    rows = list(_numbered(path, lines, separator))
    if not rows:
        raise RatingsError(f"{path}: has no header; name its columns in its first line")
    header = tuple(name.strip() for name in rows[0][1])
    if twice := next((name for name in header if name and header.count(name) > 1), ""):
        raise RatingsError(f"{path}: has two columns named '{twice}'; rename one")
    return Table(path, header, tuple(_named(path, header, rows[1:])))


def _cells(path: Path, lines: Iterable[str], separator: str) -> list[str]:
    return next(iter(_numbered(path, lines, separator)), (0, []))[1]


def _numbered(path: Path, lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the number of the line on which it begins."""
    reader = csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=separator)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise RatingsError(f"{path}:{line}: is no row of a table ({detail(error)})") from error


def _named(
    path: Path, header: tuple[str, ...], rows: Iterable[tuple[int, list[str]]]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    for line, row in rows:
        if any(cell.strip() for cell in row[len(header) :]):
            raise RatingsError(
                f"{path}:{line}: has {len(row)} cells under {len(header)} columns; put quotes"
                " around text that holds the separator"
            )
        cells = [*map(_plain, row), *[""] * (len(header) - len(row))]
        yield line, dict(zip(header, cells, strict=False))


def _plain(cell: str) -> str:
    """Without spaces around, and without the apostrophe that keeps spreadsheets from running it."""
    stripped = cell.strip()
    return stripped[1:] if stripped.startswith(_FORMULA) else stripped


def number(table: Table, line: int, text: str) -> float:
    """A rating, with a decimal point or comma. Raises RatingsError for what is none."""
    plain = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    try:
        value = float(plain) if "_" not in plain else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        said = f"the rating '{readable(text[:40])}' is no number" if text else "has no rating"
        table.refuse(line, said)
    return value
