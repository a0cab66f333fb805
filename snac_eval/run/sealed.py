"""A run's two files, written and read whole: ``manifest.json`` and ``scores.parquet``.

Moving the last manifest into place is what ends a run. It names the digest of ``scores.parquet``,
which lies there before it, and closes with the digest of its own text: a reader sees a whole run or
one that has not ended, and no flipped bit goes unseen (:mod:`snac_eval.results.reading`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snac_eval.errors import StoreError, detail
from snac_eval.writing import require_file, write_file

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FILE_NAME = "manifest.json"
SCORES_FILE = "scores.parquet"
SCORE_COLUMNS = (
    "run_id",
    "codec",
    "dataset",
    "clip_id",
    "speaker",
    "domain",
    "metric",
    "value",
    "status",
    "reason",
    "fingerprint",
    "weight",
)
NUMBERS = ("value", "weight")
"""Those of the columns that hold numbers; the others hold text."""
_SEAL = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n}\n\Z')
_LINE_EACH = ("clips", "metrics", "domain_metrics", "streams")
"""Of these, each entry stands on one line."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_MEND = "remove it and run the same command again, which keeps what was scored"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest that an earlier run left here; empty where there is none. Raises StoreError
    where it cannot be read or is damaged."""
    path = folder / FILE_NAME
    try:
        require_file(path)
        return unsealed(path, path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


def unsealed(path: Path, content: bytes) -> dict[str, Any]:
    """The JSON object in the content of this file, its seal checked where it has one.

    Raises StoreError where it is damaged.
    """
    seal = _SEAL.search(content)
    whole = seal is None or seal[1].decode() == _digest(content[: seal.start()])
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not valid JSON ({detail(error)}); {_MEND}") from error
    if not isinstance(manifest, dict):
        raise StoreError(f"{path}: holds no JSON object; {_MEND}")
    if not whole or (seal is None and "sha256" in manifest):
        raise StoreError(f"{path}: damaged, it is not what its checksum says; {_MEND}")
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` with its seal. Raises OutputError."""
    content = sealed_text(manifest).encode()
    write_file(folder / FILE_NAME, lambda path: path.write_bytes(content))


def sealed_text(manifest: Mapping[str, Any]) -> str:
    """The manifest as JSON, with its seal."""
    text = "{\n" + ",\n".join(_entries(manifest))
    return f'{text},\n  "sha256": "{_digest(text.encode())}"\n}}\n'


def write_scores(folder: Path, tables: Iterable[pa.Table]) -> int:
    """Write tables with the columns :data:`SCORE_COLUMNS` as ``scores.parquet``; how many rows
    they have. Raises OutputError."""
    num_rows = 0

    def counted() -> Iterator[pa.Table]:
        nonlocal num_rows
        for table in tables:
            num_rows += len(table)
            yield table

    write_file(folder / SCORES_FILE, lambda path: _write_tables(path, counted()))
    return num_rows


def vouched_files(folder: Path) -> dict[str, str]:
    """Digests of the files without which a manifest says little; it stands under ``files``."""
    return {SCORES_FILE: file_digest(folder / SCORES_FILE)}


def is_committed(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether ``scores.parquet`` is the one that the manifest vouches for."""
    path = folder / SCORES_FILE
    said = manifest.get("files", {}).get(SCORES_FILE)
    return said is not None and path.is_file() and file_digest(path) == said


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_table(frame: pd.DataFrame) -> pa.Table:
    """Rows with the columns :data:`SCORE_COLUMNS`."""
    import pyarrow as pa

    return pa.Table.from_pandas(frame, schema=schema(), preserve_index=False)


def schema() -> pa.Schema:
    """The columns :data:`SCORE_COLUMNS` with their types."""
    import pyarrow as pa

    kinds = [pa.float64() if name in NUMBERS else pa.string() for name in SCORE_COLUMNS]
    return pa.schema(list(zip(SCORE_COLUMNS, kinds, strict=True)))


def _write_tables(path: Path, tables: Iterable[pa.Table]) -> None:
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(path, schema()) as writer:
        for table in tables:
            writer.write_table(table)


def _entries(manifest: Mapping[str, Any]) -> Iterator[str]:
    for key, value in manifest.items():
        if key in _LINE_EACH and isinstance(value, Mapping):
            lines = (f"    {_json(name)}: {_json(facts)}" for name, facts in value.items())
            yield f"  {_json(key)}: {{\n" + ",\n".join(lines) + "\n  }"
        elif key in _LINE_EACH:
            yield (
                f"  {_json(key)}: [\n" + ",\n".join(f"    {_json(one)}" for one in value) + "\n  ]"
            )
        else:
            yield _json({key: value}, indent=2).removeprefix("{\n").removesuffix("\n}")


def _json(value: object, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    # Names of files may hold bytes that are no UTF-8.
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
