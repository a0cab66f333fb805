"""Runs that are ended at random instants: is all true that they leave, and is nothing left alive?

``python -m benchmarks.signals --count 50 TERM INT KILL`` starts ``snac-eval run`` again and again,
sends the signal at a random instant after its start, and checks each time: no
traceback; the exit code; no process of the run alive two seconds later; a manifest that says
interrupted, or none; and at the end that the run, continued, has the scores of one that was never
ended.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from tests.cli.helpers import command, repeatable, scores
from tests.cli.test_run import _many_clips

_MARK = "SNAC_EVAL_SIGNALS_RUN"
_ALIVE_S = 2.0


def main() -> None:
    """Print what came of each signal; exit with 1 if anything is wrong."""
    parser: Any = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("signals", nargs="+", help="TERM, INT, HUP, KILL")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--within", type=float, default=0.7, help="share of a run's time in which the signal comes"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="snac-eval-signals-") as folder:
        wrong = [
            problem
            for name in options.signals
            for problem in _many(Path(folder), f"SIG{name}", options)
        ]
    sys.exit(1 if wrong else 0)


def _many(folder: Path, name: str, options: Any) -> list[str]:  # noqa: ANN401 - argparse
    data = folder / "data"
    if not data.exists():
        _many_clips(data, options.clips)
        _finish(data, folder / "whole")
    start = time.monotonic()
    _finish(data, folder / "timed")
    whole_s = time.monotonic() - start
    shutil.rmtree(folder / "timed")
    draw = random.Random(options.seed)
    problems: list[str] = []
    codes: Counter[int] = Counter()
    for index in range(options.count):
        output = folder / name
        delay_s = draw.uniform(0.0, options.within * whole_s)
        code, found = _one(data, output, signal.Signals[name], delay_s, f"{name}{index}")
        codes[code] += 1
        problems += [f"{name} {index} after {delay_s:.2f} s: {one}" for one in found]
        if code == 0 or draw.random() < 0.3:
            _finish(data, output)
            if not _equal(output, folder / "whole"):
                problems.append(f"{name} {index}: other scores than those of a run never ended")
            shutil.rmtree(output)
    print(f"{name}: {options.count} in runs of {whole_s:.1f} s; exit codes {dict(codes)}")
    print("\n".join(problems) or "  nothing wrong", flush=True)
    return problems


def _one(
    data: Path, output: Path, how: signal.Signals, delay_s: float, mark: str
) -> tuple[int, list[str]]:
    process = subprocess.Popen(
        _run(data, output),
        env={**os.environ, _MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    time.sleep(delay_s)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    found = []
    # Python gives the signal back to the system before it ends: for a shell, the same exit code.
    allowed = {0, -how, 128 + how}
    if process.returncode not in allowed:
        found.append(f"exit code {process.returncode}: {said[-300:]!r}")
    if "Traceback" in said:
        found.append(f"a traceback: {said[-500:]!r}")
    if alive := _alive(mark):
        found.append(f"still alive: {alive}")
    return process.returncode, found + _untrue(output, how, process.returncode)


def _untrue(output: Path, how: signal.Signals, code: int) -> list[str]:
    path = output / "manifest.json"
    if not path.exists():
        return []
    state = json.loads(path.read_text())["state"]
    if code > 0 and code not in (143, 130, 129) and state != "finished":
        return [f"exit code {code}, and the manifest says {state}"]
    if how != signal.SIGKILL and state == "running":
        return ["the manifest says running"]
    if state == "finished" and not (output / "scores.parquet").exists():
        return ["finished, without scores"]
    left = [one.name for one in output.iterdir() if one.name.startswith(".") or "tmp" in one.name]
    return [f"left behind: {left}"] if left and how != signal.SIGKILL else []


def _alive(mark: str) -> list[str]:
    """Command lines of the run's processes that live two seconds later."""
    deadline = time.monotonic() + _ALIVE_S
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def _marked(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={mark}\0".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[-200:])
        except OSError:
            continue
    return found


def _finish(data: Path, output: Path) -> None:
    subprocess.run(_run(data, output), stdout=subprocess.DEVNULL, check=True)


def _run(data: Path, output: Path) -> list[str]:
    what = ("run", "--model", "opus_12kbps", "--dataset", f"folder:{data}", "--output", output)
    return command(*what, "--metrics", "bitrate,stoi,mel_dac_paper", "--workers", "1", "--quiet")


def _equal(one: Path, other: Path) -> bool:
    try:
        pd.testing.assert_frame_equal(repeatable(scores(one)), repeatable(scores(other)))
    except AssertionError:
        return False
    return True


if __name__ == "__main__":
    main()
