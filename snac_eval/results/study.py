"""A study's folder: which runs belong to it. Whatever takes runs takes a study in their place.

``study.json`` lists the folders of its runs, relative to itself, and the pairs that failed. It
holds no scores: each run is its own record.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from snac_eval.errors import StoreError
from snac_eval.results.record import Run, read_run
from snac_eval.results.shapes import read_json
from snac_eval.run.sealed import FILE_NAME as MANIFEST_FILE
from snac_eval.writing import write_json

FILE_NAME = "study.json"


@dataclass(frozen=True, slots=True)
class StudyRun:
    """A pair of a study."""

    model: str
    dataset: str
    folder: str
    """Of its run, relative to the study's."""
    problem: str = ""
    """Why there is no finished run; empty where there is one."""


def write_study(folder: Path, runs: Iterable[StudyRun]) -> None:
    """Write ``study.json``. Raises OutputError where it cannot be written."""
    listed = [asdict(run) for run in runs]
    write_json(folder / FILE_NAME, {"snac_eval": version("snac-eval"), "runs": listed})


def read_study(folder: Path) -> tuple[StudyRun, ...]:
    """The pairs of the study in this folder. Raises StoreError where its file is broken."""
    path = folder / FILE_NAME
    content = read_json(path)
    try:
        return tuple(_study_run(one) for one in content["runs"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: lists no runs ({error}); run the study again") from error


def run_folders(places: Iterable[Path]) -> Iterator[Path]:
    """The folders of runs behind these, each of which is a run's or a study's.

    A study gives those of its pairs that have a run, and a folder that is neither run nor study
    the runs below it, such as ``reports/results``. Raises StoreError for a broken study.
    """
    for place in places:
        if not (place / FILE_NAME).is_file():
            yield from [place] if (place / MANIFEST_FILE).is_file() else (_below(place) or [place])
            continue
        listed = [run for run in read_study(place) if not run.problem]
        if not listed:
            raise StoreError(f"{place}: no run of this study has ended; run it again")
        yield from (Path(os.path.normpath(place / run.folder)) for run in listed)


def _below(place: Path) -> list[Path]:
    found = (path.parent for path in place.glob(f"*/**/{MANIFEST_FILE}"))
    return sorted(folder for folder in found if folder.resolve().is_relative_to(place.resolve()))


def read_runs(places: Sequence[Path]) -> list[Run]:
    """The runs in these folders, each a run's, a study's or one with runs below, each run once.

    Raises StoreError where one is missing or broken.
    """
    return [read_run(folder) for folder in dict.fromkeys(run_folders(places))]


def _study_run(facts: Any) -> StudyRun:  # noqa: ANN401 - whatever a file holds
    texts = [facts[key] for key in ("model", "dataset", "folder", "problem")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a run's facts are no texts")
    return StudyRun(*texts)
