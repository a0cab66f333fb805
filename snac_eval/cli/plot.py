"""snac-eval plot: a figure of runs, for a paper."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from snac_eval.cli.flags import Commands, names, path
from snac_eval.cli.ratings import add_ratings, rated
from snac_eval.errors import UsageError

# A codec's name may have options: snac_24khz@k=2.
_LABEL = re.compile(r"(?P<name>[^=@]+(?:@\w+=[^=@]+)*)=(?P<text>.*\S.*)")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    plot = commands.add_parser(
        "plot",
        help="draw a figure of runs: quality over rate, speed, streams, steps, losses, or clips",
        description="Draws runs as a figure of a paper's column width: PDF and SVG with text as"
        " text, or PNG.",
        examples=(
            "snac-eval plot runs/* --x bitrate --y pesq_wb,visqol_speech -o rd.pdf",
            "snac-eval plot runs/* --x speed --width double -o speed.svg",
            "snac-eval plot runs/* --x packet_loss --y pesq_wb,stoi -o loss.pdf",
            'snac-eval plot runs/* --kind box --label opus_6kbps="Opus at 6" -o clips.png',
        ),
        see_also=("snac-eval table", "docs/figures.md"),
    )
    plot.set_defaults(command=_plot)
    plot.add_argument(
        "runs", type=path, nargs="+", metavar="RUN", help="folders of runs or of studies"
    )
    plot.add_argument(
        "--x",
        default="",
        help="bitrate, speed, streams, step, packet_loss, bit_errors, or a metric's name (default:"
        " losses where every codec has several, else bitrate)",
    )
    plot.add_argument("--y", default="", help="comma-separated metrics, a panel each")
    plot.add_argument(
        "--kind", default="line", help="line (default), or box: the clips of each run"
    )
    plot.add_argument(
        "--width", default="single", help="single (8.5 cm, default), double (17.5 cm), or cm"
    )
    plot.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="call a codec, line, metric or dataset so; may be repeated",
    )
    add_ratings(plot)
    plot.add_argument(
        "-o", "--output", type=path, required=True, help="file to write: .pdf, .svg or .png"
    )


def _plot(options: argparse.Namespace, _: Sequence[str]) -> None:
    from snac_eval.reports import figures
    from snac_eval.results.study import read_runs
    from snac_eval.writing import printable

    figures.suffix(options.output)
    labels = dict(map(_label, options.label))
    runs, said = rated(options, read_runs(options.runs))
    made = figures.content(runs, options.x, names(options.y), options.kind, labels)
    figures.save(figures.draw(made, options.width), options.output)
    for line in (*figures.caption(made), *said):
        print(printable(line))
    print(f"figure: {printable(str(options.output))}")


def _label(text: str) -> tuple[str, str]:
    found = _LABEL.fullmatch(text)
    if found is None:
        raise UsageError(f"--label {text}: write NAME=TEXT, such as opus_6kbps='Opus at 6 kbps'")
    return found["name"], found["text"].strip()
