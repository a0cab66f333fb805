"""snac-eval doctor: what is installed, what is broken, and how to mend it."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence

from snac_eval.cli.flags import Commands


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    doctor = commands.add_parser(
        "doctor",
        help="say what is installed, what is broken and how to mend it",
        description="Imports every package in a process of its own, which takes some seconds, and"
        " shows versions, extras, devices, caches, whether the hub answers, and variables. Secrets"
        " are left out.",
        examples=("snac-eval doctor", "snac-eval doctor --format json > doctor.json"),
        see_also=("snac-eval list --ready", "docs/looking.md"),
    )
    doctor.set_defaults(command=_doctor)
    doctor.add_argument(
        "--self-test",
        action="store_true",
        help="also code some bundled clips and score them with every default metric",
    )
    doctor.add_argument(
        "--format", choices=("txt", "json"), default="txt", help="json: for bug reports"
    )


def _doctor(options: argparse.Namespace, _: Sequence[str]) -> int:
    from snac_eval.doctor.examination import examine, report_json, report_text, works

    findings = examine(options.self_test)
    if options.format == "json":
        print(report_json(findings))
    else:
        print(report_text(findings, shutil.get_terminal_size().columns))
    return 0 if works(findings) else 1
