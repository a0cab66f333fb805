"""Runs, studies and merges as the command line does them: run, read the record, write its files."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from snac_eval.errors import Interrupted, SnacEvalError, TooManyFailures, one_line, redacted
from snac_eval.evaluation.telling import followed, tell_of_run
from snac_eval.registry.trackers import open_tracker
from snac_eval.reports.html.page import FILE_NAME as PAGE_NAME
from snac_eval.reports.html.page import page_path, shows, write_page
from snac_eval.reports.summary import has_tables, write_tables
from snac_eval.results.frames import summary_frame
from snac_eval.results.record import Run, read_run
from snac_eval.results.study import StudyRun, write_study
from snac_eval.run import interrupts
from snac_eval.run.config import RunConfig
from snac_eval.run.folder import only_writer
from snac_eval.run.log import LOG_FILE
from snac_eval.run.loop import RunOutcome, run
from snac_eval.run.merge import MergeConfig, MergeOutcome, merge
from snac_eval.run.plan import Plan
from snac_eval.run.study import Pair, plan_study, run_study
from snac_eval.writing import write_csv


@dataclass(frozen=True, slots=True)
class Executed:
    """What :func:`execute` returns: how the run ended, and its record."""

    outcome: RunOutcome
    record: Run


@dataclass(frozen=True, slots=True)
class StudyDone:
    """What :func:`execute_study` returns."""

    folder: Path
    records: tuple[Run, ...]
    """Of the runs that have ended, in the study's order."""
    problems: Mapping[str, str]
    """Pairs that failed, ``MODEL on DATASET``, and why."""
    num_computed: int
    callback_notes: tuple[str, ...] = ()
    """What those who follow the runs have raised."""
    objects: Mapping[Path, Plan] = field(default_factory=dict)
    """By a run's folder its plan, of codecs that were handed over as objects."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know and could not guess, once each, with the runs of
        which it holds where that is not all."""
        said: dict[str, list[str]] = {}
        for one in self.records:
            for note in _said(one):
                said.setdefault(note, []).append(f"{one.codec} on {one.dataset}")
        every = len(self.records)
        notes = (
            note if len(runs) == every else f"{', '.join(runs)}: {note}"
            for note, runs in said.items()
        )
        return (*notes, *self.callback_notes)


def execute(config: RunConfig, argv: Sequence[str] = ()) -> Executed:
    """Run, read the run, write its tables and its page: what ``snac-eval run`` does.

    A page that shows this very run already stays as it is, and nothing is decoded for it. Raises
    SnacEvalError for what the user must mend, TooManyFailures when more than ``max_error_rate`` of
    the clips failed, Interrupted (a KeyboardInterrupt) where a signal ended the run: every file is
    written then all the same, but for the page. Whoever follows the run hears of its end in each
    of these cases.
    """
    (config,) = followed([config])
    outcome = run(config, argv, meanwhile=_load_report_libraries)
    record = _recorded(outcome)
    if not outcome.finished:
        tell_of_run(record, outcome.folder, config.callbacks)
        raise Interrupted(interrupts.received() or signal.SIGINT)
    page = page_path([outcome.folder])
    is_changed = not outcome.is_unchanged
    _bring_page_up_to_date(
        page, [record], config.report_clips, config.html, is_changed, outcome.plan
    )
    said = tell_of_run(record, outcome.folder, config.callbacks)
    outcome = replace(outcome, callback_notes=(*outcome.callback_notes, *said))
    _refuse_failures(record, config.max_error_rate, outcome.folder)
    return Executed(outcome, record)


def execute_study(
    configs: Sequence[RunConfig], folder: Path, argv: Sequence[str] = ()
) -> StudyDone:
    """Run every pair, write its tables, and one page of all: what ``snac-eval run`` does with
    several codecs or datasets.

    ``folder`` is the study's: it gets ``study.json``, ``summary.csv`` and the page. Raises
    SnacEvalError for names that are none, before anything runs; Interrupted where a signal ended a
    run. A pair that fails does not stop the others.
    """
    pairs = plan_study(followed(configs))
    with only_writer(folder):
        ledger = _Ledger(folder, pairs)
        finished = run_study(pairs, argv, ledger.ended)
        done = ledger.done()
        if not finished:
            raise Interrupted(interrupts.received() or signal.SIGINT)
        if done.records:
            write_csv(folder / "summary.csv", pd.concat(map(summary_frame, done.records)))
            num_clips = max(config.report_clips for config in configs)
            is_wanted = any(config.html for config in configs)
            _bring_page_up_to_date(
                folder / PAGE_NAME,
                done.records,
                num_clips,
                is_wanted,
                ledger.is_changed,
                ledger.opened(done.records),
            )
    return done


class _Ledger:
    """How the pairs of a study ended, kept in its folder as they end."""

    def __init__(self, folder: Path, pairs: Sequence[Pair]) -> None:
        self._folder, self._pairs = folder, pairs
        self._records: dict[Path, Run] = {}
        self._problems: dict[Path, str] = {}
        self._num_computed = 0
        self._objects: dict[Path, Plan] = {}
        self._callback_notes: list[str] = []
        self.is_changed = False
        """Whether any run had something to do."""

    def ended(self, pair: Pair, outcome: RunOutcome | SnacEvalError) -> None:
        """Take note, and write the tables of a run that came to its end."""
        place = pair.config.output
        try:
            if isinstance(outcome, SnacEvalError):
                raise outcome
            self._num_computed += outcome.num_computed
            self.is_changed |= not outcome.is_unchanged
            record = _recorded(outcome)
            if not outcome.finished:
                tell_of_run(record, place, pair.config.callbacks)
            else:
                self._records[place] = record
                if pair.config.instance is not None:
                    self._objects[place] = outcome.plan
                page = page_path([place])
                _bring_page_up_to_date(page, [record], 0, False, not outcome.is_unchanged)
                said = tell_of_run(record, place, pair.config.callbacks)
                who = f"{pair.config.model} on {pair.config.dataset}"
                notes = (*outcome.callback_notes, *said)
                self._callback_notes += [f"{who}: {note}" for note in notes]
                _refuse_failures(record, pair.config.max_error_rate, place)
        except SnacEvalError as error:
            self._problems[place] = one_line(error)
        write_study(self._folder, list(self._listed()))

    def done(self) -> StudyDone:
        """What came of all."""
        problems = {
            f"{pair.config.model} on {pair.config.dataset}": self._problems[pair.config.output]
            for pair in self._pairs
            if pair.config.output in self._problems
        }
        records = tuple(self._in_order())
        said = tuple(self._callback_notes)
        num = self._num_computed
        return StudyDone(self._folder, records, problems, num, said, self._objects)

    def opened(self, records: Sequence[Run]) -> list[Plan | None]:
        """The plans of codecs that were handed over as objects, which nothing else could open
        again; None for the other records."""
        return [self._objects.get(run.folder) if run.folder else None for run in records]

    def _in_order(self) -> Iterator[Run]:
        for pair in self._pairs:
            if pair.config.output in self._records:
                yield self._records[pair.config.output]

    def _listed(self) -> Iterator[StudyRun]:
        for pair in self._pairs:
            place = pair.config.output
            there = os.path.relpath(place, self._folder)
            problem = "" if place in self._records else self._problems.get(place, "not run yet")
            yield StudyRun(pair.config.model, redacted(pair.config.dataset), there, problem)


def _recorded(outcome: RunOutcome | MergeOutcome) -> Run:
    """The record of a run, whose tables are written where they are not those of it already."""
    record = read_run(outcome.folder)
    if not (outcome.is_unchanged and has_tables(outcome.folder)):
        write_tables(record, outcome.folder)
    return record


def _bring_page_up_to_date(
    page: Path,
    records: Sequence[Run],
    num_clips: int,
    is_wanted: bool,
    is_changed: bool,
    material: Plan | Sequence[Plan | None] | None = None,
) -> None:
    """Write the page unless it shows these very runs. One that is not wanted goes where a run has
    changed: it would be taken for one of these scores."""
    if is_wanted and not shows(page, records, num_clips):
        write_page(records, page, num_clips, material)
    elif is_changed and not is_wanted:
        page.unlink(missing_ok=True)


def execute_merge(
    config: MergeConfig, argv: Sequence[str] = (), track: Sequence[str] = ()
) -> tuple[MergeOutcome, Run, tuple[str, ...]]:
    """Merge shards, read the run, write its tables and its page, log it to the trackers ``track``:
    what ``snac-eval merge`` does. The last of what it gives is what trackers have raised.

    Raises SnacEvalError for what the user must mend, TooManyFailures as :func:`execute`.
    """
    trackers = [open_tracker(name) for name in dict.fromkeys(track)]
    outcome = merge(config, argv)
    record = _recorded(outcome)
    page = page_path([outcome.folder])
    is_changed = not outcome.is_unchanged
    _bring_page_up_to_date(page, [record], config.report_clips, config.html, is_changed)
    said = tell_of_run(record, outcome.folder, trackers)
    _refuse_failures(record, outcome.max_error_rate, outcome.folder)
    return outcome, record, said


def _load_report_libraries() -> None:
    """Seconds of importing, done while the last clips are scored rather than after them."""
    importlib.import_module("scipy.special")


def _said(record: Run) -> Iterator[str]:
    yield from record.manifest["notes"]
    log = None if record.folder is None else record.folder / LOG_FILE
    if log is not None and log.is_file() and (record.compact["status"] == "error").any():
        yield f"tracebacks of what failed are in {log}"


def _refuse_failures(record: Run, max_error_rate: float, folder: Path) -> None:
    errors = record.compact[record.compact["status"] == "error"]
    failed, total = errors["clip_id"].nunique(), record.num_scored
    log = folder / LOG_FILE
    if failed > max_error_rate * total:
        raise TooManyFailures(
            f"{failed} of {total} clips failed, more than --max-error-rate"
            f" {max_error_rate:g} allows; the first: {errors['reason'].iloc[0]}"
            + (f"; tracebacks: {log}" if log.is_file() else "")
        )
