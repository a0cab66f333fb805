"""The speed protocol: what a codec costs in time and memory, measured alone on the machine.

A run measures speed in passing, beside its own scoring; here nothing else runs. Each setting
(device, CPU threads, batch size, duration) has a process of its own, one after the other
(:mod:`snac_eval.bench.measure`). The first duration and the first batch size are the base; the
others vary one at a time around it, because the full grid costs hours on a CPU and says little
more.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.bench.measure import Measurement, Setting, coder_of, open_setting
from snac_eval.bench.measure import read_measurement as _read
from snac_eval.bench.measure import write_json as _write_setting
from snac_eval.bench.table import (
    Measured,
    metric_info,
    score_rows,
    speed_table,
    write_speed_tables,
)
from snac_eval.errors import CodecError, OutputError, UsageError
from snac_eval.machine import num_cores, resolve_device
from snac_eval.progress import track
from snac_eval.run.manifest import codec_facts, environment, head, metric_facts
from snac_eval.run.naming import folder_name
from snac_eval.run.plan import codec_label
from snac_eval.run.sealed import as_table, vouched_files, write_manifest, write_scores
from snac_eval.writing import jsonable

if TYPE_CHECKING:
    import pandas as pd

ALL_CORES = "all"
DATASET = "bench"
_BUSY_LOAD = 0.7
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """Everything that the user chose.

    ``durations_s`` and ``batch_sizes``: the first is the base, around which the others vary.
    ``threads``: CPU thread counts, ``all`` for every core. ``device`` ``auto``: the CPU, and the
    GPU where there is one. ``repeats``: timed rounds per setting; an interval of the median needs
    six.
    """

    models: tuple[str, ...]
    output: Path
    durations_s: tuple[float, ...] = (5.0, 1.0, 10.0, 30.0)
    batch_sizes: tuple[int, ...] = (1, 4, 16)
    threads: tuple[str, ...] = ("1", ALL_CORES)
    device: str = "auto"
    repeats: int = 7
    seed: int = 0
    weights: str = ""
    card_dirs: tuple[Path, ...] = ()
    model_args: tuple[str, ...] = ()
    python: str = ""
    overwrite: bool = False
    show_progress: bool = False

    def __post_init__(self) -> None:
        _require(bool(self.models), "--model", (), "name at least one codec")
        _require(self.repeats >= 1, "--repeats", (self.repeats,), "must be at least 1")
        fine = all(0.1 <= one <= 3600 for one in self.durations_s) and bool(self.durations_s)
        _require(fine, "--durations", self.durations_s, "seconds must lie in 0.1..3600")
        fine = all(one >= 1 for one in self.batch_sizes) and bool(self.batch_sizes)
        _require(fine, "--batch-sizes", self.batch_sizes, "must be at least 1")
        fine = all(one == ALL_CORES or (one.isdecimal() and int(one)) for one in self.threads)
        _require(fine and bool(self.threads), "--threads", self.threads, "use numbers or 'all'")
        for flag, given in (("--weights", self.weights), ("--model-args", self.model_args)):
            alone = len(self.models) == 1 or not given
            _require(alone, flag, (given,), "goes with one --model")


@dataclass(frozen=True, slots=True)
class BenchResult:
    """``table``: one row per codec and setting, as in ``bench.csv``. ``folders``: one per codec.
    ``notes`` are lines that belong beside the numbers."""

    output: Path
    table: pd.DataFrame
    folders: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def bench(config: BenchConfig, argv: Sequence[str] = ()) -> BenchResult:
    """Measure every codec and write its folder: scores.parquet, manifest.json, bench.*.

    Several codecs get a folder each below ``output``, which holds the joint table and plot. Raises
    SnacEvalError for what the user must mend, CodecError where not one setting could be measured.
    """
    plan = [(model, settings(config, model)) for model in config.models]
    _make_folder(config)
    of_machine = _notes()
    notes = list(of_machine)
    everything: list[Measured] = []
    folders = []
    for model, to_do in plan:
        started = time.time()
        measured = _measure_all(config, to_do)
        _refuse_nothing(model, measured)
        folder = config.output if len(plan) == 1 else config.output / file_name(model)
        of_codec = open_setting(to_do[0]).notes()
        _write(folder, config, argv, measured, started, (*of_machine, *of_codec))
        notes += of_codec
        folders.append(folder)
        everything += measured
    if len(plan) > 1:
        write_speed_tables(config.output, everything)
    return BenchResult(config.output, speed_table(everything), tuple(folders), tuple(notes))


def file_name(model: str) -> str:
    """The codec's name as a folder's; different names have different ones."""
    return folder_name([model])


def settings(config: BenchConfig, model: str) -> list[Setting]:
    """What is to be measured for this codec, the base of each device and thread count first."""
    shapes = [(config.durations_s[0], config.batch_sizes[0])]
    shapes += [(duration, config.batch_sizes[0]) for duration in config.durations_s[1:]]
    shapes += [(config.durations_s[0], size) for size in config.batch_sizes[1:]]
    return [
        Setting(
            model=model,
            device=device,
            threads=threads,
            batch_size=size,
            duration_s=duration,
            repeats=config.repeats,
            seed=config.seed,
            weights=config.weights,
            card_dirs=tuple(str(folder) for folder in config.card_dirs),
            model_args=config.model_args,
            python=config.python,
            with_facts=index == 0,
        )
        for device, threads in _places(config, model)
        for index, (duration, size) in enumerate(dict.fromkeys(shapes))
    ]


def _places(config: BenchConfig, model: str) -> list[tuple[str, int]]:
    """Device and CPU threads; a codec that only works on the CPU gets no row for a GPU."""
    device = config.device if config.python else resolve_device(config.device)
    cards = tuple(str(folder) for folder in config.card_dirs)
    own = (0, config.weights, cards, config.model_args, config.python)
    setting = Setting(model, device, 0, 1, 1.0, 1, *own)
    place = coder_of(open_setting(setting), model).device
    on_cpu = [("cpu", threads) for threads in dict.fromkeys(map(_count, config.threads))]
    if place == "cpu":
        return on_cpu
    return [*(on_cpu if config.device == "auto" else []), (place, 0)]


def _count(threads: str) -> int:
    return num_cores() if threads == ALL_CORES else int(threads)


def _measure_all(config: BenchConfig, to_do: Sequence[Setting]) -> list[Measured]:
    label = codec_label(to_do[0].model)
    measured = []
    for setting in track(to_do, f"bench {label}", "setting", config.show_progress):
        outcome = measure_in_process(setting)
        if outcome.broken_set_up:
            raise CodecError(outcome.error)
        measured.append(Measured(label, setting, outcome))
    return measured


def measure_in_process(setting: Setting) -> Measurement:
    """:func:`~snac_eval.bench.measure.measure` in a fresh process; its death is an error."""
    with tempfile.TemporaryDirectory(prefix="snac-eval-bench-") as folder:
        request, result = Path(folder) / "request.json", Path(folder) / "result.json"
        _write_setting(request, setting)
        done = subprocess.run(
            [sys.executable, "-m", "snac_eval.bench.measure", str(request), str(result)],
            env={**os.environ, **_thread_environment(setting)},
            capture_output=True,
            text=True,
            check=False,
        )
        if result.is_file():
            return _read(result)
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    ended = f"exit code {done.returncode}" if done.returncode >= 0 else f"signal {-done.returncode}"
    return Measurement(error=f"{setting.name}: the measuring process ended with {ended}: {last}")


def _thread_environment(setting: Setting) -> dict[str, str]:
    threads = str(setting.threads or num_cores())
    return dict.fromkeys(_THREAD_VARIABLES, threads)


def _write(
    folder: Path,
    config: BenchConfig,
    argv: Sequence[str],
    measured: Sequence[Measured],
    started: float,
    notes: tuple[str, ...],
) -> None:
    """The codec's own folder, which compare and check read as they read a run's."""
    setting = measured[-1].setting
    codec = open_setting(setting)
    place = environment(setting.device)
    machine = _machine(place["hardware"])
    run_id = _digest(codec.fingerprint, *(one.setting.name for one in measured), str(place))[:12]
    rows = score_rows(measured, run_id, DATASET, machine)
    clips = dict(zip(rows["clip_id"], rows["speaker"], strict=True))
    manifest = {
        **head("bench", "finished", run_id, measured[0].codec, argv, started),
        "config": jsonable(asdict(config)),
        "notes": list(notes),
        "num_clips": len(clips),
        "codec": codec_facts(codec),
        "dataset": {"name": DATASET},
        "clips": {
            clip: {"sha256": _digest(clip, str(config.seed)), "speaker": setting_name}
            for clip, setting_name in clips.items()
        },
        "metrics": {
            name: metric_facts(metric_info(name, machine)) for name in rows["metric"].unique()
        },
        **place,
    }
    write_scores(folder, [as_table(rows)])
    write_manifest(folder, {**manifest, "files": vouched_files(folder)})
    write_speed_tables(folder, measured)


def _notes() -> tuple[str, ...]:
    """A warning where something else computes: the figures would be of two programs."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load < _BUSY_LOAD:
        return ()
    return (
        f"the machine was busy when this began (load average {load:.1f}): speeds, most of all of"
        " several threads, are worse than on an idle one",
    )


def _machine(hardware: Mapping[str, object]) -> dict[str, object]:
    """What must be equal before two speeds are compared, as part of a fingerprint."""
    return {key: hardware[key] for key in ("cpu", "cores", "gpu") if key in hardware}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _refuse_nothing(model: str, measured: Sequence[Measured]) -> None:
    if not any(one.outcome.encode_s for one in measured):
        reasons = [one.outcome.error or one.outcome.undefined for one in measured]
        raise CodecError(f"{model}: nothing could be measured: {reasons[0]}")


def _make_folder(config: BenchConfig) -> None:
    folder = config.output
    if (folder / "store.sqlite").exists():
        raise UsageError(f"{folder}: holds a run; choose another --output")
    if (folder / "bench.csv").exists() and not config.overwrite:
        raise UsageError(f"{folder}: holds a bench already; choose another --output or --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot write here: {error.strerror}") from error


def _require(fine: bool, flag: str, values: Sequence[object], rule: str) -> None:
    if not fine:
        raise UsageError(f"{flag} {','.join(map(str, values)) or 'is empty'}: {rule}")
