"""Whether submissions hold: what :mod:`snac_eval.submissions.exporting` wrote is what is there.

A submission is read by the one reader of runs, exported again and compared byte for byte; whatever
is said twice must be said alike. Clips must be those that others have under the same names
(:mod:`snac_eval.submissions.together`). What nobody can see without the audio is whether the scores
are those of the codec: docs/submitting.md says so.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snac_eval.errors import SnacEvalError, UsageError, one_line
from snac_eval.results.record import Run, read_run
from snac_eval.results.sheet import FILE_NAME as SHEET_FILE
from snac_eval.run.sealed import FILE_NAME as MANIFEST_FILE
from snac_eval.run.sealed import unsealed
from snac_eval.submissions.exporting import FILES, Submission, line_digest, submission_of, unfit
from snac_eval.submissions.known import Known, read_known
from snac_eval.submissions.numbers import (
    clip_problems,
    metric_problems,
    stream_problems,
    summary_problems,
)
from snac_eval.submissions.schema import misfits
from snac_eval.submissions.summary import FILE_NAME as SUMMARY_FILE
from snac_eval.submissions.texts import claim_problems, text_problems
from snac_eval.submissions.together import contradictions

LARGEST = 32 * 1024 * 1024
"""Bytes of a file."""
_CARDS, _README = "cards", "README.md"
_MOST = 20
"""Problems of one submission that are told."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A submission, and why it does not hold; empty where it does."""

    folder: Path
    problems: tuple[str, ...]


def check_submissions(places: Sequence[Path], known: Path | None = None) -> list[Checked]:
    """Check every submission in and below these folders.

    ``known`` is a folder of results that hold: clips of datasets that it has must be those that it
    has. Without, those of each dataset must agree with one another, and with what is bundled.
    Raises UsageError where there is no submission.
    """
    folders = list(dict.fromkeys(one for place in places for one in _found(place)))
    if not folders:
        raise UsageError(f"{places[0]}: holds no submission ({MANIFEST_FILE}); name its folder")
    metrics = read_known()
    runs: dict[Path, Run] = {}
    problems = {folder: list(_problems(folder, metrics, runs)) for folder in folders}
    accepted = [read_run(one) for one in _found(known)] if known is not None else []
    for folder, problem in contradictions(runs, accepted):
        problems[folder].append(problem)
    strays = [Checked(place, _few(found)) for place in places if (found := _strays(place, folders))]
    return [*strays, *(Checked(folder, _few(found)) for folder, found in problems.items())]


def _found(place: Path) -> list[Path]:
    """Folders that hold a manifest, this one or those below it."""
    if not place.is_dir():
        raise UsageError(f"{place}: no such folder; name one of submissions")
    return sorted(Path(folder) for folder, _, names in os.walk(place) if set(names) & {*FILES})


def _strays(place: Path, folders: Sequence[Path]) -> list[str]:
    """What lies between submissions and is none; cards and a README may."""
    found = []
    for folder, names, files in os.walk(place):
        here = Path(folder)
        links = [name for name in names if (here / name).is_symlink()]
        found += [f"{here / name}: is a link; a submission is a folder" for name in links]
        if here in folders:
            found += [f"{here / name}: is a folder within a submission" for name in names]
        elif here.relative_to(place).parts[:1] != (_CARDS,):
            found += [
                f"{here / name}: is no part of a submission" for name in files if name != _README
            ]
    return found


def _few(problems: list[str]) -> tuple[str, ...]:
    more = len(problems) - _MOST
    return (*problems[:_MOST], *([f"and {more} more"] if more > 0 else ()))


def _problems(folder: Path, known: Known, runs: dict[Path, Run]) -> Iterator[str]:
    """What is wrong with one submission by itself; its run goes into ``runs`` if it can be read."""
    files = list(_file_problems(folder))
    if files:
        yield from files
        return
    texts = {name: (folder / name).read_bytes() for name in FILES}
    try:
        manifest = unsealed(Path(MANIFEST_FILE), texts[MANIFEST_FILE])
    except SnacEvalError as error:
        yield one_line(error).partition("; remove it")[0]
        return
    if shape := list(misfits(manifest)):
        yield from (f"{MANIFEST_FILE}: {one}" for one in shape)
        return
    yield from (f"{MANIFEST_FILE}: {one}" for one in text_problems(manifest))
    yield from (f"{MANIFEST_FILE}: {one}" for one in claim_problems(manifest))
    lines = list(_changed_lines(texts[SHEET_FILE].decode("utf-8", "replace"), manifest))
    yield from lines
    try:
        run = read_run(folder)
        if reason := unfit(run):
            yield reason
        written = submission_of(run) if not reason else None
    except (SnacEvalError, UnicodeError) as error:
        if not lines:
            yield one_line(error).removeprefix(f"{folder}/")
        return
    runs[folder] = run
    yield from metric_problems(run, known)
    yield from clip_problems(run)
    yield from stream_problems(run)
    if written is not None:
        yield from _unlike_export(folder, written, texts, manifest)


def _file_problems(folder: Path) -> Iterator[str]:
    """Files that are too many, too few, too large, or no files."""
    if folder.is_symlink():
        yield "is a link; a submission is a folder"
        return
    there = {entry.name: entry for entry in os.scandir(folder)}
    for name in sorted(set(there) - set(FILES)):
        yield f"holds '{name}'; a submission has {', '.join(FILES)} and nothing else"
    for name in FILES:
        if name not in there:
            yield f"has no {name}"
            continue
        facts = there[name].stat(follow_symlinks=False)
        if not stat.S_ISREG(facts.st_mode):
            yield f"{name}: is a link, a folder or a device, and no file"
        elif facts.st_size > LARGEST:
            yield f"{name}: has {facts.st_size} bytes; a file has up to {LARGEST}"


def _changed_lines(sheet: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Clips whose line in scores.csv is not the one that the manifest says."""
    said = {facts["line"]: clip for clip, facts in manifest["clips"].items()}
    lines = sheet.splitlines(keepends=True)[1:]
    there = {line_digest(line): line for line in lines}
    for digest, clip in said.items():
        if digest not in there:
            yield f"{SHEET_FILE}: the line of clip '{clip}' was changed or removed"
    for digest, line in there.items():
        if digest not in said and line.partition(",")[0] not in manifest["clips"]:
            yield f"{SHEET_FILE}: the line '{line[:60].rstrip()}...' is of no clip of the run"


def _unlike_export(
    folder: Path, written: Submission, texts: Mapping[str, bytes], manifest: Mapping[str, Any]
) -> Iterator[str]:
    """Where exporting the run again does not give what is there."""
    ours = {name: text.encode() for name, text in written.files.items()}
    yield from summary_problems(
        texts[SUMMARY_FILE].decode("utf-8", "replace"), written.files[SUMMARY_FILE]
    )
    if ours[SHEET_FILE] != texts[SHEET_FILE]:
        yield f"{SHEET_FILE}: is not written as export writes it"
    if ours[MANIFEST_FILE] != texts[MANIFEST_FILE]:
        again = unsealed(Path(MANIFEST_FILE), ours[MANIFEST_FILE])
        changed = [key for key in again if key != "sha256" and again[key] != manifest.get(key)]
        what = f"{', '.join(changed)} is" if changed else "is"
        yield f"{MANIFEST_FILE}: {what} not as export writes it; export the run again"
    if folder.resolve().parts[-2:] != written.place.parts:
        yield f"lies in the wrong folder; this run is {written.place}"
