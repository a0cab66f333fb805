"""What ``snac-eval bench`` measured, as a frame, a table and a plot.

``bench.csv`` has one row per codec and setting; times are medians over the repeats with the
distribution-free 95 % interval of the median (order statistics, Conover 1999, section 3.2), which
needs six repeats. ``score_rows`` gives the same as tidy rows, one per repeat, for ``compare`` and
``check``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from snac_eval.bench.measure import Measurement, Setting
from snac_eval.registry import plugins
from snac_eval.reports.grid import Cell, Column, Grid, count, number, render
from snac_eval.reports.text import markdown_text, quantity, significant, span
from snac_eval.run.sealed import SCORE_COLUMNS
from snac_eval.types import MetricInfo
from snac_eval.writing import write_csv, write_file, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONFIDENCE = 0.95
SPEED_COLUMNS = [
    "codec",
    "device",
    "threads",
    "batch_size",
    "duration_s",
    "repeats",
    "encode_real_time_factor",
    "encode_real_time_factor_low",
    "encode_real_time_factor_high",
    "decode_real_time_factor",
    "decode_real_time_factor_low",
    "decode_real_time_factor_high",
    "speed_x",
    "peak_memory_mib",
    "loaded_memory_mib",
    "gpu_peak_memory_mib",
    "first_chunk_audio_ms",
    "first_chunk_latency_ms",
    "first_chunk_latency_ms_low",
    "first_chunk_latency_ms_high",
    "parameters",
    "multiply_adds_per_s",
    "status",
    "reason",
]


@dataclass(frozen=True, slots=True)
class Measured:
    """A codec in one setting."""

    codec: str
    """Its name in reports."""
    setting: Setting
    outcome: Measurement

    @property
    def audio_s(self) -> float:
        """Seconds of audio in one round."""
        return self.setting.duration_s * self.setting.batch_size

    @property
    def status(self) -> str:
        """``ok``, ``undefined`` or ``error``, as of a score."""
        if self.outcome.error:
            return "error"
        return "undefined" if self.outcome.undefined else "ok"


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, and the 95 % interval of the median from order statistics; NaN where there is none.

    No distribution is assumed; fewer than six values give no interval.
    """
    if not values:
        return math.nan, math.nan, math.nan
    from scipy.stats import quantile_test

    middle = float(np.median(values))
    interval = quantile_test(values, q=middle, p=0.5).confidence_interval(CONFIDENCE)
    return middle, float(interval.low), float(interval.high)


def speed_table(measured: Sequence[Measured]) -> pd.DataFrame:
    """One row per codec and setting, columns ``SPEED_COLUMNS``."""
    return pd.DataFrame([_speed_row(one) for one in measured], columns=SPEED_COLUMNS)


def _speed_row(one: Measured) -> list[object]:
    setting, outcome = one.setting, one.outcome
    encode = median_interval([seconds / one.audio_s for seconds in outcome.encode_s])
    decode = median_interval([seconds / one.audio_s for seconds in outcome.decode_s])
    first = median_interval([1000 * seconds for seconds in outcome.first_chunk_s])
    where = [one.codec, setting.device, setting.threads, setting.batch_size, setting.duration_s]
    speed = 1 / (encode[0] + decode[0])
    memory = [outcome.peak_memory_mib, outcome.loaded_memory_mib, outcome.gpu_peak_memory_mib]
    size = [outcome.parameters, outcome.multiply_adds_per_s]
    why = [one.status, outcome.error or outcome.undefined]
    latency = [1000 * outcome.first_chunk_audio_s, *first]
    return [*where, len(outcome.encode_s), *encode, *decode, speed, *memory, *latency, *size, *why]


def score_rows(
    measured: Sequence[Measured], run_id: str, dataset: str, machine: Mapping[str, object]
) -> pd.DataFrame:
    """Tidy rows with the columns of a run's ``scores.parquet``.

    ``clip_id`` is setting and repeat, ``speaker`` the setting (repeats of one are no independent
    witnesses), and ``machine`` becomes part of every fingerprint, so that speeds of different
    machines are not compared.
    """
    rows = [
        [run_id, one.codec, dataset, *_which(one, repeat), metric, value, one.status, reason,
         str(metric_info(metric, machine).fingerprint), 1.0]
        for one in measured
        for repeat, metric, value, reason in _values(one)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def metric_info(name: str, machine: Mapping[str, object]) -> MetricInfo:
    """What a metric's numbers mean on this machine, which is part of their fingerprint."""
    info = plugins.metric(name).info
    return replace(info, fingerprint=info.fingerprint.extended(**machine))


def _which(one: Measured, repeat: int) -> list[str]:
    return [f"{one.setting.name}_r{repeat:02d}", one.setting.name, "general"]


def _values(one: Measured) -> list[tuple[int, str, float, str]]:
    """Repeat, metric, value and reason; one row without a value where nothing was measured."""
    outcome = one.outcome
    if one.status != "ok":
        reason = outcome.error or outcome.undefined
        return [(1, f"bench_{step}_real_time_factor", math.nan, reason) for step in _STEPS]
    series = {
        "bench_encode_real_time_factor": [s / one.audio_s for s in outcome.encode_s],
        "bench_decode_real_time_factor": [s / one.audio_s for s in outcome.decode_s],
        "bench_first_chunk_latency": [1000 * s for s in outcome.first_chunk_s],
        "bench_peak_memory": [_peak(outcome)],
    }
    return [
        (repeat, metric, value, "")
        for metric, values in series.items()
        for repeat, value in enumerate(values, start=1)
    ]


_STEPS = ("encode", "decode")


def _peak(outcome: Measurement) -> float:
    on_gpu = outcome.gpu_peak_memory_mib
    return outcome.peak_memory_mib if math.isnan(on_gpu) else on_gpu


def write_speed_tables(folder: Path, measured: Sequence[Measured]) -> None:
    """Write ``bench.csv``, ``bench.md``, ``bench.svg`` and ``bench.png``. Raises OutputError."""
    table = speed_table(measured)
    write_csv(folder / "bench.csv", table)
    write_text(folder / "bench.md", speed_markdown(table))
    figure = plot(table)
    for suffix in ("svg", "png"):
        write_file(
            folder / f"bench.{suffix}",
            lambda path, suffix=suffix: figure.savefig(path, format=suffix, dpi=150),  # type: ignore[misc]
        )


def speed_markdown(table: pd.DataFrame) -> str:
    """Speeds per setting, then what does not depend on it, then why rows are missing."""
    rows = table.to_dict("records")
    ok = [row for row in rows if row["status"] == "ok"]
    parts = [
        "Real-time factor: seconds of computing per second of audio, median (95 % interval), alone"
        " on the machine, warmed up. Both: the time of the audio over the sum of the two medians.",
        _markdown(_SPEED_COLUMNS, map(_speed_cells, ok)),
    ]
    if facts := [row for row in ok if not math.isnan(row["first_chunk_latency_ms"])]:
        parts += [
            "First chunk: the shortest clip that the codec takes. Latency: the computing until its"
            " audio is decoded, that clip alone, after warm-up; the wait for the clip itself, and"
            " what a stream must look ahead, come on top. Multiply-adds: encode plus decode of"
            " whole frames.",
            _markdown(_FACT_COLUMNS, map(_fact_cells, facts)),
        ]
    missing = (row for row in rows if row["status"] != "ok")
    parts += [markdown_text(f"{_where(row)}: {row['status']}: {row['reason']}") for row in missing]
    return "\n\n".join(parts) + "\n"


def _markdown(columns: Iterable[Column], rows: Iterable[Iterable[Cell]]) -> str:
    return render(Grid.of(columns, rows), "md").rstrip("\n")


_SPEED_COLUMNS = (
    Column("codec"),
    Column("on"),
    Column("batch"),
    Column("seconds"),
    Column("encode", "s/s", higher_is_better=False),
    Column("decode", "s/s", higher_is_better=False),
    Column("both", "x real time", higher_is_better=True),
    Column("peak memory", "MiB", higher_is_better=False),
)


def _speed_cells(row: dict[Any, Any]) -> list[Cell]:
    gpu = row["gpu_peak_memory_mib"]
    memory = row["peak_memory_mib"] if math.isnan(gpu) else gpu
    return [
        Cell(row["codec"]),
        Cell(_place(row)),
        count(row["batch_size"]),
        Cell(f"{row['duration_s']:g}", key=row["duration_s"]),
        _spread(row, "encode_real_time_factor"),
        _spread(row, "decode_real_time_factor"),
        number(row["speed_x"]),
        count(memory),
    ]


_FACT_COLUMNS = (
    Column("codec"),
    Column("on"),
    Column("first chunk", "ms of audio"),
    Column("latency", "ms", higher_is_better=False),
    Column("parameters"),
    Column("multiply-adds per second"),
)


def _fact_cells(row: dict[Any, Any]) -> list[Cell]:
    return [
        Cell(row["codec"]),
        Cell(_place(row)),
        number(row["first_chunk_audio_ms"]),
        _spread(row, "first_chunk_latency_ms"),
        _quantity(row["parameters"]),
        _quantity(row["multiply_adds_per_s"]),
    ]


def _spread(row: dict[Any, Any], name: str) -> Cell:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    after = "" if math.isnan(low) else f"({span(low, high, significant)})"
    return Cell(significant(row[name]), after, key=row[name])


def _quantity(number: float) -> Cell:
    """Unknown where the codec is no torch model."""
    return Cell("unknown") if math.isnan(number) else Cell(quantity(number), key=number)


def _place(row: dict[Any, Any]) -> str:
    if row["device"] != "cpu":
        return str(row["device"])
    return f"{row['threads']} CPU thread{'s' if row['threads'] > 1 else ''}"


def _where(row: dict[Any, Any]) -> str:
    shape = f"batch {row['batch_size']}, {row['duration_s']:g} s"
    return f"{row['codec']}, {_place(row)}, {shape}"


def plot(table: pd.DataFrame) -> Figure:
    """Speed over the clip's duration and over the batch's size, a line per codec and place."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    by_duration, by_batch = figure.subplots(1, 2, sharey=True)
    ok = table[table["status"] == "ok"]
    base = table.iloc[0]
    _lines(by_duration, ok[ok["batch_size"] == base["batch_size"]], "duration_s", "clip [s]")
    _lines(by_batch, ok[ok["duration_s"] == base["duration_s"]], "batch_size", "clips per batch")
    by_duration.set_ylabel("encode + decode, × real time")
    by_duration.set_title(f"batch of {base['batch_size']}")
    by_batch.set_title(f"clips of {base['duration_s']:g} s")
    handles, labels = by_duration.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _lines(axes: Axes, rows: pd.DataFrame, x: str, label: str) -> None:
    for (codec, device, threads), group in rows.groupby(["codec", "device", "threads"], sort=False):
        line = group.sort_values(x)
        place = _place({"device": device, "threads": threads})
        axes.plot(line[x], line["speed_x"], marker="o", label=f"{codec}, {place}")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = sorted(rows[x].unique())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.axhline(1, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlabel(label)
    axes.grid(alpha=0.3)
