"""``manifest:FILE``: clips listed in a CSV or JSON-lines file, here or at an address.

Columns: ``path`` (relative to the manifest, or an address), and optionally ``id``, ``speaker``,
``domain``, ``transcript``, ``start`` and ``duration`` (seconds, for an excerpt). Ids are the paths
below the manifest's folder, or, where a file lies elsewhere, below the folder that all files share.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from snac_eval.audio import make_clip
from snac_eval.errors import DatasetError, UsageError, readable
from snac_eval.locations import Location, Url, common_folder, is_url
from snac_eval.reading.names import location, on_disk, shown_path, user_path
from snac_eval.reading.remote import text_of
from snac_eval.types import DOMAINS, Clip, Dataset, DatasetCard, DatasetRequest, Domain

COLUMNS = ("path", "id", "speaker", "domain", "transcript", "start", "duration")


def load(request: DatasetRequest) -> Dataset:
    """Clips in the order of the file. Raises DatasetError naming file and line."""
    if not request.argument:
        raise UsageError("dataset 'manifest' needs a file: --dataset manifest:FILE.csv")
    file = location(request.argument)
    clips = read_manifest(file, request.card.domain)
    bare = file.without_suffix() if isinstance(file, Url) else file.with_suffix("")
    return Dataset(f"manifest:{shown_path(bare)}", request.card, clips)


def state(card: DatasetCard) -> str:
    """What ``snac-eval list`` shows of it."""
    return f"needs a file ({card.name}:FILE)"


def read_manifest(file: Location, default_domain: Domain = "general") -> tuple[Clip, ...]:
    """Clips of a manifest, in its order. Raises DatasetError naming file and line."""
    rows = [(f"{readable(file)}:{line}", row) for line, row in _rows(file)]
    for where, row in rows:
        _check(row, where)
    paths = [_path(row["path"], file.parent, where) for where, row in rows]
    root = _root(paths, file.parent)
    known: dict[str, str] = {}
    clips = []
    for (where, row), path in zip(rows, paths, strict=True):
        clip = _clip(row, path, root, default_domain, where)
        if clip.id in known:
            line = known[clip.id].rpartition(":")[2]
            raise DatasetError(
                f"{where}: id '{clip.id}' is that of line {line} too; make ids unique"
            )
        known[clip.id] = where
        clips.append(clip)
    if not clips:
        raise DatasetError(f"{readable(file)}: lists no clips; give one row per clip")
    return tuple(clips)


def _path(text: str, folder: Location, where: str) -> Location:
    """The file that a row names: an address, or the file as the disk has it."""
    if is_url(text):
        return location(text)
    if isinstance(folder, Url):
        return folder.joined(text)
    path = on_disk(folder / text)
    try:
        path = path if os.path.exists(path) else on_disk(folder / user_path(text))
    except UsageError as error:
        raise DatasetError(f"{where}: path {error}") from error
    slashes = folder / text.replace("\\", "/")
    if "\\" in text and not os.path.exists(path) and os.path.exists(slashes):
        raise DatasetError(f"{where}: path '{readable(text)}' has backslashes; write / for each")
    return Path(os.path.abspath(path))


def _root(paths: Sequence[Location], folder: Location) -> Location:
    """The folder below which ids begin; where some lie here and some elsewhere, there is none."""
    here = [path for path in paths if isinstance(path, Path)]
    urls = [path for path in paths if isinstance(path, Url)]
    if here and urls:
        return folder
    if urls:
        return common_folder(urls, folder)
    own = Path(os.path.abspath(str(folder)))
    if all(path.is_relative_to(own) for path in here):
        return own
    return Path(os.path.commonpath([path.parent for path in here]))


def _rows(file: Location) -> Iterator[tuple[int, dict[str, Any]]]:
    is_json = file.suffix.lower() in (".jsonl", ".ndjson", ".json")
    stream = io.StringIO(_text(file), newline="")
    try:
        yield from _json_rows(stream, file) if is_json else _csv_rows(stream, file)
    except csv.Error as error:
        raise DatasetError(f"{readable(file)}: is no CSV file: {error}") from error


def _content(file: Location) -> bytes:
    if isinstance(file, Url):
        return text_of(file)
    name = readable(file)
    if file.exists() and not file.is_file():
        raise DatasetError(f"{name}: is no file; give a CSV or JSON-lines file")
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(f"{name}: cannot be read: {why}") from error


def _text(file: Location) -> str:
    name, content = readable(file), _content(file)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DatasetError(f"{name}: is UTF-16; save it as UTF-8")
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise DatasetError(f"{name}:{line}: holds a zero byte; is this a text file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{name}:{line}: is no UTF-8 (Latin-1, perhaps); save the list as UTF-8"
        ) from error


def _csv_rows(stream: TextIO, file: Location) -> Iterator[tuple[int, dict[str, Any]]]:
    name = readable(file)
    reader = csv.DictReader(stream, strict=True, skipinitialspace=True)
    header = [cell.strip() for cell in reader.fieldnames or ()]
    reader.fieldnames = header
    if len(set(header)) < len(header):
        raise DatasetError(f"{name}:1: names a column twice: {', '.join(header)}; keep one")
    if header and "path" not in header:
        raise DatasetError(f"{name}:1: {_no_path(header, file)}")
    for row in reader:
        if None in row:  # where DictReader puts what is beyond the header
            raise DatasetError(
                f"{name}:{reader.line_num}: has more cells than the header; quote cells with commas"
            )
        yield reader.line_num, {key: value for key, value in row.items() if value}


def _no_path(header: Sequence[str], file: Location) -> str:
    """What to do about a first line that does not name the column ``path``."""
    first = readable(", ".join(header))[:80]
    if any(sign in header[0] for sign in (";", "\t")):
        return f"is '{first}'; separate the columns by commas"
    if file.suffix.lower() == ".scp" or len(header[0].split(None, 1)) == 2:
        return (
            f"is '{first}', as in Kaldi's lists; write CSV: a line 'id,path', then UTTERANCE,FILE"
        )
    return (
        f"names no column 'path' but '{first}'; the first line names the columns, which are"
        f" {', '.join(COLUMNS)}"
    )


def _json_rows(stream: TextIO, file: Location) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(stream, start=1):
        if text.strip():
            yield line, _json_row(text, f"{readable(file)}:{line}")


def _json_row(text: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise DatasetError(
            f"{where}: must be a JSON object, one a line, not {readable(text.strip()[:40])}"
        )
    return {key: value for key, value in row.items() if value is not None}


def _check(row: dict[str, Any], where: str) -> None:
    unknown = [key for key in row if key not in COLUMNS]
    if unknown:
        name = readable(unknown[0])
        raise DatasetError(f"{where}: unknown column '{name}'; known: {', '.join(COLUMNS)}")
    path = row.get("path")
    if not isinstance(path, str) or not Path(path).name:
        raise DatasetError(f"{where}: 'path' is missing; every row needs the path of a file")
    if "\0" in path:
        raise DatasetError(f"{where}: path '{readable(path)}' holds a zero byte; correct it")
    for key in ("id", "speaker", "transcript"):
        if not isinstance(row.get(key, ""), str | int):
            raise DatasetError(f"{where}: {key} is {row[key]!r}; give text")
    domain = row.get("domain", "general")
    if domain not in DOMAINS:
        raise DatasetError(f"{where}: domain is {domain!r}; use one of {', '.join(DOMAINS)}")


def _clip(
    row: dict[str, Any], path: Location, root: Location, default_domain: Domain, where: str
) -> Clip:
    start_s = _seconds(row, "start", where) or 0.0
    clip = make_clip(
        path,
        root,
        **({"id": str(row["id"])} if "id" in row else {}),
        speaker=str(row.get("speaker", "")),
        transcript=str(row.get("transcript", "")),
        domain=row.get("domain", default_domain),
        start_s=start_s,
        length_s=_seconds(row, "duration", where),
    )
    whole = start_s == 0 and clip.length_s is None
    return clip if whole or "id" in row else replace(clip, id=f"{clip.id}@{start_s:.10g}")


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
