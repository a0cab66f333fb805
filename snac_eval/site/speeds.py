"""How fast a codec was, and on which machine: alone by a bench, or in passing by a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from snac_eval.bench.table import median_interval
from snac_eval.reports.cells import NONE, Cell, Column, Grid, count
from snac_eval.reports.text import format_value, span
from snac_eval.results.frames import intervals
from snac_eval.results.record import Run

_SIDES = ("encode", "decode")
_NOTES = (
    "Seconds of compute for a second of audio. A bench measures alone on its machine: the median"
    " over its rounds, and below it the 95 % interval of the median.",
    "What a run measures in passing is an upper bound, mean over clips with its 95 % interval: on a"
    " CPU the codec has one thread, and other cores work on other clips meanwhile.",
)


def speed_grid(runs: Sequence[Run], benches: Sequence[Run]) -> Grid | None:
    """What a codec took in these, a row for each run and for each setting of a bench; None where
    nothing was measured."""
    rows = [row for bench in benches for row in _bench_rows(bench)]
    rows += [row for run in runs for row in _run_rows(run)]
    if not rows:
        return None
    columns = [
        *(Column("measured"), Column("on")),
        *(Column(side, "s/s", False) for side in _SIDES),
        *map(Column, ("hardware", "device", "threads", "workers", "batch")),
    ]
    return Grid.of(columns, rows, "What coding took", _NOTES, "speed")


def _bench_rows(bench: Run) -> Iterator[list[Cell]]:
    """A setting is what its rounds have in common: they are a speaker's clips."""
    settings = dict.fromkeys(clip.speaker for clip in bench.clips.values())
    for setting in settings:
        cells = [_median(bench, setting, f"bench_{side}_real_time_factor") for side in _SIDES]
        if any(cell.key is not None for cell in cells):
            said = setting.replace("_", ", ")
            yield [Cell("alone, by bench"), Cell(said), *cells, *_machine(bench), *[NONE] * 3]


def _median(bench: Run, setting: str, metric: str) -> Cell:
    known = bench.metrics[metric].values if metric in bench.metrics else {}
    values = [value for clip, value in known.items() if bench.speaker(clip) == setting]
    if not values:
        return NONE
    median, low, high = median_interval(values)
    return _ranged(median, low, high)


def _run_rows(run: Run) -> Iterator[list[Cell]]:
    cells = [_mean(run, f"{side}_real_time_factor") for side in _SIDES]
    if any(cell.key is not None for cell in cells):
        place = (run.place.get(key) for key in ("cpu_threads", "workers", "batch_size"))
        counts = (count(one) if isinstance(one, int) and one > 0 else NONE for one in place)
        said = Cell("in passing, upper bound")
        yield [said, Cell(run.dataset), *cells, *_machine(run), *counts]


def _mean(run: Run, metric: str) -> Cell:
    if metric not in run.metrics or not run.metrics[metric].values:
        return NONE
    found = intervals(run)[metric]
    return _ranged(run.metrics[metric].mean, found.low, found.high)


def _ranged(middle: float, low: float, high: float) -> Cell:
    within = "" if math.isnan(low) else span(low, high)
    return Cell(format_value(middle), within, key=middle)


def _machine(run: Run) -> Iterator[Cell]:
    place = run.place
    cores = f"{place['cores']} cores" if "cores" in place else ""
    said = (*(place.get(key) for key in ("gpu", "cpu", "machine")), cores)
    yield Cell(", ".join(str(one) for one in said if one))
    yield Cell(str(place.get("device", "")))
