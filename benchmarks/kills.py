"""Runs that are killed, and what is left of them.

    python -m benchmarks.kills [--random 100] [--clips 6] [--seed 0]

A run is killed with ``kill -9`` at every place where something becomes true at once: before and
after each file that is moved into its place and each commit of the store; then as often at random
instants. After each kill, what lies there is read: it is no run yet, or a part of the whole run
that says it is not finished, or the whole run. The run is then started again and must end equal to
the one that nobody killed, with the same files and no others.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import soundfile

from snac_eval.audio import speech_like
from snac_eval.errors import StoreError
from snac_eval.evaluation.executing import execute
from snac_eval.results.record import read_run
from snac_eval.run._database import Database
from snac_eval.run.config import RunConfig
from snac_eval.run.sealed import read_manifest

METRICS = ("bitrate", "si_sdr", "codebook_usage")


def make_config(folder: Path, num_clips: int) -> RunConfig:
    """A run of some clips of a second; its output is ``folder / "whole"``."""
    (folder / "speech").mkdir(parents=True)
    for index in range(num_clips):
        clip = speech_like(16000, 16000, seed=index)
        soundfile.write(folder / "speech" / f"{index}.wav", clip.samples[0], 16000)
    output = folder / "whole"
    return RunConfig(
        "pcm_8bit", f"folder:{folder / 'speech'}", output, METRICS, workers=0, html=False
    )


def kill_everywhere(config: RunConfig) -> int:
    """Kill a run at each place in turn and check what is left; how many there were."""
    count = 0
    while True:
        one = _named(config, f"place{count}")
        if _in_child(lambda one=one, count=count: _killed_at(count, one)) == 0:  # type: ignore[misc]
            check(config, one)
            return count
        check(config, one)
        count += 1


def kill_at_random(config: RunConfig, times: int, seed: int = 0) -> None:
    """Kill a run at random instants and check what is left."""
    start = time.perf_counter()
    _in_child(lambda: execute(_named(config, "timed")))
    whole_s = time.perf_counter() - start
    rng = random.Random(seed)
    for index in range(times):
        one = _named(config, f"random{index}")
        _in_child(lambda one=one: execute(one), kill_after_s=rng.uniform(0, whole_s))  # type: ignore[misc]
        check(config, one)


def check(whole: RunConfig, killed: RunConfig) -> None:
    """Raise AssertionError unless a killed run is read as what it is, and ends as the whole one."""
    expected = read_run(whole.output)
    rows = _rows(expected.rows)
    if read_manifest(killed.output):
        try:
            found = read_run(killed.output)
        except StoreError as error:
            # The first manifest is written when the store is there.
            raise AssertionError(f"{killed.output.name}: cannot be read: {error}") from error
        assert set(_rows(found.rows)) <= set(rows), f"{killed.output.name}: other scores"
        assert not found.finished or _rows(found.rows) == rows, f"{killed.output.name}: half a run"
    again = execute(killed).record
    assert again.finished
    assert _rows(again.rows) == rows, f"{killed.output.name}: ends otherwise"
    for name in ("streams", "corpus_scores", "clips", "files"):
        assert again.manifest[name] == expected.manifest[name], f"{killed.output.name}: {name}"
    names = [sorted(path.name for path in one.output.iterdir()) for one in (whole, killed)]
    assert names[0] == names[1], f"{killed.output.name}: leaves {names[1]}"


def _rows(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return [tuple(map(str, row)) for row in frame.itertuples(index=False)]


def _named(config: RunConfig, name: str) -> RunConfig:
    return replace(config, output=config.output.parent / name)


def _killed_at(count: int, config: RunConfig) -> None:
    with _counted(count):
        execute(config)


@contextmanager
def _counted(left: int) -> Iterator[None]:
    """Let so many places pass, and then kill this process."""

    def passed() -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    move, transaction = os.replace, Database.transaction

    def moved(*paths: str | Path) -> None:
        passed()
        move(*paths)
        passed()

    @contextmanager
    def committed(database: Database) -> Iterator[None]:
        with transaction(database):
            yield
            passed()
        passed()

    os.replace, Database.transaction = moved, committed  # type: ignore[assignment]
    try:
        yield
    finally:
        os.replace, Database.transaction = move, transaction  # type: ignore[method-assign]


def _in_child(work: Callable[[], object], kill_after_s: float | None = None) -> int:
    """Do this in a fork of this process, which has everything loaded; its exit code, below 0 where
    a signal ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the child ends here
            print(f"in the child: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--random", type=int, default=100, help="kills at random instants")
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = make_config(Path(folder) / "data", options.clips)
        _in_child(lambda: execute(config))
        print(f"{kill_everywhere(config)} places: every run ends equal, and is read as what it is")
        kill_at_random(config, options.random, options.seed)
        print(f"{options.random} random instants: the same")


if __name__ == "__main__":
    main()
