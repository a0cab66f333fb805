"""A finished run becomes a submission: a folder that is a run itself, without audio and store.

``manifest.json`` is the run's as others may have it (:mod:`snac_eval.submissions.public`),
``scores.csv`` holds every score (:mod:`snac_eval.results.sheet`), ``summary.csv`` the means. The
same run gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snac_eval.errors import UsageError
from snac_eval.results.record import Run
from snac_eval.results.sheet import FILE_NAME as SHEET_FILE
from snac_eval.results.sheet import sheet_lines
from snac_eval.run.naming import folder_name
from snac_eval.run.sealed import FILE_NAME as MANIFEST_FILE
from snac_eval.run.sealed import NUMBERS, read_manifest, sealed_text
from snac_eval.submissions.public import public_manifest, public_text
from snac_eval.submissions.schema import SUBMISSION
from snac_eval.submissions.summary import FILE_NAME as SUMMARY_FILE
from snac_eval.submissions.summary import summary_text
from snac_eval.writing import write_text

FILES = (MANIFEST_FILE, SHEET_FILE, SUMMARY_FILE)
MAX_FAILED = 0.1
"""Of a submission's clips, the share that may have failed."""
_OF_DATASET = ("limit", "excerpt_s", "balance", "sample_seed", "domain")
_OF_CODEC = ("label", "seed", "weights", "reference_rate", "channels")
_USUAL = {"reference_rate": "clip", "channels": "downmix"}


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission before it is written."""

    place: Path
    """Where it lies below the folder of all results: ``DATASET/CODEC``."""
    files: Mapping[str, str]
    """By name their content."""


def submission_of(run: Run) -> Submission:
    """The submission of this run. Raises UsageError, with the reason, for a run that is none."""
    if reason := unfit(run):
        raise UsageError(f"{run.folder or run.name}: {reason}")
    manifest = public_manifest(run.manifest)
    rows = run.compact.astype({name: "str" for name in run.compact if name not in NUMBERS})
    rows["reason"] = [public_text(reason) for reason in rows["reason"]]
    lines = sheet_lines(rows, manifest)
    for clip, facts in manifest["clips"].items():
        facts["line"] = line_digest(lines.get(clip, ""))
    sheet = "".join(lines.values())
    manifest["files"] = {SHEET_FILE: hashlib.sha256(sheet.encode()).hexdigest()}
    texts = (sealed_text(manifest), sheet, summary_text(run))
    return Submission(place_of(manifest), dict(zip(FILES, texts, strict=True)))


def line_digest(line: str) -> str:
    """What a manifest says of a clip's line in ``scores.csv``, so that a changed one is named."""
    return hashlib.sha256(line.encode()).hexdigest()[:16]


def unfit(run: Run) -> str:
    """Why this run can be no submission; empty where it can."""
    kind = run.manifest.get("kind")
    if kind != "run":
        said = "a baseline" if kind is None else f"a {kind}"
        return f"is {said}; export takes what snac-eval run wrote"
    if run.unfinished:
        return f"{run.unfinished}; run it to its end, and merge its shards"
    failed = num_failed(run)
    if not run.num_scored:
        return "has no scores"
    if failed > MAX_FAILED * len(run.clips):
        return (
            f"{failed} of {len(run.clips)} clips failed, more than {MAX_FAILED:.0%}; a mean over"
            " the others says little of the codec"
        )
    return ""


def num_failed(run: Run) -> int:
    """How many clips some metric, or the codec, failed on."""
    return int(run.compact.loc[run.compact["status"] == "error", "clip_id"].nunique())


def place_of(manifest: Mapping[str, Any]) -> Path:
    """Where the submission of this manifest lies below the folder of all results.

    Options that change its numbers are part of the names, so that no two runs share one.
    """
    config = manifest["config"]
    dataset = [manifest["dataset"]["name"], *_said(config, _OF_DATASET)]
    codec = [manifest["label"], *_said(config, _OF_CODEC)]
    return Path(folder_name(dataset)) / folder_name(codec)


def _said(config: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        value = config.get(key)
        if value and value != _USUAL.get(key):
            yield f"{key.removesuffix('_s')}-{f'{value:g}' if isinstance(value, float) else value}"


def standing(one: Submission, output: Path) -> str:
    """``exported`` of what is new below ``output``, ``replaced`` where another run of the same
    codec and data lies there, ``unchanged``."""
    folder = output / one.place
    if not folder.is_dir() or not any(folder.iterdir()):
        return "exported"
    there = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    same = all(there.get(name) == text.encode() for name, text in one.files.items())
    return "unchanged" if same else "replaced"


def write_submission(one: Submission, output: Path) -> Path:
    """Write the files below ``output`` and return their folder. An earlier submission of the same
    run is replaced. Raises UsageError where something else lies there, OutputError."""
    folder = output / one.place
    if folder.exists() and any(folder.iterdir()) and SUBMISSION not in read_manifest(folder):
        raise UsageError(f"{folder}: holds something that is no submission; choose another -o")
    for name, text in one.files.items():
        write_text(folder / name, text)
    return folder
