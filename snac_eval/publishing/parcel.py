"""What a push sends, made in a folder: runs as submissions, a card, and what is said of the models.

README.md                     the dataset's card
snac-eval.json                every other file, with its size and digest
scores.parquet                all scores, for the hub's viewer
runs/DATASET/CODEC/           a submission for each run (snac_eval.submissions)
study.json                    of several runs: where they are
models/MODEL/README.md        model-index, to be put into the card of the model
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from snac_eval.errors import UsageError, redacted
from snac_eval.publishing.card import card
from snac_eval.publishing.model_results import (
    Benchmark,
    benchmark_file,
    by_model,
    eval_results,
    model_card,
)
from snac_eval.publishing.receipt import CARD, MODELS, RUNS, SentFile, files_in, write_receipt
from snac_eval.results.record import Run, read_run
from snac_eval.results.study import StudyRun, write_study
from snac_eval.run.sealed import as_table, write_scores
from snac_eval.submissions.exporting import submission_of, write_submission
from snac_eval.writing import write_text

_ODD = re.compile(r"[^A-Za-z0-9_.@=+-]+")
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,40}")


@dataclass(frozen=True, slots=True)
class Request:
    """Where it is to go, and what is to be said."""

    repository: str
    licence: str = ""
    """As the hub calls it; empty: none is named."""
    benchmarks: tuple[Benchmark, ...] = ()

    @property
    def address(self) -> str:
        """The page of the repository."""
        from huggingface_hub import constants

        return f"{redacted(constants.ENDPOINT)}/datasets/{self.repository}"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A folder with all that is sent."""

    folder: Path
    runs: tuple[Run, ...]
    """As they are sent."""
    request: Request

    @property
    def files(self) -> list[SentFile]:
        """Every file in it."""
        return files_in(self.folder)

    @property
    def card(self) -> str:
        """The text of the dataset's card."""
        return (self.folder / CARD).read_text(encoding="utf-8")


def pack(runs: Sequence[Run], request: Request, folder: Path) -> Parcel:
    """Make the parcel in an empty folder.

    Raises UsageError for a run that others may not have (one that is not finished, say), for two
    runs of one thing, and where a benchmark does not fit.
    """
    places = _write_runs(runs, folder / RUNS)
    sent = tuple(map(read_run, places))
    # What a viewer shows is what was scrubbed.
    write_scores(folder, (as_table(run.rows) for run in sent))
    if len(sent) > 1:
        write_study(folder, (_study_run(run, folder) for run in sent))
    write_text(folder / CARD, card(sent, request.repository, request.licence))
    _write_models(sent, request, folder)
    write_receipt(folder)
    return Parcel(folder, sent, request)


def _write_runs(runs: Sequence[Run], folder: Path) -> list[Path]:
    written: dict[Path, Run] = {}
    for run in runs:
        one = submission_of(run)
        if (other := written.get(one.place)) is not None:
            raise UsageError(
                f"{run.folder}: is of the codec, the dataset and the options of {other.folder};"
                " push one of them"
            )
        write_submission(one, folder)
        written[one.place] = run
    return [folder / place for place in written]


def _study_run(run: Run, folder: Path) -> StudyRun:
    assert run.folder is not None
    return StudyRun(run.codec, run.dataset, run.folder.relative_to(folder).as_posix())


def model_place(model: str) -> str:
    """The folder of what is said of this model, below that of all models."""
    return _ODD.sub("-", model.replace("/", "--")).strip("-.") or "model"


def _write_models(runs: Sequence[Run], request: Request, folder: Path) -> None:
    if request.benchmarks and len(runs) != 1:
        raise UsageError(f"--benchmark is of one run, and these are {len(runs)}; push it alone")
    for model, own in by_model(runs).items():
        place = folder / MODELS / model_place(model)
        if results := eval_results(own, request.address):
            write_text(place / CARD, model_card(model.rpartition("/")[2], results))
        for one in request.benchmarks:
            write_text(place / one.file, benchmark_file(own[0], one, request.address))


def checked_licence(name: str) -> str:
    """The hub's name of a licence, such as ``cc-by-4.0``. Raises UsageError for what is none."""
    if name and not _LICENCE.fullmatch(name):
        raise UsageError(f"--license {name[:200]}: give the hub's name of it, such as cc-by-4.0")
    return name
