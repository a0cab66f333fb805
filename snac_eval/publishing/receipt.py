"""``snac-eval.json`` in a repository: which files were pushed, with their sizes and digests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from snac_eval.errors import HubError, readable
from snac_eval.results.study import FILE_NAME as STUDY_FILE
from snac_eval.run.sealed import SCORES_FILE, file_digest
from snac_eval.submissions.exporting import FILES
from snac_eval.writing import write_json

FILE_NAME = "snac-eval.json"
CARD = "README.md"
MODELS = "models"
"""Folder of what is said of models; no part of the runs."""
RUNS = "runs"
"""Folder of the runs."""
_FORMAT = 1
_MOST_FILES = 10_000
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@=+,-]{0,119}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file, by its path in the repository."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a push left."""

    snac_eval: str
    files: tuple[SentFile, ...]

    @property
    def run_files(self) -> tuple[SentFile, ...]:
        """Those that make the runs: all but what is said of models."""
        return tuple(one for one in self.files if not one.path.startswith(f"{MODELS}/"))


def files_in(folder: Path) -> list[SentFile]:
    """Every file below a folder, by name."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        SentFile(path.relative_to(folder).as_posix(), path.stat().st_size, file_digest(path))
        for path in paths
    ]


def write_receipt(folder: Path) -> None:
    """Write the list of the files that are in this folder, but the card."""
    listed = [asdict(one) for one in files_in(folder) if one.path not in (CARD, FILE_NAME)]
    content = {"format": _FORMAT, "snac_eval": version("snac-eval"), "files": listed}
    write_json(folder / FILE_NAME, content)


def read_receipt(content: bytes, where: str) -> Receipt:
    """The list in a file of somebody else. Raises HubError where it is none, or names files that no
    push writes."""
    try:
        found = json.loads(content)
        if found["format"] != _FORMAT:
            raise HubError(
                f"{where}: pushed in another format ({readable(found['format'])}, not {_FORMAT});"
                " upgrade snac-eval"
            )
        files = tuple(_file(one) for one in found["files"])
        receipt = Receipt(str(found["snac_eval"]), files)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HubError(f"{where}: not the list that snac-eval push writes") from error
    _check(receipt.run_files, where)
    return receipt


def _file(facts: Mapping[str, Any]) -> SentFile:
    path, size, digest = facts["path"], facts["size"], facts["sha256"]
    if not (isinstance(path, str) and isinstance(size, int) and _DIGEST.fullmatch(digest)):
        raise ValueError("no facts of a file")
    return SentFile(path, size, digest)


def _check(files: Iterable[SentFile], where: str) -> None:
    seen: set[str] = set()
    for one in files:
        if not is_plain(one.path):
            raise HubError(f"{where}: names a file that no push writes: {readable(one.path)[:200]}")
        # Disks that do not tell capitals apart would write one over the other.
        if one.path.lower() in seen or one.size < 0:
            raise HubError(f"{where}: names a file twice, or with no size: {one.path}")
        seen.add(one.path.lower())
    if not 0 < len(seen) <= _MOST_FILES:
        raise HubError(f"{where}: names {len(seen)} files of runs; a push has 1 to {_MOST_FILES}")


def is_plain(path: str) -> bool:
    """Whether this is the path of a file that a push writes, with a name that does no harm."""
    parts = path.split("/")
    if not all(_PART.fullmatch(part) and not part.endswith(".") for part in parts):
        return False
    if parts[0] == RUNS:
        return len(parts) == 4 and parts[-1] in FILES
    return path in (STUDY_FILE, SCORES_FILE)
