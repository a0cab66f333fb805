"""What ``snac-eval run`` does with its configurations, and what it prints of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.cli.streams import print_styled, screen

if TYPE_CHECKING:
    from snac_eval.run.config import RunConfig
    from snac_eval.run.forecast import Forecast

_FAILED = 1


def run_one(config: RunConfig, argv: Sequence[str]) -> None:
    """Run one codec over one dataset, and print its summary."""
    from snac_eval.evaluation.executing import execute
    from snac_eval.reports.compact import summary_terminal
    from snac_eval.results.left_out import refuse_undefined

    with _continued_later(config.output):
        done = execute(config, argv)
    if config.show_progress:
        shown = screen()
        print_styled(summary_terminal(done.record, shown.width, shown.colour))
        if done.record.unfinished:
            print(f"note: {done.record.unfinished}; snac-eval merge joins the parts")
        for note in done.outcome.notes:
            print(f"note: {note}")
        print(f"{done.outcome.num_computed} clips computed now; files in {done.outcome.folder}/")
    refuse_undefined(done.record)


def run_study(
    configs: Sequence[RunConfig], folder: Path, argv: Sequence[str], is_quiet: bool
) -> int:
    """Run every pair, print one table; the exit code."""
    from snac_eval.evaluation.executing import execute_study
    from snac_eval.reports.compact import compact_terminal
    from snac_eval.reports.summary import left_out_of_study
    from snac_eval.results.left_out import refuse_undefined
    from snac_eval.writing import printable

    with _continued_later(folder):
        done = execute_study(configs, folder, argv)
    if done.records and not is_quiet:
        shown = screen()
        print_styled(compact_terminal(done.records, shown.width, shown.colour))
        print("\n".join(map(printable, left_out_of_study(done.records))))
        for note in done.notes:
            print(f"note: {printable(note)}")
        print(f"{done.num_computed} clips computed now; files in {folder}/")
    for pair, reason in done.problems.items():
        print(f"snac-eval: {pair} failed: {reason}", file=sys.stderr)
    if not done.problems:
        refuse_undefined(*done.records)
    return _FAILED if done.problems else 0


def look(config: RunConfig, argv: Sequence[str]) -> None:
    """Look at the clips of a run, and say what was found."""
    from snac_eval.run.looking import look

    plan = look(config, argv)
    seconds = sum(clip.duration_s for clip in plan.clips)
    print(
        f"{len(plan.clips)} clips, {seconds / 3600:.2f} hours, looked at; kept in {config.output}/"
    )
    for note in plan.notes:
        print(f"note: {note}")


def foretell(configs: Sequence[RunConfig]) -> None:
    """Print what would run, what is done, and how long the rest may take."""
    from tabulate import tabulate

    from snac_eval.progress import track
    from snac_eval.run.forecast import forecast
    from snac_eval.run.study import plan_study

    pairs = plan_study(configs)
    is_shown = any(config.show_progress for config in configs)
    found = list(track(map(forecast, pairs), "looking ahead", "run", is_shown, len(pairs)))
    rows = [_forecast_row(one) for one in found]
    print(tabulate(rows, ["codec", "dataset", "clips", "done", "audio left", "time", "from"]))
    known = [one.seconds for one in found if not math.isnan(one.seconds)]
    left = sum(one.num_left for one in found)
    more = "" if len(known) == len(found) else f"; of {len(found) - len(known)} runs not known"
    print(f"\n{len(found)} runs, {left} clips left, about {_spoken(sum(known))}{more}")


def _forecast_row(one: Forecast) -> list[object]:
    config = one.pair.config
    done = one.num_clips - one.num_left
    where = [config.model, config.dataset]
    return [*where, one.num_clips, done, _spoken(one.audio_s), _spoken(one.seconds), one.source]


def _spoken(seconds: float) -> str:
    if math.isnan(seconds):
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def _continued_later(folder: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print(
            f"\nsnac-eval: interrupted; what was scored is in {folder},"
            " and the same command continues",
            file=sys.stderr,
        )
        raise
