"""The files of a run's folder, read as a whole and checked: a manifest and its rows.

A manifest that says a run has ended names the digest of ``scores.parquet``; rows come from that
file where it matches, and else from ``store.sqlite``, which holds them as well. The rows of a run
that goes on, or that was killed, are those that its store has so far. A submission has
``scores.csv`` (:mod:`snac_eval.results.sheet`) instead, and no store. Nothing is written.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pandas.api.types import is_numeric_dtype
from pyarrow.parquet import read_table

from snac_eval.errors import SnacEvalError, StoreError, detail
from snac_eval.results.shapes import manifest_misfit
from snac_eval.results.sheet import FILE_NAME as SHEET_FILE
from snac_eval.results.sheet import sheet_rows
from snac_eval.run.manifest import stored_tables
from snac_eval.run.sealed import FILE_NAME as MANIFEST_FILE
from snac_eval.run.sealed import NUMBERS, SCORE_COLUMNS, SCORES_FILE, unsealed
from snac_eval.run.store import FILE_NAME as STORE_FILE
from snac_eval.run.store import Store
from snac_eval.writing import require_file

# A run that ends while its folder is read moves other files into place between two looks.
_LOOKS = 3
_WEIGHT = "weight"
"""Runs of earlier versions lack this column: every clip counts alike in them."""


def read_files(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """The manifest and a row for each clip and metric, columns ``SCORE_COLUMNS``, texts as
    categories.

    Raises StoreError where a file is missing or broken and another cannot stand in for it.
    """
    if not os.path.lexists(folder / MANIFEST_FILE):
        raise StoreError(f"{folder}: holds no run (no {MANIFEST_FILE}); give a folder of one")
    content = _content(folder / MANIFEST_FILE)
    for _ in range(_LOOKS):
        manifest = unsealed(folder / MANIFEST_FILE, content)
        # What has a seal that holds is what was written here.
        if "sha256" not in manifest and (misfit := manifest_misfit(manifest)):
            raise StoreError(f"{folder / MANIFEST_FILE}: {misfit}; write the run again")
        if manifest.get("state") == "running" and (folder / STORE_FILE).is_file():
            return manifest, _stored_rows(folder, manifest)
        try:
            return manifest, _vouched_rows(folder, manifest)
        except StoreError as error:
            problem = error
        again = _content(folder / MANIFEST_FILE)
        if again == content:
            break
        content = again
    return manifest, _rows_instead(folder, manifest, problem)


def _content(path: Path) -> bytes:
    try:
        require_file(path)
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


def _vouched_rows(folder: Path, manifest: Mapping[str, Any]) -> pd.DataFrame:
    files = manifest.get("files", {})
    path = folder / (SHEET_FILE if SHEET_FILE in files else SCORES_FILE)
    if not path.is_file():
        raise StoreError(f"{path}: no such file; give a folder that run or bench wrote")
    content = _content(path)
    said = files.get(path.name)
    if said is not None and said != hashlib.sha256(content).hexdigest():
        raise StoreError(
            f"{path}: damaged, it is not what {MANIFEST_FILE} says; run the same command again"
        )
    frame = _parsed(path, content, manifest)
    if _WEIGHT not in frame.columns:
        frame[_WEIGHT] = 1.0
    if lacking := [name for name in SCORE_COLUMNS if name not in frame.columns]:
        raise StoreError(f"{path}: has no column '{lacking[0]}'; write the run again")
    for name in SCORE_COLUMNS:
        kind = frame[name].dtype
        kind = kind.categories.dtype if isinstance(kind, pd.CategoricalDtype) else kind
        if is_numeric_dtype(kind) != (name in NUMBERS):
            said = "numbers" if name in NUMBERS else "text"
            raise StoreError(f"{path}: column '{name}' should hold {said}; write the run again")
    if frame.duplicated(["clip_id", "metric"]).any():
        raise StoreError(f"{path}: scores a clip twice by one metric; write the run again")
    return frame


def _parsed(path: Path, content: bytes, manifest: Mapping[str, Any]) -> pd.DataFrame:
    if path.name == SHEET_FILE:
        try:
            return sheet_rows(content.decode(), manifest)
        except KeyError as error:
            raise StoreError(f"{path}: {MANIFEST_FILE} says nothing of {error}") from error
        except ValueError as error:
            raise StoreError(f"{path}: {detail(error)}") from error
    try:
        return _frame(read_table(io.BytesIO(content), read_dictionary=list(SCORE_COLUMNS)))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: not a readable Parquet file ({detail(error)})") from error


def _rows_instead(folder: Path, manifest: Mapping[str, Any], problem: StoreError) -> pd.DataFrame:
    """The rows that ``scores.parquet`` should hold, from the store. Raises ``problem`` where it
    lacks any."""
    if "num_rows" not in manifest or not (folder / STORE_FILE).is_file():
        raise problem
    try:
        frame = _stored_rows(folder, manifest)
    except SnacEvalError as error:
        raise problem from error
    if len(frame) != manifest["num_rows"]:
        raise problem
    return frame


def _stored_rows(folder: Path, manifest: Mapping[str, Any]) -> pd.DataFrame:
    with Store.open_run(folder) as store:
        parts = [
            pa.table([_encoded(one) for one in table.columns], table.column_names)
            for table in stored_tables(manifest, store)
        ]
    return _frame(pa.concat_tables(parts))


def _encoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.dictionary_encode() if pa.types.is_string(column.type) else column


def _frame(table: pa.Table) -> pd.DataFrame:
    """Texts as categories: a tenth of the memory, for each stands there thousands of times."""
    # What pandas wrote of its own types would make plain texts of them.
    plain = table.replace_schema_metadata(None).unify_dictionaries()
    frame: pd.DataFrame = plain.to_pandas()
    del table, plain
    # Arrow keeps what it no longer needs, and that is more than what the frame takes.
    pa.default_memory_pool().release_unused()
    texts = [name for name in SCORE_COLUMNS if name in frame.columns and name not in NUMBERS]
    return frame.astype(dict.fromkeys(texts, "category"))
