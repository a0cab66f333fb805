"""Single flipped bits in a run's files: what a reader says, and what the next run makes of them.

    python -m benchmarks.bit_flips [--flips 400] [--seed 0]

The flips are shared out evenly among the three files of a run that its readers trust. For
``store.sqlite``, the run is one that was killed, so that all is read from it. Every flip ends in
one of these, and is counted; the last two may not be:

========== =======================================================================================
same       the numbers are those of the untouched run (after it was started again, where it was)
line       one line says which file is damaged and what to do
fewer      a reader sees fewer scores of a run that says it is not finished
OTHER      a number differs, or one is missing from a run that is read as whole
TRACEBACK  anything else was raised
========== =======================================================================================
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import soundfile

from snac_eval.audio import speech_like
from snac_eval.errors import SnacEvalError
from snac_eval.results.record import Run, read_run
from snac_eval.run.config import RunConfig
from snac_eval.run.loop import run
from snac_eval.run.sealed import read_manifest, write_manifest

FILES = ("store.sqlite", "scores.parquet", "manifest.json")


def count_outcomes(folder: Path, num_flips: int, seed: int = 0) -> dict[str, Counter[str]]:
    """How flips end, by the file's name and who meets them: a reader or the next run."""
    config = _whole_run(folder)
    killed = _killed(config.output, folder / "killed")
    whole = read_run(config.output)
    rng = random.Random(seed)
    found: dict[str, Counter[str]] = {}
    for index in range(num_flips):
        name = FILES[index % len(FILES)]
        bit = rng.randrange(8 * (config.output / name).stat().st_size)
        for who, act in (("reader", read_run), ("next run", _run_again(config))):
            copy = folder / "copy"
            shutil.copytree(killed if name == FILES[0] else config.output, copy)
            _flip(copy / name, bit)
            found.setdefault(f"{name}, {who}", Counter())[_outcome(act, copy, whole)] += 1
            shutil.rmtree(copy)
    return found


def _whole_run(folder: Path) -> RunConfig:
    data = folder / "data"
    (data / "speech").mkdir(parents=True)
    for index in range(4):
        clip = speech_like(4000, 16000, seed=index)
        soundfile.write(data / "speech" / f"{index}.wav", clip.samples[0], 16000)
    metrics = ("bitrate", "si_sdr", "stoi", "codebook_usage")
    config = RunConfig("pcm_8bit", f"folder:{data}", folder / "whole", metrics, workers=0)
    run(config)
    return config


def _killed(whole: Path, folder: Path) -> Path:
    shutil.copytree(whole, folder)
    (folder / "scores.parquet").unlink()
    manifest = read_manifest(folder)
    write_manifest(folder, {**manifest, "state": "running"})
    return folder


def _run_again(config: RunConfig) -> Callable[[Path], Run]:
    def act(folder: Path) -> Run:
        run(replace(config, output=folder))
        return read_run(folder)

    return act


def _flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def _outcome(act: Callable[[Path], Run], folder: Path, whole: Run) -> str:
    try:
        found = act(folder)
        rows, expected = _rows(found.rows), _rows(whole.rows)
    except SnacEvalError as error:
        return "line" if "\n" not in str(error) and str(folder) in str(error) else "OTHER"
    except Exception as error:  # noqa: BLE001 - what is counted
        print(f"{type(error).__name__}: {error}")
        return "TRACEBACK"
    if rows == expected and found.manifest["corpus_scores"] == whole.manifest["corpus_scores"]:
        return "same"
    return "fewer" if rows < expected and not found.finished else "OTHER"


def _rows(frame: pd.DataFrame) -> set[tuple[object, ...]]:
    return {tuple(map(str, row)) for row in frame.itertuples(index=False)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--flips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for what, counts in count_outcomes(Path(folder), options.flips, options.seed).items():
            print(f"{what}: {', '.join(f'{count} {name}' for name, count in counts.items())}")


if __name__ == "__main__":
    main()
