"""snac-eval listen serve: hold a listening test from this machine, and collect its answers."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.cli.flags import Commands, path
from snac_eval.errors import UsageError

if TYPE_CHECKING:
    from snac_eval.listening.answers import AnswersFile


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    serve = commands.add_parser(
        "serve",
        help="serve a listening test and collect its answers",
        description="Serves the folder that `listen make` wrote, until Ctrl-C. Each answered"
        " trial is on the disk before the page is told so.",
        examples=("snac-eval listen serve my-test", "snac-eval listen serve my-test --port 8000"),
        see_also=("snac-eval listen read", "docs/listening.md"),
    )
    serve.set_defaults(command=_serve)
    serve.add_argument("folder", type=path, metavar="DIR", help="folder of the test")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1: this machine)"
    )
    serve.add_argument("--port", type=int, default=8000, help="0: a free one (default 8000)")
    serve.add_argument(
        "--answers", type=path, metavar="FILE", help="default DIR.answers.jsonl, beside the folder"
    )


def _serve(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.listening.answers import collecting
    from snac_eval.listening.serving import serving
    from snac_eval.listening.shapes import PAGE_FILE, answers_file, key_file
    from snac_eval.results.listeners.answers import read_key

    folder = Path(os.path.abspath(options.folder))
    if not (folder / PAGE_FILE).is_file():
        raise UsageError(f"{options.folder}: no listening test; write one with `listen make`")
    key = read_key(key_file(folder))
    file = Path(os.path.abspath(options.answers or answers_file(folder)))
    if Path(os.path.realpath(file)).is_relative_to(folder.resolve()):
        raise UsageError(f"{file}: lies in the folder that everybody can read; choose another")
    with (
        collecting(file, key) as answers,
        serving(folder, key.test, answers, options.host, options.port) as server,
    ):
        if not _is_private(options.host):
            print(
                f"warning: {options.host}: whoever reaches this machine can take the test; the"
                " connection is not encrypted",
                file=sys.stderr,
            )
        print(f"test: {server.address} (Ctrl-C ends)", flush=True)
        print(f"answers: {file}", flush=True)
        answers.on_change = _counter(answers)
        answers.on_change()
        try:
            server.serve_forever()
        finally:
            if sys.stderr.isatty():
                print(file=sys.stderr)


def _counter(answers: AnswersFile) -> Callable[[], None]:
    """Says how many answers have come: on a terminal on one line, elsewhere a line each."""
    end = "\n" if not sys.stderr.isatty() else ""

    def tell() -> None:
        start = "" if end else "\r"
        told = f"answers: {answers.num_answers}, listeners: {answers.num_listeners}"
        print(f"{start}{told}", end=end, file=sys.stderr, flush=True)

    return tell


def _is_private(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
