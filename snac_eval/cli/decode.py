"""snac-eval decode: files of codes to audio files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, add_coding, coding, path


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "decode",
        help="write the audio of files of codes",
        description="Reads the files of codes that snac-eval encode wrote, and writes WAV files."
        " The codec must be the one that wrote them.",
        examples=(
            "snac-eval decode opus_12kbps codes/ -o decoded/",
            "snac-eval decode snac_16khz_mini codes/ -o decoded/ --subtype pcm16",
        ),
        see_also=("snac-eval encode", "docs/files.md"),
    )
    command.set_defaults(command=_decode)
    command.add_argument("model", metavar="MODEL", help="the codec that encoded them")
    command.add_argument(
        "inputs", nargs="+", metavar="CODES", help="files of codes, or folders of them"
    )
    command.add_argument(
        "-o", "--output", type=path, required=True, metavar="DIR", help="folder of the WAV files"
    )
    command.add_argument(
        "--seed", type=int, default=0, help="seed of the codec's noise (default 0)"
    )
    command.add_argument(
        "--subtype",
        choices=("float", "pcm16"),
        default="float",
        help="32-bit float, exactly what the codec gives (default), or 16-bit",
    )
    add_coding(command)


def _decode(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.files.decoding import Output, decode
    from snac_eval.files.places import codes_inputs
    from snac_eval.files.telling import tell

    inputs = codes_inputs(options.inputs)
    tell(decode(coding(options), Output(options.seed, options.subtype), inputs), inputs.notes)
