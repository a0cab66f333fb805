"""snac-eval push: runs as a dataset of the Hugging Face hub."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.cli.flags import Commands, path

if TYPE_CHECKING:
    from snac_eval.publishing.parcel import Parcel


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    push = commands.add_parser(
        "push",
        help="publish runs on the Hugging Face hub; without --send, show what would be sent",
        description="Makes a dataset repository of runs: their scores, how they were made, a card,"
        " and the results in the metadata of model cards. Paths, names of persons and machines,"
        " audio and the store stay here. Nothing leaves this machine without --send.",
        examples=(
            "snac-eval push runs/mine --repo USER/my-scores",
            "snac-eval push runs/mine --repo USER/my-scores --license cc-by-4.0 --send",
            "snac-eval push runs/study --repo USER/my-study --private --send",
            "snac-eval push runs/mine --repo USER/my-scores --model-repo OWNER/codec --send",
        ),
        see_also=("snac-eval pull", "snac-eval export", "docs/hub.md"),
    )
    push.set_defaults(command=_push)
    push.add_argument(
        "runs", type=path, nargs="+", metavar="RUN", help="folders of runs or of studies"
    )
    push.add_argument(
        "--repo", required=True, metavar="USER/NAME", help="dataset repository, made if need be"
    )
    push.add_argument(
        "--send", action="store_true", help="send it; else it is only shown, and no hub is asked"
    )
    _add_where(push.add_argument_group("the repository"))
    _add_model(push.add_argument_group("the model"))


def _add_where(where: argparse._ActionsContainer) -> None:
    where.add_argument("--private", action="store_true", help="if it is made now, for you alone")
    where.add_argument(
        "--license",
        default="",
        metavar="ID",
        help="licence of the scores, as the hub calls it, such as cc-by-4.0 (default: none named)",
    )
    where.add_argument(
        "--overwrite",
        action="store_true",
        help="push beside files that snac-eval did not push, and replace the card there",
    )


def _add_model(model: argparse._ActionsContainer) -> None:
    model.add_argument(
        "--model-repo",
        default="",
        metavar="USER/MODEL",
        help="also open a pull request that adds the results to this model's card",
    )
    model.add_argument(
        "--benchmark",
        action="append",
        default=[],
        metavar="USER/DATASET:TASK=METRIC",
        help="a task of a benchmark of the hub, of which a metric is the value: written as"
        " .eval_results; may be repeated",
    )


def _push(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.publishing.model_results import Benchmark
    from snac_eval.publishing.parcel import Request, checked_licence, pack
    from snac_eval.publishing.remote import checked_name
    from snac_eval.publishing.sending import runs_of
    from snac_eval.results.study import read_runs

    model = options.model_repo and checked_name(options.model_repo, "--model-repo")
    request = Request(
        checked_name(options.repo, "--repo"),
        checked_licence(options.license),
        tuple(map(Benchmark.parse, options.benchmark)),
    )
    runs = read_runs(options.runs)
    with tempfile.TemporaryDirectory() as folder:
        parcel = pack(runs, request, Path(folder))
        if model:
            runs_of(parcel, model)
        if options.send:
            _send(parcel, options)
        else:
            _show(parcel, model)


def _send(parcel: Parcel, options: argparse.Namespace) -> None:
    from snac_eval.publishing.sending import propose, require_model, send
    from snac_eval.writing import printable

    if options.model_repo:
        require_model(options.model_repo)
    print(printable(f"sent: {send(parcel, options.private, options.overwrite)}"))
    if options.model_repo:
        print(printable(f"pull request: {propose(parcel, options.model_repo)}"))


def _show(parcel: Parcel, model: str) -> None:
    from tabulate import tabulate

    from snac_eval.publishing.receipt import CARD
    from snac_eval.writing import printable

    files = parcel.files
    rows = [(one.path, one.size, one.sha256) for one in files]
    print(f"to be sent to the dataset {parcel.request.repository}:\n")
    print(printable(tabulate(rows, ("file", "bytes", "sha256"), "simple")))
    for one in files:
        if one.path.endswith((CARD, ".yaml")):
            text = (parcel.folder / one.path).read_text(encoding="utf-8")
            print(f"\n--- {one.path}\n\n{printable(text)}", end="")
    if model:
        print(f"\nand as a pull request to the model {model}, in the metadata of its card.")
    size = sum(one.size for one in files)
    print(f"\n{len(files)} files, {size:,} bytes. Nothing was sent; add --send to send it.")
