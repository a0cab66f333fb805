"""Those who follow runs: opened by name before a run, told of its record after it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from snac_eval.registry.trackers import open_tracker
from snac_eval.reports.html.page import page_path
from snac_eval.results.record import Run
from snac_eval.results.stats import mean_interval, mean_of
from snac_eval.run.config import RunConfig
from snac_eval.run.followers import tell
from snac_eval.run.log import RunLog
from snac_eval.types import DOMAINS, Callback, Mean, RunDone, RunFacts

_FILES = ("summary.csv", "summary.md", "streams.csv", "scores.parquet")


def followed(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The configurations with the trackers that they name as callbacks, each opened once.

    Raises UsageError for a name that is none, a missing extra, and a tracker that cannot begin:
    before anything runs.
    """
    names = dict.fromkeys(name for config in configs for name in config.track)
    opened = {name: open_tracker(name) for name in names}
    return [
        replace(one, callbacks=(*one.callbacks, *(opened[name] for name in one.track)))
        for one in configs
    ]


def tell_of_run(record: Run, folder: Path, callbacks: Sequence[Callback]) -> tuple[str, ...]:
    """Tell that a run has ended, or was interrupted; what is to be said of those that raised."""
    if not callbacks:
        return ()
    done, log = run_done(record, folder), RunLog(folder)
    said = [tell(one, lambda: one.on_run(done), log) for one in callbacks]  # noqa: B023 - called now
    notes = tuple(f"{raised} at the end of the run" for raised in said if raised)
    return (*notes, *log.notes) if notes else ()


def run_done(record: Run, folder: Path) -> RunDone:
    """What a run's record says to those who follow it."""
    facts = RunFacts(record.run_id, record.codec, record.dataset, folder, record.manifest)
    ended: Literal["finished", "interrupted"] = (
        "finished" if record.manifest["state"] == "finished" else "interrupted"
    )
    files = [folder / name for name in _FILES]
    if ended == "finished":  # A page is not brought up to date before.
        files.append(page_path([folder]))
    there = tuple(path for path in files if path.is_file())
    return RunDone(facts, ended, tuple(_means(record)), there, record)


def _means(record: Run) -> Iterator[Mean]:
    there = {clip.domain for clip in record.clips.values()}
    for domain in ("", *(one for one in DOMAINS if one in there and len(there) > 1)):
        of = {clip for clip, facts in record.clips.items() if domain in ("", facts.domain)}
        for name, one in record.metrics.items():
            if one.whole is None:
                yield from _mean_over(of, record, name, domain)
            elif not domain:
                value = math.nan if one.whole.value is None else one.whole.value
                yield Mean(name, "", value, math.nan, math.nan, *one.counts)


def _mean_over(clips: Collection[str], record: Run, name: str, domain: str) -> Iterator[Mean]:
    """The mean over these clips, unless the metric looks at none of them."""
    one = record.metrics[name]
    values = {clip: value for clip, value in one.values.items() if clip in clips}
    missing = [score.status for clip, score in one.missing.items() if clip in clips]
    counts = (len(values), missing.count("undefined"), missing.count("error"))
    numbers, weights = list(values.values()), one.weights_of(values)
    if values:
        speakers = [record.speaker(clip) for clip in values]
        found = mean_interval(numbers, speakers, one.info.value_range, weights)
        yield Mean(name, domain, mean_of(numbers, weights), found.low, found.high, *counts)
    elif missing or not domain:
        yield Mean(name, domain, math.nan, math.nan, math.nan, *counts)
