"""``manifest:FILE``: clips listed in a CSV or JSON-lines file.

Columns: ``path`` (relative to the manifest), and optionally ``id``, ``speaker``, ``domain``,
``transcript``, ``start`` and ``duration`` (seconds, for an excerpt).
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from snac_eval.audio import make_clip
from snac_eval.errors import DatasetError, UsageError
from snac_eval.types import DOMAINS, Clip, Dataset, DatasetRequest, Domain

COLUMNS = ("path", "id", "speaker", "domain", "transcript", "start", "duration")


def load(request: DatasetRequest) -> Dataset:
    """Clips in the order of the file. Raises DatasetError naming file and line."""
    if not request.argument:
        raise UsageError("dataset 'manifest' needs a file: --dataset manifest:FILE.csv")
    file = Path(request.argument).expanduser()
    clips = read_manifest(file, request.card.domain)
    return Dataset(f"manifest:{file.stem}", request.card, clips)


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
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            if file.suffix.lower() in (".jsonl", ".ndjson", ".json"):
                for line, text in enumerate(stream, start=1):
                    if text.strip():
                        yield line, _json_row(text, f"{file}:{line}")
                return
            reader = csv.DictReader(stream, strict=True)
            for row in reader:
                yield reader.line_num, {k: v for k, v in row.items() if v != ""}
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: is no CSV or JSON-lines file: {error}") from error


def _json_row(text: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{where}: is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise DatasetError(f"{where}: must be a JSON object, not {text.strip()[:40]}")
    return {key: value for key, value in row.items() if value is not None}


def _check(row: dict[str, Any], where: str) -> None:
    unknown = [key for key in row if key not in COLUMNS]
    if unknown:
        raise DatasetError(f"{where}: unknown column '{unknown[0]}'; known: {', '.join(COLUMNS)}")
    if not isinstance(row.get("path"), str):
        raise DatasetError(f"{where}: 'path' is missing; every row needs the path of a file")
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
        seconds = float(row[key])
    except (TypeError, ValueError):
        seconds = math.nan
    lowest = 0.0 if key == "start" else 1e-9
    if not (math.isfinite(seconds) and seconds >= lowest):
        raise DatasetError(f"{where}: {key} is {row[key]!r}; give seconds, e.g. 2.5")
    return seconds
