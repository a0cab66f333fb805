"""snac-eval encode: audio files to files of codes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from snac_eval.cli.flags import Commands, add_coding, coding, path


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "encode",
        help="write the codes of audio files",
        description="Codes audio files and keeps what a codec would send: a file of codes for"
        " each, with its rate and the facts that decoding needs.",
        examples=(
            "snac-eval encode opus_12kbps speech.wav music.wav -o codes/",
            "snac-eval encode snac_16khz_mini my/recordings -o codes/ --channels each",
        ),
        see_also=("snac-eval decode", "snac-eval score", "docs/files.md"),
    )
    command.set_defaults(command=_encode)
    command.add_argument("model", metavar="MODEL", help="codec, named as for run --model")
    command.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="audio files, or folders of them"
    )
    command.add_argument(
        "-o", "--output", type=path, required=True, metavar="DIR", help="folder of the codes"
    )
    command.add_argument(
        "--channels",
        choices=("downmix", "each"),
        default="downmix",
        help="stereo for a mono codec: the mean (default), or each channel coded on its own",
    )
    add_coding(command)


def _encode(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.files.encoding import encode
    from snac_eval.files.places import audio_inputs
    from snac_eval.files.telling import tell

    config = replace(coding(options), channels=options.channels)
    inputs = audio_inputs(options.inputs)
    tell(encode(config, inputs), inputs.notes)
