"""What a push sends, made in a folder: scrubbed runs, a card, and what is said of the models."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from snac_eval.errors import UsageError
from snac_eval.publishing.card import card
from snac_eval.publishing.model_results import (
    Benchmark,
    benchmark_file,
    by_model,
    eval_results,
    model_card,
)
from snac_eval.publishing.receipt import CARD, MODELS, SentFile, files_in, write_receipt
from snac_eval.results.record import Run, read_run
from snac_eval.results.study import StudyRun, write_study
from snac_eval.run.sealed import SCORES_FILE
from snac_eval.writing import write_text

_RUNS = "runs"
_ODD = re.compile(r"[^A-Za-z0-9_.@=+-]+")
_LONGEST = 80


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

        return f"{constants.ENDPOINT}/datasets/{self.repository}"


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


def pack(
    runs: Sequence[Run], request: Request, folder: Path, export: Callable[[Path, Path], object]
) -> Parcel:
    """Make the parcel in an empty folder. ``export`` scrubs the run of one folder into another.

    Raises UsageError for a run that is not finished, and where a benchmark does not fit.
    """
    for run in runs:
        if run.unfinished:
            raise UsageError(f"{run.folder}: {run.unfinished}; run it to its end, then push it")
    places = [folder] if len(runs) == 1 else _places(runs, folder)
    for run, place in zip(runs, places, strict=True):
        assert run.folder is not None
        export(run.folder, place)
    sent = tuple(read_run(place) for place in places)
    if len(sent) > 1:
        names = [place.relative_to(folder).as_posix() for place in places]
        write_study(folder, map(_study_run, sent, names))
    scores = SCORES_FILE if len(sent) == 1 else f"{_RUNS}/*/{SCORES_FILE}"
    write_text(folder / CARD, card(sent, request.repository, request.licence, scores))
    _write_models(sent, request, folder)
    write_receipt(folder)
    return Parcel(folder, sent, request)


def _study_run(run: Run, folder: str) -> StudyRun:
    return StudyRun(run.codec, run.dataset, folder)


def _places(runs: Sequence[Run], folder: Path) -> list[Path]:
    """A folder for each run, of a name that every disk and the hub can hold."""
    taken: dict[str, None] = {}
    for run in runs:
        plain = _plain(f"{run.codec}-{run.dataset}")
        names = (plain, *(f"{plain}-{number}" for number in range(2, len(runs) + 1)))
        taken[next(name for name in names if name.lower() not in map(str.lower, taken))] = None
    return [folder / _RUNS / name for name in taken]


def _plain(text: str) -> str:
    return _ODD.sub("-", text).strip("-.")[:_LONGEST].strip("-.") or "run"


def _write_models(runs: Sequence[Run], request: Request, folder: Path) -> None:
    if request.benchmarks and len(runs) != 1:
        raise UsageError(f"--benchmark is of one run, and these are {len(runs)}; push it alone")
    for model, own in by_model(runs).items():
        place = folder / MODELS / _plain(model.replace("/", "--"))
        if results := eval_results(own, request.address):
            write_text(place / CARD, model_card(model.rpartition("/")[2], results))
        for one in request.benchmarks:
            write_text(place / one.file, benchmark_file(own[0], one, request.address))
