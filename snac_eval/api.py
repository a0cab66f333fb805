"""The public Python functions."""

from __future__ import annotations

import importlib
import signal
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from snac_eval.codecs.opening import open_model
from snac_eval.datasets.opening import open_dataset
from snac_eval.errors import Interrupted, TooManyFailures, UsageError
from snac_eval.machine import resolve_device
from snac_eval.metrics.base import PairMetric
from snac_eval.metrics.opening import require_metric
from snac_eval.reading.names import user_path
from snac_eval.registry.cards import check_card_dirs
from snac_eval.reports.html.page import page_path, shows, write_page
from snac_eval.reports.summary import has_tables, write_tables
from snac_eval.results.frames import streams_frame, summary_frame
from snac_eval.results.record import Run, read_run
from snac_eval.run import interrupts
from snac_eval.run.config import RunConfig
from snac_eval.run.log import LOG_FILE
from snac_eval.run.loop import RunOutcome, run
from snac_eval.run.merge import MergeConfig, MergeOutcome, merge
from snac_eval.types import Codec, Dataset, ReconstructionSource


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What :func:`evaluate` returns.

    ``scores``: one row per clip and metric; ``summary``: one row per metric; ``streams``: one row
    per code stream. ``run_dir`` is where the files are, or None where none were kept.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    streams: pd.DataFrame
    run_dir: Path | None


@dataclass(frozen=True, slots=True)
class Executed:
    """What :func:`execute` returns: how the run ended, and its record."""

    outcome: RunOutcome
    record: Run


def evaluate(
    model: str,
    dataset: str,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
    output: str | Path | None = None,
    **options: Any,  # noqa: ANN401 - the fields of RunConfig
) -> Evaluation:
    """Run a codec over a dataset and score it.

    Args:
        model: a codec's name, as ``snac-eval list codecs`` shows it, or what else
            :mod:`snac_eval.codecs.opening` describes.
        dataset: a dataset's name, with its argument if it takes one: ``librispeech:test-clean``.
        metrics: names, as ``snac-eval list metrics`` shows them; None: the set that fits each
            clip's domain.
        limit: how many clips, spread over the dataset; None: all.
        output: folder of the run, continued if it exists; None: nothing is kept.
        options: any other field of :class:`snac_eval.run.plan.RunConfig`, e.g. ``seed=1``.

    Raises:
        SnacEvalError: with one line that says what was wrong and what to do.

    Codec and metrics run in processes of their own, which do not run the caller's script again: it
    needs no ``if __name__ == "__main__":``, and may be a notebook, a worker of a pool or a thread.
    A codec that only the caller's ``__main__`` has (``__main__:MyCodec``) runs in this process, as
    everything does with ``workers=0`` or where no process can be started; clips have no time limit
    then. Ctrl-C raises KeyboardInterrupt; what was scored is kept where ``output`` is given.
    """
    for name in ("data_root", "card_dirs"):
        if name in options:
            value = options[name]
            options[name] = (
                user_path(value) if name == "data_root" else tuple(map(user_path, value))
            )
    options.setdefault("html", output is not None)
    check_card_dirs(options.get("card_dirs", ()), "card_dirs")
    kept = None if output is None else user_path(output)
    with _folder(kept) as run_dir:
        config = RunConfig(
            model=model,
            dataset=dataset,
            output=Path(run_dir),
            metrics=tuple(metrics or ()),
            limit=limit or 0,
            **options,
        )
        record = execute(config).record
    return Evaluation(record.rows, summary_frame(record), streams_frame(record), kept)


def execute(config: RunConfig, argv: Sequence[str] = ()) -> Executed:
    """Run, read the run, write its tables and its page: what ``snac-eval run`` does.

    A page that shows this very run already stays as it is, and nothing is decoded for it. Raises
    SnacEvalError for what the user must mend, TooManyFailures when more than ``max_error_rate`` of
    the clips failed, Interrupted (a KeyboardInterrupt) where a signal ended the run: every file is
    written then all the same, but for the page.
    """
    outcome = run(config, argv, meanwhile=_load_report_libraries)
    record = read_run(outcome.folder)
    if not (outcome.is_unchanged and has_tables(outcome.folder)):
        write_tables(record, outcome.folder)
    if not outcome.finished:
        raise Interrupted(interrupts.received() or signal.SIGINT)
    if config.html:
        page = page_path([outcome.folder])
        if not shows(page, record, config.report_clips):
            write_page([record], page, config.report_clips, outcome.plan)
    _refuse_failures(record, config.max_error_rate, outcome.folder / LOG_FILE)
    return Executed(outcome, record)


def execute_merge(config: MergeConfig, argv: Sequence[str] = ()) -> tuple[MergeOutcome, Run]:
    """Merge shards, read the run, write its tables and its page: what ``snac-eval merge`` does.

    Raises SnacEvalError for what the user must mend, TooManyFailures as :func:`execute`.
    """
    outcome = merge(config, argv)
    record = read_run(outcome.folder)
    if not (outcome.is_unchanged and has_tables(outcome.folder)):
        write_tables(record, outcome.folder)
    page = page_path([outcome.folder])
    if config.html and not shows(page, record, config.report_clips):
        write_page([record], page, config.report_clips)
    _refuse_failures(record, outcome.max_error_rate, outcome.folder / LOG_FILE)
    return outcome, record


def _load_report_libraries() -> None:
    """Seconds of importing, done while the last clips are scored rather than after them."""
    importlib.import_module("scipy.special")


def _refuse_failures(record: Run, max_error_rate: float, log: Path) -> None:
    errors = record.compact[record.compact["status"] == "error"]
    failed, total = errors["clip_id"].nunique(), record.num_scored
    if failed > max_error_rate * total:
        raise TooManyFailures(
            f"{failed} of {total} clips failed, more than --max-error-rate"
            f" {max_error_rate:g} allows; the first: {errors['reason'].iloc[0]}"
            + (f"; tracebacks: {log}" if log.is_file() else "")
        )


def load_codec(
    name: str, weights: str = "", device: str = "auto", card_dirs: Sequence[Path] = ()
) -> Codec | ReconstructionSource:
    """A codec, ready to ``encode`` and ``decode`` waveforms at its card's sample rate.

    ``files:DIR`` gives a source instead, which can only ``read``.
    """
    check_card_dirs(card_dirs, "card_dirs")
    opened = open_model(name, card_dirs, weights=weights, device=resolve_device(device))
    opened.prepare()
    return opened.adapter


def load_dataset(
    name: str, data_root: str | Path | None = None, limit: int | None = None
) -> Dataset:
    """The clips of a dataset, not yet read: ``audio.read_clip`` reads one."""
    root = Path(data_root) if data_root is not None else None
    return open_dataset(name, root, limit=limit or 0)


def load_metric(name: str) -> PairMetric:
    """A metric of two waveforms: ``load_metric("stoi").score_pair(reference, estimate, 16000)``.

    Raises UsageError where it needs an extra that is not installed, and for a metric that needs
    more than two waveforms: codes, a transcript, all clips together.
    """
    metric = require_metric(name)
    if metric.pair is None:
        raise UsageError(
            f"metric '{name}' needs more than two waveforms ({metric.info.description}); use"
            f" snac_eval.evaluate(model, dataset, metrics=['{name}'])"
        )
    return metric.pair


def _folder(output: str | Path | None) -> AbstractContextManager[str | Path]:
    if output is None:
        return tempfile.TemporaryDirectory(prefix="snac-eval-")
    return nullcontext(output)
