"""snac-eval completion: what a shell needs to complete commands, flags and names."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence

from snac_eval.cli.flags import Commands, path
from snac_eval.errors import UsageError

SHELLS = ("bash", "zsh", "tcsh", "fish")
_EPILOG = """to install it:
  bash: mkdir -p ~/.local/share/bash-completion/completions
        snac-eval completion bash > ~/.local/share/bash-completion/completions/snac-eval
  zsh:  snac-eval completion zsh > DIR/_snac-eval    DIR is one of $fpath
  tcsh: snac-eval completion tcsh > ~/.snac-eval.tcsh    and in ~/.tcshrc: source ~/.snac-eval.tcsh
  fish: snac-eval completion fish > ~/.config/fish/completions/snac-eval.fish

The names of codecs, datasets and metrics are those of today: print it again after an update.
"""
_NAMES = {
    "--model": "codecs",
    "--dataset": "datasets",
    "--metrics": "metrics",
    "--track": "trackers",
    "names": "all",
}
_FILES = ("--weights", "--agreement", "runs", "run")
# No other name can be completed without being quoted, or could do harm in a shell's script.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_BASH_WORDS = """_snac_eval_words() {
  local head="" word="$1"
  shift
  case "$word" in
    *,*) head="${word%,*},"; word="${word##*,}" ;;
  esac
  compgen -P "$head" -W "$*" -- "$word"
}
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command. Whoever declares the last one sets ``parser``, all of them together."""
    completion = commands.add_parser(
        "completion",
        help="print a script that completes commands and names in your shell",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Prints a script that a shell loads. It completes commands, flags, files, and"
        " the names of codecs, datasets and metrics.",
        examples=(
            "snac-eval completion bash > ~/.local/share/bash-completion/completions/snac-eval",
        ),
        see_also=("docs/looking.md",),
    )
    completion.set_defaults(command=_completion)
    completion.add_argument("shell", choices=SHELLS)


def _completion(options: argparse.Namespace, _: Sequence[str]) -> None:
    print(script(options.parser, options.shell))


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for a shell, made by shtab. Changes the parser, which must not be used again.

    Raises UsageError for a shell that the installed shtab does not know.
    """
    import shtab

    if shell not in shtab.SUPPORTED_SHELLS:
        raise UsageError(
            f"shtab {shtab.__version__} writes nothing for {shell}: pip install --upgrade shtab"
        )
    known = _known_names()
    for action in _actions(parser):
        key = action.option_strings[-1] if action.option_strings else action.dest
        if key in _NAMES:
            action.complete = _complete_names(_NAMES[key], known)  # type: ignore[attr-defined]
        elif key in _FILES or action.type is path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell, preamble=_BASH_WORDS if shell == "bash" else ""))


def _known_names() -> Mapping[str, Sequence[str]]:
    from snac_eval.registry import plugins

    kinds = {
        "codecs": plugins.codec_names(),
        "datasets": plugins.dataset_names(),
        "metrics": plugins.metric_names(),
        "trackers": plugins.tracker_names(),
    }
    plain = {kind: list(filter(_PLAIN.fullmatch, names)) for kind, names in kinds.items()}
    return {**plain, "all": sorted({name for names in plain.values() for name in names})}


def _complete_names(kind: str, known: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """What shtab takes for ``.complete``. In bash, names after a comma are completed as well."""
    words = " ".join(known[kind])
    function = f"_snac_eval_{kind}"
    return {
        "bash": function,
        "zsh": f"({words})",
        "tcsh": f"({words})",
        "fish": words,
        "preamble": {"bash": f'{function}() {{ _snac_eval_words "$1" {words}; }}\n'},
    }


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from _actions(subparser)
        else:
            yield action
