"""snac-eval encode: audio files to files of codes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, add_cards, add_model_args, card_dirs, path


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("encode", help="write the codes of audio files")
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
    command.add_argument("--weights", default="", help="folder of the codec's weights")
    add_model_args(command)
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default auto)")
    command.add_argument("--overwrite", action="store_true", help="write what is there anew")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    add_cards(command)


def _encode(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.files.encoding import CodingConfig, encode
    from snac_eval.files.places import audio_inputs
    from snac_eval.files.telling import tell

    config = CodingConfig(
        model=options.model,
        output=options.output,
        weights=options.weights,
        device=options.device,
        card_dirs=card_dirs(options),
        model_args=tuple(options.model_args),
        channels=options.channels,
        overwrite=options.overwrite,
        show_progress=not options.quiet,
    )
    inputs = audio_inputs(options.inputs)
    tell(encode(config, inputs), inputs.notes)
