"""snac-eval validate: a contributor's self-test of a codec."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, add_cards, add_model_args, add_python, card_dirs, seconds


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "validate",
        help="check what a codec owes the harness",
        description="Codes short clips, silence, a batch and one long clip, and checks lengths,"
        " bits, delay, determinism, memory and what is refused.",
        examples=(
            "snac-eval validate snac_16khz_mini",
            "snac-eval validate my_codec.py:MyCodec --long 600s",
        ),
        see_also=("snac-eval new", "docs/own-codec.md"),
    )
    command.set_defaults(command=_validate)
    command.add_argument("model", help="codec, named as for run --model")
    add_model_args(command)
    add_python(command)
    command.add_argument("--weights", default="", help="folder or file of the codec's weights")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default auto)")
    command.add_argument(
        "--long",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="length of the long clip (default 60s; 3600s takes a while)",
    )
    add_cards(command)


def _validate(options: argparse.Namespace, _: Sequence[str]) -> int:
    from snac_eval.codecs.contract import open_subject, validate
    from snac_eval.machine import resolve_device

    subject = open_subject(
        options.model,
        card_dirs(options),
        options.weights,
        options.device if options.python else resolve_device(options.device),
        long_s=options.long,
        model_args=options.model_args,
        python=options.python,
    )
    print(f"{options.model} on {subject.codec.device}: {subject.codec.fingerprint}")
    failed = 0
    for finding in validate(subject):
        print(f"{finding.state:<8} {finding.check:<20} {finding.detail}", flush=True)
        failed += finding.state == "failed"
    print(f"{failed} of the checks failed" if failed else "the contract holds")
    return 1 if failed else 0
