"""snac-eval new: a package of one's own to begin with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from snac_eval.cli.flags import Commands, path


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "new",
        help="write a package with a codec, a metric or a dataset of one's own",
        description="Writes a package that works and is tested, to begin with. Installed, it is"
        " listed and run as the built-in ones are.",
        examples=(
            "snac-eval new codec my_package",
            "snac-eval new metric loudness_gap -o packages/loudness_gap",
        ),
        see_also=("snac-eval validate", "docs/own-codec.md"),
    )
    command.set_defaults(command=_new)
    command.add_argument("kind", choices=("codec", "metric", "dataset"), help="what is to be in it")
    command.add_argument("name", help="of the package and of what is in it, such as my_codec")
    command.add_argument(
        "-o", "--output", type=path, help="folder of the package (default: its name)"
    )


def _new(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.scaffold.making import make_package

    folder = options.output or Path(options.name)
    for file in make_package(options.kind, options.name, folder):
        print(file)
    run = {
        "codec": f"snac-eval run --model {options.name} --dataset demo",
        "metric": f"snac-eval run --model opus_6kbps --dataset demo --metrics {options.name}",
        "dataset": f"snac-eval run --model opus_6kbps --dataset {options.name}:FOLDER",
    }[options.kind]
    print(f"\nnext:\n  pip install -e {folder}\n  pytest {folder}\n  {run}")
