"""What one clip costs, by what is done with it: the numbers that :mod:`scale_simulation` takes.

    python -m benchmarks.scale_costs [--clips 4000] [--check]

All are CPU seconds of one thread (``process_time``), so that other programs on the machine change
little, of synthetic speech of 10 s at 16 kHz in FLAC; the least of several passes. ``--check``
runs ``snac-eval run`` once and sets its CPU time beside what these numbers add up to.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from snac_eval import audio
from snac_eval.api import load_codec
from snac_eval.metrics.base import PreparedPair
from snac_eval.metrics.opening import OpenMetric, open_metric
from snac_eval.reading import files
from snac_eval.reports.summary import write_tables
from snac_eval.results.record import read_run
from snac_eval.run.config import RunConfig
from snac_eval.run.corpus import score_together
from snac_eval.run.inspections import Inspections
from snac_eval.run.looking import look
from snac_eval.run.manifest import describe, ended, stored_tables, together_facts
from snac_eval.run.merge import MergeConfig, merge
from snac_eval.run.plan import Plan, make_plan
from snac_eval.run.rows import Row, StoredCodes
from snac_eval.run.sealed import write_manifest, write_scores
from snac_eval.run.store import Store
from snac_eval.types import Reconstruction, Score, Timing, Waveform

LENGTH_S, RATE = 10.0, 16000
CODECS = ("opus_12kbps", "snac_16khz_mini")
_PASSES = 3


def cpu_s(act: Callable[[], object], passes: int = _PASSES) -> float:
    """The least CPU seconds of some calls, after one that is not counted."""
    act()
    found = []
    for _ in range(passes):
        start = time.process_time()
        act()
        found.append(time.process_time() - start)
    return min(found)


def clip_costs(folder: Path) -> Iterator[tuple[str, float]]:
    """What is done with a clip's audio."""
    path = folder / "speech" / "a.flac"
    path.parent.mkdir(parents=True)
    samples = audio.speech_like(round(LENGTH_S * RATE), RATE).samples[0]
    soundfile.write(path, samples, RATE)
    yield "flac_bytes", float(path.stat().st_size)
    yield "look_s", cpu_s(lambda: _look(path, folder))
    clip = audio.inspect(audio.make_clip(path, folder, domain="speech"))
    yield "read_s", cpu_s(lambda: audio.read_clip(clip, 600))
    reference = audio.read_clip(clip, 600)
    for name in CODECS:
        codec = load_codec(name)
        yield f"code_s {name}", cpu_s(partial(_code, codec, reference))
    config = RunConfig("opus_12kbps", f"folder:{folder}", folder / "run")
    estimate = _code(load_codec("opus_12kbps"), reference)
    made = Reconstruction(clip, reference, estimate)
    for name, one in make_plan(config).metrics.items():
        if one.info.kind == "audio":
            yield f"score_s {name}", cpu_s(partial(_score, open_metric(name), made))


def _look(path: Path, folder: Path) -> None:
    files._measure.cache_clear()
    audio._digest.cache_clear()
    audio.inspect(audio.make_clip(path, folder))


def _code(codec: Any, reference: Waveform) -> Waveform:  # noqa: ANN401 - a Codec, not a source
    rate = codec.card.sample_rate or reference.sample_rate
    made: Waveform = codec.decode(codec.encode([audio.resample(reference, rate)]), [0])[0]
    return made


def _score(metric: OpenMetric, made: Reconstruction) -> None:
    # A pair of its own: a metric that finds another's spectra would look cheap.
    metric.score_audio(made, PreparedPair(made.reference, made.estimate))


def run_costs(folder: Path, count: int) -> Iterator[tuple[str, float]]:
    """What a run's one writer does for each clip, and what a clip takes of memory and disk."""
    place = folder / "speech"
    place.mkdir(parents=True)
    for index in range(count):
        samples = np.zeros(160, np.float32)
        samples[0] = (index + 1) / count / 2
        soundfile.write(place / f"{index:06}.wav", samples, RATE, subtype="FLOAT")
    time.sleep(2.1)  # what was written this moment is looked at again
    config = RunConfig("snac_16khz_mini", f"folder:{folder}", folder / "run")
    look(config)
    yield "plan_s", cpu_s(partial(_plan, config), 2) / count
    tracemalloc.start()
    plan = _plan(config)
    write_manifest(config.output, describe(plan, (), time.time()))
    yield "memory_bytes", tracemalloc.get_traced_memory()[1] / count
    tracemalloc.stop()
    codes = _codes()
    parts = [
        make_plan(replace(config, shard=f"{number}/2", output=folder / f"part{number}"))
        for number in (1, 2)
    ]
    yield "put_s", _cpu_s(plan, lambda: _fill(plan, codes))
    yield "end_s", _cpu_s(plan, lambda: _end(plan))
    for part in parts:
        _fill(part, codes)
        _end(part)
    size = (config.output / "store.sqlite").stat().st_size
    rest = [config.output / name for name in ("manifest.json", "scores.parquet")]
    yield "store_bytes", size / count
    yield "file_bytes", sum(path.stat().st_size for path in rest) / count
    merged = folder / "merged"
    config_of_merge = MergeConfig((folder / "part1", folder / "part2"), merged, html=False)
    yield "merge_s", _cpu_s(plan, lambda: merge(config_of_merge))
    yield "tables_s", cpu_s(lambda: write_tables(read_run(merged), merged), 1) / count


def _plan(config: RunConfig) -> Plan:
    """As a run plans whose clips were looked at."""
    return make_plan(config, Inspections.of_configs([config]).inspect)


def _cpu_s(plan: Plan, act: Callable[[], object]) -> float:
    """CPU seconds of one call, for each clip of the plan."""
    start = time.process_time()
    act()
    return (time.process_time() - start) / len(plan.clips)


def _codes() -> StoredCodes:
    reference = audio.speech_like(round(LENGTH_S * RATE), RATE)
    codec: Any = load_codec("snac_16khz_mini")
    (codes,) = codec.encode([reference])
    return StoredCodes(codes, Timing(0.1, 0.1))


def _fill(plan: Plan, codes: StoredCodes) -> None:
    """As a run stores what its workers made: packed there, a batch at a time."""
    packed, rng = codes.packed(), np.random.default_rng(0)
    with Store.create(plan.config.output, overwrite=True) as store:
        for start in range(0, len(plan.clips), 16):
            store.put_all(
                [
                    Row(
                        plan.keys[at],
                        {
                            key: Score.ok(float(value))
                            for key, value in zip(
                                plan.score_keys(
                                    plan.clip_metrics(plan.clips[at]), plan.clips[at]
                                ).values(),
                                rng.uniform(0, 4, len(plan.metrics)),
                                strict=False,
                            )
                        },
                        packed,
                    )
                    for at in range(start, min(start + 16, len(plan.clips)))
                ]
            )


def _end(plan: Plan) -> None:
    """As a run ends: the codes counted, the rows and the manifest written."""
    folder = plan.config.output
    manifest = describe(plan, (), time.time())
    with Store.create(folder, overwrite=False) as store:
        found = together_facts(score_together(plan, store))
        num_rows = write_scores(folder, stored_tables(manifest, store))
        facts = {**found, "determinism": {}, "num_rows": num_rows}
        write_manifest(folder, ended(manifest, plan, "finished", 0, facts))


def check(costs: dict[str, float], folder: Path, count: int) -> dict[str, float]:
    """One real run of the default speech metrics, its CPU seconds beside what the costs say."""
    place = folder / "clips" / "speech"
    place.mkdir(parents=True)
    for index in range(count):
        samples = audio.speech_like(round(LENGTH_S * RATE), RATE, seed=index).samples[0]
        soundfile.write(place / f"{index}.flac", samples, RATE)
    found = {}
    for name in CODECS:
        took = [_run_cpu_s(folder, name, limit) for limit in (2, count)]
        each = costs["look_s"] + costs["read_s"] + costs[f"code_s {name}"] + score_s(costs)
        found[f"said over measured, {name}"] = each * (count - 2) / (took[1] - took[0])
    return found


def score_s(costs: dict[str, float]) -> float:
    """CPU seconds of all metrics that score a clip's audio."""
    return sum(value for key, value in costs.items() if key.startswith("score_s"))


def _run_cpu_s(folder: Path, model: str, limit: int) -> float:
    output = folder / "run"
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "snac_eval", "run", "--model", model, "--quiet", "--no-html"]
    command += ["--dataset", f"folder:{folder / 'clips'}", "--limit", str(limit)]
    process = subprocess.Popen(
        [*command, "--output", str(output), "--workers", "1"], stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the run of {model} went wrong")
    return used.ru_utime + used.ru_stime


def ray_costs(count: int = 2000) -> dict[str, float]:
    """CPU seconds of the driver's process for one small task of Ray, waited for as a run does."""
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)

    @ray.remote
    def task(_: bytes) -> bytes:
        return bytes(2500)

    def work() -> None:
        waiting, left = [], count
        while left or waiting:
            while left and len(waiting) < 8:
                waiting.append(task.remote(bytes(800)))
                left -= 1
            ready, waiting = ray.wait(waiting, num_returns=1)
            ray.get(ready)

    try:
        return {"task_s": cpu_s(work, 2) / count}
    finally:
        ray.shutdown()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=4000, help="of the run that is only stored")
    parser.add_argument("--ray", action="store_true", help="measure a task of Ray too")
    parser.add_argument("--check", action="store_true", help="run once, and compare")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        costs = dict(clip_costs(Path(temporary) / "one"))
        costs |= dict(run_costs(Path(temporary) / "many", options.clips))
        if options.ray:
            costs |= ray_costs()
        if options.check:
            costs |= check(costs, Path(temporary) / "check", 12)
    print(json.dumps({key: float(f"{value:.4g}") for key, value in costs.items()}, indent=2))


if __name__ == "__main__":
    main()
