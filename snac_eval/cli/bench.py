"""snac-eval bench: flags become a BenchConfig."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from snac_eval.cli.flags import (
    Commands,
    add_cards,
    add_model_args,
    add_python,
    card_dirs,
    names,
    path,
)
from snac_eval.errors import UsageError

if TYPE_CHECKING:
    from snac_eval.bench.protocol import BenchConfig

_T = TypeVar("_T")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    bench = commands.add_parser(
        "bench",
        help="measure speed, memory and latency of codecs, alone on the machine",
        description="Times encoding and decoding of synthetic audio, in a process of its own for"
        " each setting, and measures memory and the time to the first sound. Nothing"
        " else should run meanwhile.",
        examples=(
            "snac-eval bench --model snac_16khz_mini",
            "snac-eval bench --model snac_24khz --model opus_12kbps --durations 5,30 --threads 1",
        ),
        see_also=("snac-eval run", "snac-eval table"),
    )
    bench.set_defaults(command=_bench)
    bench.add_argument(
        "--model", action="append", required=True, help="codec; may be given several times"
    )
    add_model_args(bench)
    add_python(bench)
    bench.add_argument(
        "--durations",
        default="5,1,10,30",
        help="seconds per clip; the first is the base, the others vary around it (5,1,10,30)",
    )
    bench.add_argument(
        "--batch-sizes", default="1,4,16", help="clips per batch; the first is the base (1,4,16)"
    )
    bench.add_argument("--threads", default="1,all", help="CPU thread counts (1,all)")
    bench.add_argument(
        "--device", default="auto", help="auto (CPU, and GPU if there is one), cpu, cuda or mps"
    )
    bench.add_argument("--repeats", type=int, default=7, help="timed rounds per setting (7)")
    bench.add_argument("--seed", type=int, default=0, help="seed of the synthetic audio (0)")
    bench.add_argument("--weights", default="", help="folder of the codec's weights")
    bench.add_argument("-o", "--output", type=path, help="folder (default runs/bench_MODEL)")
    bench.add_argument("--overwrite", action="store_true", help="replace an earlier bench there")
    add_cards(bench)
    bench.add_argument("--quiet", action="store_true", help="print errors only")


def _bench(options: argparse.Namespace, argv: Sequence[str]) -> None:
    from snac_eval.bench.protocol import bench
    from snac_eval.bench.table import speed_markdown

    result = bench(_config(options), argv)
    if options.quiet:
        return
    print(speed_markdown(result.table))
    for note in result.notes:
        print(f"note: {note}")
    print(f"files in {', '.join(f'{folder}/' for folder in result.folders)}")


def _config(options: argparse.Namespace) -> BenchConfig:
    from snac_eval.bench.protocol import BenchConfig, file_name

    models = tuple(dict.fromkeys(options.model))
    return BenchConfig(
        models=models,
        output=options.output or Path("runs") / f"bench_{'_'.join(map(file_name, models))}",
        durations_s=_numbers("--durations", options.durations, float),
        batch_sizes=_numbers("--batch-sizes", options.batch_sizes, int),
        threads=names(options.threads),
        device=options.device,
        repeats=options.repeats,
        seed=options.seed,
        weights=options.weights,
        card_dirs=card_dirs(options),
        model_args=tuple(options.model_args),
        python=options.python,
        overwrite=options.overwrite,
        show_progress=not options.quiet,
    )


def _numbers(flag: str, text: str, kind: Callable[[str], _T]) -> tuple[_T, ...]:
    try:
        return tuple(kind(part) for part in names(text))
    except ValueError as error:
        raise UsageError(f"{flag} {text}: give numbers with commas between, such as 1,4") from error
