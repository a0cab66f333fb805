"""A study against the same runs one by one: wall time of both, in alternating rounds.

    python -m benchmarks.study --data-root ../shared/data --rounds 2

Both write everything that they write for a user: tables and pages. Their scores are compared.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from snac_eval.results.study import read_runs

MODELS = ("snac_16khz_mini", "opus_6kbps", "opus_12kbps")
DATASETS = ("demo", "librispeech:test-mini")
_MEASURED = ("encode_real_time_factor", "decode_real_time_factor")


def main() -> None:
    options = _parser().parse_args()
    ratios = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            single_s, study_s = _round(Path(folder), options, is_reversed=bool(number % 2))
        ratios.append(study_s / single_s)
        print(f"single {single_s:.1f} s, study {study_s:.1f} s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"ratio: min {min(ratios):.2f}, max {max(ratios):.2f} of {len(ratios)}")


def _round(folder: Path, options: argparse.Namespace, is_reversed: bool) -> tuple[float, float]:
    common = ["--limit", str(options.limit)]
    if options.data_root is not None:
        common += ["--data-root", str(options.data_root)]
    study = _command(options.models, options.datasets, folder / "study", common)
    pairs = list(product(options.datasets, options.models))
    places = [folder / f"single-{number}" for number in range(len(pairs))]
    singles = [
        _command([model], [dataset], place, common)
        for (dataset, model), place in zip(pairs, places, strict=True)
    ]
    both = [lambda: sum(map(_seconds, singles)), lambda: _seconds(study)]
    if is_reversed:
        study_s, single_s = both[1](), both[0]()
    else:
        single_s, study_s = both[0](), both[1]()
    _compare(places, folder / "study")
    return single_s, study_s


def _command(
    models: Sequence[str], datasets: Sequence[str], output: Path, common: Sequence[str]
) -> list[str]:
    what = ["--model", ",".join(models), "--dataset", ",".join(datasets)]
    return [sys.executable, "-m", "snac_eval", "run", *what, "--output", str(output), *common]


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def _compare(singles: Sequence[Path], study: Path) -> None:
    """Say so where a score of the study is not that of its single run."""
    alone, together = (
        pd.concat([run.rows for run in read_runs(each)]) for each in (singles, [study])
    )
    key = ["codec", "dataset", "metric", "clip_id"]
    found = alone.merge(together, on=key, suffixes=("_alone", "_together"))
    found = found[~found["metric"].isin(_MEASURED)]
    different = found[
        found["value_alone"].ne(found["value_together"]) & found["value_alone"].notna()
    ]
    print(f"{len(different)} of {len(found)} scores differ")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--limit", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    return parser


if __name__ == "__main__":
    main()
