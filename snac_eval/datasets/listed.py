"""``manifest:FILE``: clips listed in a CSV or JSON-lines file.

Columns: ``path`` (relative to the manifest), and optionally ``id``, ``speaker``, ``domain``,
``transcript``, ``start`` and ``duration`` (seconds, for an excerpt).
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from snac_eval.audio import make_clip
from snac_eval.errors import DatasetError, UsageError
from snac_eval.types import DOMAINS, Clip, Dataset, DatasetCard, DatasetRequest, Domain
from snac_eval.writing import require_file

COLUMNS = ("path", "id", "speaker", "domain", "transcript", "start", "duration")


def load(request: DatasetRequest) -> Dataset:
    """Clips in the order of the file. Raises DatasetError naming file and line."""
    if not request.argument:
        raise UsageError("dataset 'manifest' needs a file: --dataset manifest:FILE.csv")
    file = Path(os.path.expanduser(request.argument))
    clips = read_manifest(file, request.card.domain)
    return Dataset(f"manifest:{file.stem}", request.card, clips)


def state(card: DatasetCard) -> str:
    """What ``snac-eval list`` shows of it."""
    return f"needs local file ({card.name}:FILE)"


def read_manifest(file: Path, default_domain: Domain = "general") -> tuple[Clip, ...]:
    """Clips of a manifest, in its order. Raises DatasetError naming file and line."""
    lines: dict[str, int] = {}
    clips = []
    for line, row in _rows(file):
        where = f"{file}:{line}"
        _check(row, where)
        clip = _clip(row, file.parent, default_domain, where)
        if clip.id in lines:
            raise DatasetError(
                f"{where}: id '{clip.id}' is that of line {lines[clip.id]} too; make ids unique"
            )
        lines[clip.id] = line
        clips.append(clip)
    if not clips:
        raise DatasetError(f"{file}: lists no clips; give one row per clip")
    return tuple(clips)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    is_json = file.suffix.lower() in (".jsonl", ".ndjson", ".json")
    try:
        require_file(file)
        with file.open(encoding="utf-8-sig", newline="") as stream:
            yield from _json_rows(stream, file) if is_json else _csv_rows(stream, file)
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: is no CSV or JSON-lines file: {error}") from error


def _csv_rows(stream: TextIO, file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(stream, strict=True)
    header = list(reader.fieldnames or ())
    if len(set(header)) < len(header):
        raise DatasetError(f"{file}:1: names a column twice: {', '.join(header)}; keep one")
    for row in reader:
        if None in row:  # where DictReader puts what is beyond the header
            raise DatasetError(
                f"{file}:{reader.line_num}: has more cells than the header; quote cells with commas"
            )
        yield reader.line_num, {key: value for key, value in row.items() if value}


def _json_rows(stream: TextIO, file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(stream, start=1):
        if text.strip():
            yield line, _json_row(text, f"{file}:{line}")


def _json_row(text: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise DatasetError(f"{where}: must be a JSON object, not {text.strip()[:40]}")
    return {key: value for key, value in row.items() if value is not None}


def _check(row: dict[str, Any], where: str) -> None:
    unknown = [key for key in row if key not in COLUMNS]
    if unknown:
        raise DatasetError(f"{where}: unknown column '{unknown[0]}'; known: {', '.join(COLUMNS)}")
    path = row.get("path")
    if not isinstance(path, str) or not Path(path).name:
        raise DatasetError(f"{where}: 'path' is missing; every row needs the path of a file")
    for key in ("id", "speaker", "transcript"):
        if not isinstance(row.get(key, ""), str | int):
            raise DatasetError(f"{where}: {key} is {row[key]!r}; give text")
    domain = row.get("domain", "general")
    if domain not in DOMAINS:
        raise DatasetError(f"{where}: domain is {domain!r}; use one of {', '.join(DOMAINS)}")


def _clip(row: dict[str, Any], root: Path, default_domain: Domain, where: str) -> Clip:
    start_s = _seconds(row, "start", where) or 0.0
    clip = make_clip(
        root / row["path"],
        root,
        speaker=str(row.get("speaker", "")),
        transcript=str(row.get("transcript", "")),
        domain=row.get("domain", default_domain),
        start_s=start_s,
        length_s=_seconds(row, "duration", where),
    )
    if "id" in row:
        return replace(clip, id=str(row["id"]))
    whole = start_s == 0 and clip.length_s is None
    return clip if whole else replace(clip, id=f"{clip.id}@{start_s:g}")


def _seconds(row: dict[str, Any], key: str, where: str) -> float | None:
    if key not in row:
        return None
    try:
        seconds = math.nan if isinstance(row[key], bool) else float(row[key])
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    lowest = 0.0 if key == "start" else 1e-9
    if not (math.isfinite(seconds) and seconds >= lowest):
        raise DatasetError(f"{where}: {key} is {row[key]!r}; give seconds, e.g. 2.5")
    return seconds
