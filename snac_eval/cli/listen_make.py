"""snac-eval listen make: a listening test from the clips of runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from snac_eval.cli.flags import Commands, path, seconds
from snac_eval.listening.shapes import CHOICES, METHODS

if TYPE_CHECKING:
    from pathlib import Path

    from snac_eval.listening.making import Made


_SHOWN = {
    "mushra": "a difference of two codecs is shown, for other listeners and other clips",
    "mos": "a difference of two codecs is shown, for other listeners and other clips",
    "abx": "it is shown that these listeners tell a codec from the reference",
}


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    make = commands.add_parser(
        "make",
        help="write a listening test from the clips of runs",
        description="Chooses clips that the runs share, levels their loudness, hides which codec"
        " is which, and writes a folder with a page that plays them.",
        examples=(
            "snac-eval listen make runs/* -o my-test",
            "snac-eval listen make runs/mine runs/theirs --method abx -o my-abx",
        ),
        see_also=("snac-eval listen serve", "snac-eval listen read", "docs/listening.md"),
    )
    make.set_defaults(command=_make)
    make.add_argument(
        "runs", type=path, nargs="+", metavar="RUN", help="folder of a run or of a study"
    )
    make.add_argument("-o", "--output", type=path, required=True, help="folder of the test")
    make.add_argument(
        "--method",
        choices=METHODS,
        default="mushra",
        help="mushra: all codecs side by side, 0 to 100; mos: one sound at a time, 1 to 5; abx: is"
        " a codec told from the reference (default mushra)",
    )
    _add_clips(make)
    make.add_argument(
        "--loudness", type=float, default=-23.0, help="of every sound, in LUFS (default -23)"
    )
    make.add_argument("--no-anchors", action="store_true", help="mushra without low-pass anchors")
    make.add_argument(
        "--training", type=int, metavar="N", help="trials to practise on (default 1 to 3)"
    )
    make.add_argument(
        "--repeats", type=int, default=1, help="abx: how often each pair is asked (default 1)"
    )
    make.add_argument("--title", default="", help="what listeners read above the test")
    make.add_argument("--contact", default="", help="whom listeners may ask; they can read it")
    make.add_argument("--url", default="", help="address that the page posts answers to")
    make.add_argument("--overwrite", action="store_true", help="replace the test that is there")
    make.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_clips(make: argparse.ArgumentParser) -> None:
    make.add_argument("--clips", type=int, metavar="N", help="how many clips (default 10)")
    make.add_argument(
        "--clip", action="append", default=[], metavar="ID", help="a clip that must be in it; may"
        " be repeated",
    )  # fmt: skip
    make.add_argument(
        "--choose",
        choices=CHOICES,
        default="telling",
        help="telling: clips on which the codecs' metrics differ most (default); random: without"
        " looking at scores",
    )
    make.add_argument("--seed", type=int, default=1, help="of everything random (default 1)")
    make.add_argument(
        "--length", type=seconds, default=10.0, help="longest excerpt of a clip (default 10s)"
    )


def _make(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.listening.making import Request, make_test
    from snac_eval.results.study import read_runs

    request = Request(
        output=options.output,
        method=options.method,
        clips=options.clips,
        ids=tuple(options.clip),
        choose=options.choose,
        seed=options.seed,
        length_s=options.length,
        loudness=options.loudness,
        anchors=not options.no_anchors,
        training=options.training,
        repeats=options.repeats,
        title=options.title,
        url=options.url,
        contact=options.contact,
        overwrite=options.overwrite,
        show_progress=not options.quiet,
    )
    _tell(make_test(read_runs(options.runs), request), options.output)


def _tell(made: Made, output: Path) -> None:
    from snac_eval.listening.power import ASSUMED, table_lines
    from snac_eval.listening.shapes import key_file
    from snac_eval.writing import printable

    key, plan = made.key, made.power.plan
    num_training = sum(trial.is_training for trial in key.trials)
    num_asked, tests = len(key.trials) - num_training, plan.num_tests
    clips = dict.fromkeys(trial.clip for trial in key.trials if not trial.is_training)
    said = [
        f"test: {output} ({key.method}; trials: {num_asked}, to practise on: {num_training})",
        f"codecs: {', '.join(key.runs)}",
        f"clips: {', '.join(clips)}",
        f"key: {key_file(made.folder)}: keep it, and keep it from listeners",
        *(f"note: {note}" for note in made.notes),
        "",
        f"How often {_SHOWN[key.method]}",
        f"({ASSUMED[key.method]}; corrected over {tests} test{'s' if tests > 1 else ''}):",
        *table_lines(made.power),
        "",
        f"webMUSHRA: copy the folder to configs/{key.test_id} and open"
        f" ?config={key.test_id}/config.yaml",
        f"next: snac-eval listen serve {output}",
    ]
    print(printable("\n".join(said)))
