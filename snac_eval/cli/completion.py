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
    "model": "codecs",
    "--dataset": "datasets",
    "--metrics": "metrics",
    "--track": "trackers",
    "names": "all",
    "environment": "environments",
}
"""By flag or argument, of which names it takes one, or a list parted by commas."""
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
# In each shell, names are completed after a comma as well; tcsh knows no such thing.
_FUNCTIONS = {
    "bash": '_snac_eval_{kind}() {{ _snac_eval_words "$1" {words}; }}',
    "zsh": "_snac_eval_{kind}() {{ _sequence compadd - {words} }}",
    "fish": "function _snac_eval_{kind}\n  __fish_append , {words}\nend",
}
_CALLED = {"fish": "(_snac_eval_{kind})", "tcsh": "({words})"}


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
    completion.add_argument("shell", choices=SHELLS, help="yours; echo $SHELL says which")


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
    known = {kind: " ".join(names) for kind, names in _known_names().items()}
    called = _CALLED.get(shell, "_snac_eval_{kind}")
    for action in _actions(parser):
        key = action.option_strings[-1] if action.option_strings else action.dest
        if kind := _NAMES.get(key):
            text = called.format(kind=kind, words=known[kind])
            action.complete = {shell: text}  # type: ignore[attr-defined]
        elif key in _FILES or action.type is path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    function = _FUNCTIONS.get(shell, "")
    functions = [function.format(kind=kind, words=words) for kind, words in known.items()]
    preamble = "\n".join([_BASH_WORDS if shell == "bash" else "", *functions])
    return str(shtab.complete(parser, shell, preamble=preamble))


def _known_names() -> Mapping[str, Sequence[str]]:
    from snac_eval.environments.known import known_environments
    from snac_eval.registry import plugins

    kinds = {
        "codecs": plugins.codec_names(),
        "datasets": plugins.dataset_names(),
        "metrics": plugins.metric_names(),
    }
    plain = {kind: list(filter(_PLAIN.fullmatch, names)) for kind, names in kinds.items()}
    everything = sorted({name for names in plain.values() for name in names})
    others = {"environments": known_environments(), "trackers": plugins.tracker_names()}
    plain |= {kind: list(filter(_PLAIN.fullmatch, names)) for kind, names in others.items()}
    return {**plain, "all": everything}


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                subparser.description = None  # shells have room for the short help alone
                yield from _actions(subparser)
        else:
            yield action
