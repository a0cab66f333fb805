"""Copies of a committed submission, changed by somebody who wants it to say something else."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snac_eval.run.sealed import write_manifest
from snac_eval.submissions.checking import check_submissions
from snac_eval.submissions.exporting import line_digest

RESULTS = Path("reports/results")
OPUS = RESULTS / "demo/opus_6kbps"
SNAC = RESULTS / "demo/snac_16khz_mini"


def copied(tmp_path: Path, source: Path = OPUS) -> Path:
    """A copy of a committed submission, below the same two folders."""
    folder = tmp_path / source.parent.name / source.name
    shutil.copytree(source, folder)
    return folder


def reseal(folder: Path, edit: Callable[[dict[str, Any]], object] = lambda manifest: None) -> None:
    """Change the manifest and make every digest in it right again, as a forger would."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del manifest["sha256"]
    sheet = (folder / "scores.csv").read_bytes()
    lines = dict(zip(manifest["clips"], sheet.decode().splitlines(keepends=True)[1:], strict=False))
    for clip, facts in manifest["clips"].items():
        facts["line"] = line_digest(lines.get(clip, ""))
    manifest["files"] = {"scores.csv": hashlib.sha256(sheet).hexdigest()}
    edit(manifest)
    write_manifest(folder, manifest)


def replace_in(path: Path, old: str, new: str) -> None:
    """Change one text in a file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def problems(folder: Path, known: Path | None = None) -> str:
    """What the check says of everything below a folder, a line each."""
    return "\n".join(one for found in check_submissions([folder], known) for one in found.problems)
